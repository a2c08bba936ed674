// A WebSocket of the `live` deployment that comes back by itself. Nothing secret is in its address:
// a ticket had by HTTPS goes in the first message.

import { Backoff, pause } from "./backoff.js";
import { knock } from "./knock.js";

const SETTLED_MS = 5000;     // a socket that held this long was a good one
const OPEN_WITHIN_MS = 8000;
const SILENT_FOR_MS = 25_000; // the server says at least `ping` every 15 s
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
    this.hurry = new AbortController();
    this.giveUp = null;
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
      this.hurry = new AbortController();
      await pause(waitMs, this.hurry.signal);
      await knock(signal);
    }
    this.handlers.onState?.("closed");
  }

  /** Do not rely on the socket that there is: TCP may take as long to notice a mended line as it was cut. */
  again() {
    this.backoff.reset();
    this.hurry.abort();
    this.giveUp?.();
  }

  #once(ticket) {
    return new Promise((resolve) => {
      const scheme = window.location.protocol === "https:" ? "wss" : "ws";
      const beganAt = performance.now();
      const socket = new WebSocket(`${scheme}://${window.location.host}${this.path}`);
      this.socket = socket;
      let deadline = 0;
      const end = (code) => {
        clearTimeout(deadline);
        if (this.socket === socket) this.socket = null;
        if (performance.now() - beganAt > SETTLED_MS) this.backoff.reset();
        resolve(code);
      };
      this.giveUp = () => {
        socket.close();   // its own `close` would wait for an answer that does not come
        end(0);
      };
      const within = (milliseconds) => {
        clearTimeout(deadline);
        deadline = setTimeout(this.giveUp, milliseconds);
      };
      within(OPEN_WITHIN_MS);
      socket.addEventListener("open", () => {
        within(SILENT_FOR_MS);
        socket.send(JSON.stringify({ type: "hello", ticket, ...(this.handlers.hello?.() ?? {}) }));
        this.handlers.onState?.("open");
      });
      socket.addEventListener("message", (event) => {
        if (this.socket !== socket) return;
        within(SILENT_FOR_MS);
        let message;
        try {
          message = JSON.parse(event.data);
        } catch {
          return;
        }
        if (message.type === "ping") this.send({ type: "pong" });
        else this.handlers.onMessage(message);
      });
      socket.addEventListener("close", (event) => end(event.code));
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
    this.hurry.abort();
    this.socket?.close(1000);
  }
}
