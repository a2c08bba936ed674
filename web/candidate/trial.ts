// A connection that is tried out before the exam: the server tells what arrived, we tell how the line did.

import type { Api } from "$lib/api.js";
import { pause } from "$lib/backoff.js";
import { browserName } from "./browser";
import { Peer } from "./peer.js";
import type { Media, Preflight, Trial } from "./types";

const LOOK_EVERY_MS = 1000;
const AT_LEAST_MS = 5000;     // the line is measured meanwhile
const AT_MOST_MS = 25_000;

interface Line { loss: number | null; rttMs: number | null }

/** What the browser knows of the way up; null for what it does not tell. */
export async function measureLine(connection: RTCPeerConnection): Promise<Line> {
  let sent = 0, lost = 0, isTold = false;
  let rttMs: number | null = null;
  for (const one of (await connection.getStats()).values()) {
    if (one.type === "outbound-rtp") sent += one.packetsSent ?? 0;
    if (one.type === "remote-inbound-rtp") {
      isTold = true;
      lost += Math.max(0, one.packetsLost ?? 0);
    }
    if (one.type === "candidate-pair" && one.nominated && typeof one.currentRoundTripTime === "number") {
      rttMs = one.currentRoundTripTime * 1000;
    }
  }
  return { loss: isTold && sent > 0 ? Math.min(1, lost / sent) : null, rttMs };
}

/** Send until the server has seen and heard what it needs, or the time is up; what is kept of it.
 *  Raises ApiProblem; null when it was stopped. */
export async function tryOut(
  { api, sessionId, stream, iceServers, media, onSeen, signal }: {
    api: Api; sessionId: string; stream: MediaStream; iceServers: RTCIceServer[]; media: Media;
    onSeen: (seen: Trial) => void; signal: AbortSignal;
  },
): Promise<Preflight | null> {
  const peer = new Peer({
    api, whipUrl: `/v1/sessions/${sessionId}/preflights`, stream, iceServers, media, onConnection: () => {},
  });
  const began = performance.now();
  try {
    await peer.open();
    const where = String(peer.location);
    for (;;) {
      if (!await pause(LOOK_EVERY_MS, signal)) { await peer.leave(); return null; }
      const seen = await api.get(where) as Trial;
      onSeen(seen);
      const line = await measureLine(peer.connection);
      const lastedMs = performance.now() - began;
      const isDone = seen.camera.length === 0 && seen.microphone.length === 0 && lastedMs > AT_LEAST_MS;
      if (!isDone && lastedMs <= AT_MOST_MS) continue;
      const told = { loss: line.loss, rtt_ms: line.rttMs, browser: browserName() };
      return await api.post(`${where}/result`, told) as Preflight;
    }
  } finally {
    peer.close();
  }
}
