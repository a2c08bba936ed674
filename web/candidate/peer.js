// One WebRTC connection by WHIP (RFC 9725): offer, answer, trickle ICE (RFC 8840), DELETE. It is never
// repaired: when it breaks, the page makes a new one, which the server counts as the next epoch.

const ANSWER_WITHIN_MS = 8000;
const CODECS = { video: ["video/VP8", "video/rtx"], audio: ["audio/opus"] };

/** Fresh ICE servers from the `Link` headers of a WHIP answer (short-lived TURN credentials). */
export function iceServersOf(linkHeader) {
  const servers = [];
  for (const part of (linkHeader ?? "").split(/,\s*(?=<)/)) {
    if (!/rel="?ice-server"?/.test(part)) continue;
    const url = part.match(/<([^>]+)>/)?.[1];
    if (!url) continue;
    const username = part.match(/username="([^"]*)"/)?.[1];
    const credential = part.match(/credential="([^"]*)"/)?.[1];
    servers.push(username ? { urls: url, username, credential } : { urls: url });
  }
  return servers;
}

/** An SDP fragment with the candidates of one media section. */
export function fragmentOf(localSdp, mid, candidates, isComplete) {
  const attribute = (name) => localSdp.match(new RegExp(`^a=${name}:(.*)$`, "m"))?.[1].trim();
  const kind = localSdp.match(/^m=(\w+) /m)?.[1] ?? "video";
  const lines = [`a=ice-ufrag:${attribute("ice-ufrag")}`, `a=ice-pwd:${attribute("ice-pwd")}`];
  lines.push(`m=${kind} 9 UDP/TLS/RTP/SAVPF 0`, `a=mid:${mid}`, ...candidates.map((candidate) => `a=${candidate}`));
  if (isComplete) lines.push("a=end-of-candidates");
  return `${lines.join("\r\n")}\r\n`;
}

/** What the sender may spend; a camera that gives a larger picture than asked for is scaled down. */
function encodingOf(track, { width, height, fps, max_kbps: maxKbps }) {
  const given = track.getSettings();
  const scale = Math.max(1, Math.min((given.width ?? width) / width, (given.height ?? height) / height));
  return { maxBitrate: maxKbps * 1000, maxFramerate: fps, scaleResolutionDownBy: scale };
}

export class Peer {
  /** @param {{api: import("$lib/api.js").Api, whipUrl: string, stream: MediaStream, iceServers: RTCIceServer[],
   *           media: {width: number, height: number, fps: number, max_kbps: number}, onConnection: (state: string) => void}} wiring */
  constructor({ api, whipUrl, stream, iceServers, media, onConnection }) {
    this.api = api;
    this.whipUrl = whipUrl;
    this.location = null;
    this.epoch = 0;
    this.freshIceServers = [];
    this.heardAt = 0;
    this.isHeard = false;     // whether this browser tells what comes from the server
    this.lastHeard = null;
    this.pending = [];
    this.flushing = Promise.resolve();
    this.connection = new RTCPeerConnection({ iceServers, bundlePolicy: "max-bundle" });
    this.connection.addEventListener("connectionstatechange", () => onConnection(this.connection.connectionState));
    this.connection.addEventListener("icecandidate", ({ candidate }) => {
      this.pending.push(candidate);
      this.#flush();
    });
    for (const track of stream.getTracks()) this.#add(track, stream, media);
    this.onConnection = onConnection;
  }

  /** A host that leaves in order says so by DTLS; `connectionState` may stay at `connected` all the same. */
  #watchTransport() {
    const transport = this.connection.getSenders()[0]?.transport;
    transport?.addEventListener("statechange", () => {
      if (transport.state === "closed" && this.connection.signalingState !== "closed") this.onConnection("disconnected");
    });
  }

  #add(track, stream, media) {
    const encodings = track.kind === "video" ? [encodingOf(track, media)] : [{}];
    const transceiver = this.connection.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings: encodings });
    const codecs = RTCRtpSender.getCapabilities(track.kind)?.codecs ?? [];
    const wanted = codecs.filter((codec) => CODECS[track.kind].includes(codec.mimeType));
    if (wanted.some((codec) => codec.mimeType === CODECS[track.kind][0])) transceiver.setCodecPreferences(wanted);
  }

  /** Note whether anything came from the server: its reports, or its answers to our checks of the path. */
  async listen() {
    let heard = 0;
    for (const one of (await this.connection.getStats()).values()) {
      if (one.type === "transport") heard += one.packetsReceived ?? 0;
      if (one.type === "candidate-pair") heard += (one.responsesReceived ?? 0) + (one.packetsReceived ?? 0);
    }
    if (heard === this.lastHeard) return;
    this.isHeard = this.lastHeard !== null;
    this.lastHeard = heard;
    this.heardAt = performance.now();
  }

  /** Offer, and apply the answer; the epoch of the session that it begins. Raises ApiProblem. */
  async open() {
    await this.connection.setLocalDescription(await this.connection.createOffer());
    const response = await this.api.send("POST", this.whipUrl, {
      body: this.connection.localDescription.sdp,
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp" },
      withinMs: ANSWER_WITHIN_MS,
    });
    const answer = await response.text();
    this.location = new URL(response.headers.get("Location") ?? "", new URL(this.whipUrl, window.location.href)).pathname;
    this.epoch = Number(this.location.split("/").at(-1)) || 0;
    this.freshIceServers = iceServersOf(response.headers.get("Link"));
    if (this.connection.signalingState === "closed") { await this.leave(); return this.epoch; }
    await this.connection.setRemoteDescription({ type: "answer", sdp: answer });
    this.#watchTransport();
    this.#flush();
    return this.epoch;
  }

  #flush() {
    this.flushing = this.flushing.then(async () => {
      if (!this.location || this.pending.length === 0) return;
      const batch = this.pending.splice(0);
      const real = batch.filter((candidate) => candidate?.candidate);
      const mid = real[0]?.sdpMid ?? this.connection.getTransceivers()[0]?.mid ?? "0";
      const isComplete = batch.includes(null);
      if (real.length === 0 && !isComplete) return;
      const body = fragmentOf(this.connection.localDescription.sdp, mid, real.map((one) => one.candidate), isComplete);
      try {
        await this.api.send("PATCH", this.location, { body, headers: { "Content-Type": "application/trickle-ice-sdpfrag" } });
      } catch {
        // the server may still learn our address from the checks themselves; a dead connection is seen elsewhere
      }
    });
  }

  /** Send less (or more), as the server asks. */
  async tune(media) {
    const sender = this.connection.getSenders().find((one) => one.track?.kind === "video");
    if (!sender) return;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) Object.assign(encoding, encodingOf(sender.track, media));
    await sender.setParameters(parameters);
  }

  /** Close here; the server notices or has replaced us already. */
  close() {
    this.connection.close();
  }

  /** Close in order, there too. Survives the page's own end. */
  async leave() {
    this.close();
    if (!this.location) return;
    try {
      await this.api.send("DELETE", this.location, { keepalive: true });
    } catch {
      // it is closed here; the server's watchdog notices the rest
    }
  }
}
