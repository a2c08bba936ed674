// A WebSocket of the `live` deployment that comes back by itself. Nothing secret is in its address:
// a ticket had by HTTPS goes in the first message.

import { Backoff, pause } from "./backoff.js";

const SETTLED_MS = 5000;     // a socket that held this long was a good one
const CLOSE_FORBIDDEN = 4403;

export class LiveSocket {
  /**
   * @param {import("./api.js").Api} api whose bearer token buys the ticket
   * @param {string} path for instance `/v1/live/alerts`
   * @param {{hello?: () => object, onMessage: (message: any) => void, onState?: (state: string, waitMs?: number) => void,
   *          onRefused?: (problem: any) => void}} handlers `hello` adds fields to the first message (the cursor)
   */
  constructor(api, path, handlers) {
    this.api = api;
    this.path = path;
    this.handlers = handlers;
    this.socket = null;
    this.stopper = new AbortController();
    this.backoff = new Backoff();
  }

  /** Keep the socket up until `close` or until the server no longer accepts the token. */
  async run() {
    const { signal } = this.stopper;
    while (!signal.aborted) {
      this.handlers.onState?.("connecting");
      try {
        const { ticket } = await this.api.post("/v1/live/tickets");
        if (signal.aborted) break;
        const code = await this.#once(ticket);
        if (code === CLOSE_FORBIDDEN) { this.handlers.onRefused?.({ status: 403, message: "This feed is not open to you." }); return; }
      } catch (problem) {
        if (problem.status === 401 || problem.status === 403) { this.handlers.onRefused?.(problem); return; }
      }
      if (signal.aborted) break;
      const waitMs = this.backoff.next();
      this.handlers.onState?.("waiting", waitMs);
      await pause(waitMs, signal);
    }
    this.handlers.onState?.("closed");
  }

  #once(ticket) {
    return new Promise((resolve) => {
      const scheme = window.location.protocol === "https:" ? "wss" : "ws";
      const beganAt = performance.now();
      const socket = new WebSocket(`${scheme}://${window.location.host}${this.path}`);
      this.socket = socket;
      socket.addEventListener("open", () => {
        socket.send(JSON.stringify({ type: "hello", ticket, ...(this.handlers.hello?.() ?? {}) }));
        this.handlers.onState?.("open");
      });
      socket.addEventListener("message", (event) => {
        let message;
        try {
          message = JSON.parse(event.data);
        } catch {
          return;
        }
        if (message.type !== "ping") this.handlers.onMessage(message);
      });
      socket.addEventListener("close", (event) => {
        if (this.socket === socket) this.socket = null;
        if (performance.now() - beganAt > SETTLED_MS) this.backoff.reset();
        resolve(event.code);
      });
    });
  }

  /** Send if the socket is up; says whether it was. */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** End for good. */
  close() {
    this.stopper.abort();
    this.socket?.close(1000);
  }
}
