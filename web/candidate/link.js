// Keeps the session connected: makes peers one after another, and knows when a new one is due.
// The old peer goes on until the new one is answered: a server that cannot be reached costs nothing else.

import { Backoff, pause } from "$lib/backoff.js";
import { knock } from "$lib/knock.js";
import { CameraProblem } from "./camera.js";
import { Peer } from "./peer.js";

const CONNECT_WITHIN_MS = 8000;     // an offer that leads nowhere is given up
const DISCONNECTED_FOR_MS = 1500;   // ICE often comes back by itself
const QUIET_FOR_MS = 2500;          // the server reports what it received at least every 1.5 s
const LISTEN_EVERY_MS = 250;
const BLIND_FOR_MS = 2000;          // the server sees nothing although we send
const GRACE_MS = 6000;              // a new connection may need this until the server sees something
const SETTLED_MS = 10_000;          // held so long, the next break is a new one
const REPAIRABLE = new Set(["no_media", "host_lost"]);
const MAY_PASS = new Set(["quiet", "disconnected"]);   // such a peer is kept when it comes back meanwhile

export class Link {
  /** @param {{api: import("$lib/api.js").Api, camera: import("./camera.js").Camera, whipUrl: string, iceServers: RTCIceServer[],
   *           media: any, onPhase: (phase: string) => void, onEpoch: (epoch: number) => void, onStream: (stream: MediaStream) => void,
   *           onRefused: (problem: any) => void, onProblem: (problem: any) => void}} wiring */
  constructor(wiring) {
    Object.assign(this, wiring);
    this.peer = null;
    this.openedAt = 0;
    this.opening = false;
    this.wake = null;
    this.timers = new Map();
    this.backoff = new Backoff();
    this.stopper = new AbortController();
  }

  /** Connect, and connect again whenever it is due, until `stop`. */
  async run() {
    const { signal } = this.stopper;
    this.#listen();
    let reason = null;
    while (!signal.aborted) {
      if (reason) {
        this.onPhase("reconnecting");
        if (performance.now() - this.openedAt > SETTLED_MS && this.openedAt > 0) this.backoff.reset();
        await Promise.all([knock(signal), pause(this.backoff.next(), signal)]);
      }
      const due = new Promise((resolve) => { this.wake = resolve; });
      const isOpen = this.#isBack(reason) || await this.#open();
      if (signal.aborted) break;
      reason = isOpen ? await due : reason ?? "not open";
    }
  }

  /** Whether the peer that seemed gone is there after all. */
  #isBack(reason) {
    if (!MAY_PASS.has(reason) || this.peer?.connection.connectionState !== "connected") return false;
    if (performance.now() - this.peer.heardAt > QUIET_FOR_MS) return false;
    this.onPhase("live");
    return true;
  }

  /** Nothing comes from the server on a connection that says it stands: the line is cut, or our address has changed. */
  async #listen() {
    while (await pause(LISTEN_EVERY_MS, this.stopper.signal)) {
      const peer = this.peer;
      if (!peer || peer.connection.connectionState !== "connected") continue;
      await peer.listen();
      if (peer === this.peer && peer.isHeard && performance.now() - peer.heardAt > QUIET_FOR_MS) this.again("quiet");
    }
  }

  async #open() {
    this.#clear();
    this.opening = true;
    let peer = null;
    try {
      const stream = await this.camera.get();
      this.onStream(stream);
      if (this.stopper.signal.aborted) return false;
      peer = new Peer({
        api: this.api, whipUrl: this.whipUrl, stream, iceServers: this.iceServers, media: this.media,
        onConnection: (state) => this.#connection(peer, state),
      });
      const epoch = await peer.open();
      if (this.stopper.signal.aborted) { await peer.leave(); return false; }
      const before = this.peer;
      this.peer = peer;
      before?.close();
      this.openedAt = performance.now();
      this.#after("connect", CONNECT_WITHIN_MS, "no connection");
      this.#connection(peer, peer.connection.connectionState);
      if (peer.freshIceServers.length) this.iceServers = peer.freshIceServers;
      this.onEpoch(epoch);
      this.onProblem(null);
      return true;
    } catch (problem) {
      peer?.close();
      if (!(problem instanceof CameraProblem) && !problem.retryable && problem.status) {
        this.onRefused(problem);
        this.stop();
      } else {
        this.onProblem(problem);
        if (problem.retryAfterS) await pause(problem.retryAfterS * 1000 * (1 + Math.random()), this.stopper.signal);
      }
      return false;
    } finally {
      this.opening = false;
    }
  }

  #connection(peer, state) {
    if (peer !== this.peer) return;
    if (state === "connected") {
      this.#cancel("connect");
      this.#cancel("disconnected");
      this.onPhase("live");
    } else if (state === "disconnected") {
      this.#after("disconnected", DISCONNECTED_FOR_MS, "disconnected");
    } else if (state === "failed") {
      this.again("failed");
    }
  }

  /** The server's word on what it sees; decides whether a new connection may help. */
  status({ video, audio }) {
    const isLost = [video, audio].some((one) => one?.state === "blind" && REPAIRABLE.has(one.reason));
    if (!isLost) {
      this.#cancel("blind");
      if (video?.state === "monitored") this.backoff.reset();
    } else if (!this.timers.has("blind")) {
      const grace = Math.max(0, this.openedAt + GRACE_MS - performance.now());
      this.#after("blind", Math.max(BLIND_FOR_MS, grace), "blind");
    }
  }

  /** The server asks for a new connection in place of `epoch`. A second wish for the same one is not heard. */
  reconnect(epoch) {
    const isOld = epoch !== undefined && epoch < (this.peer?.epoch ?? 0);   // it was long on its way
    if (!isOld && performance.now() - this.openedAt > 1000) this.again("asked");
  }

  /** A new connection is due now. */
  again(reason = "asked") {
    if (this.opening || this.stopper.signal.aborted) return;
    this.#clear();
    this.wake?.(reason);
  }

  /** Send less or more. The next connection begins with it, too. */
  async tune(wish) {
    this.media = { ...this.media, ...wish };
    await this.camera.resize(this.media);
    await this.peer?.tune(this.media);
  }

  #after(name, milliseconds, reason) {
    this.#cancel(name);
    this.timers.set(name, setTimeout(() => { this.timers.delete(name); this.again(reason); }, milliseconds));
  }

  #cancel(name) {
    clearTimeout(this.timers.get(name));
    this.timers.delete(name);
  }

  #clear() {
    for (const name of [...this.timers.keys()]) this.#cancel(name);
  }

  /** End; `inOrder` tells the server. */
  stop(inOrder = false) {
    this.stopper.abort();
    this.#clear();
    this.wake?.();
    if (inOrder) this.peer?.leave();
    else this.peer?.close();
  }
}
