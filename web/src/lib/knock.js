// Finds out when the server can be reached again, before anything is asked of it.
//
// It knocks with a WebSocket, because a browser makes a new TCP connection for each one. A fetch is given
// a connection that an earlier, abandoned fetch was still opening: after a cut of a minute that one asks
// again only every half minute (1, 2, 4 ... s), and every fetch waits with it. So nothing is fetched
// while nobody answers.

import { pause } from "./backoff.js";

const EACH_MS = 4000;     // TCP asks at 0, 1 and 3 s; a bad line needs several packets to be sent again
const BETWEEN_MS = 300;

let knocking = null;

/** Resolves to true once the server has answered, to false when the signal aborts. All callers share one knock. */
export function knock(signal) {
  knocking ??= untilAnswered().finally(() => { knocking = null; });
  return Promise.race([knocking, new Promise((resolve) => {
    if (signal.aborted) resolve(false);
    signal.addEventListener("abort", () => resolve(false), { once: true });
  })]);
}

async function untilAnswered() {
  const never = new AbortController().signal;
  for (let wait = BETWEEN_MS; ; wait = Math.min(2 * wait, 2000)) {
    const answer = await once();
    if (answer === "open" || (answer === "refused" && await isFetched())) return true;
    // silence has cost its own four seconds; only quick refusals are spread out
    await pause((answer === "silent" ? BETWEEN_MS : wait) * (0.5 + Math.random()), never);
  }
}

function once() {
  return new Promise((resolve) => {
    const scheme = window.location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${window.location.host}/v1/live/session`);
    const end = (answer) => {
      clearTimeout(limit);
      resolve(answer);
      socket.close();
    };
    const limit = setTimeout(end, EACH_MS, "silent");
    socket.addEventListener("open", () => end("open"));
    socket.addEventListener("error", () => end("refused"));   // by the server, a proxy, or this computer without a network
  });
}

async function isFetched() {
  try {
    await fetch("/healthz", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(EACH_MS) });
    return true;
  } catch {
    return false;
  }
}
