// What this browser is and what it lacks, by asking for each feature and not by its name.

const NEEDED: Record<string, () => boolean> = {
  getUserMedia: () => Boolean(navigator.mediaDevices?.getUserMedia) || !window.isSecureContext,   // told by the camera
  WebRTC: () => typeof RTCPeerConnection === "function" && typeof RTCRtpSender?.getCapabilities === "function",
  setCodecPreferences: () => "setCodecPreferences" in (globalThis.RTCRtpTransceiver?.prototype ?? {}),
  WebSocket: () => typeof WebSocket === "function",
  BroadcastChannel: () => typeof BroadcastChannel === "function",
  "AbortSignal.timeout": () => typeof AbortSignal.timeout === "function",
};

/** The names of what an exam needs and this browser does not have. */
export function lacking(): string[] {
  return Object.entries(NEEDED).filter(([, isThere]) => !isThere()).map(([name]) => name);
}

/** Name and version, for people and for the record; the decision is `lacking`. */
export function browserName(agent: string = navigator.userAgent): string {
  const known: [RegExp, string][] = [
    [/Edg(?:e|A|iOS)?\/(\d+)/, "Edge"], [/OPR\/(\d+)/, "Opera"], [/Firefox\/(\d+)/, "Firefox"],
    [/FxiOS\/(\d+)/, "Firefox"], [/HeadlessChrome\/(\d+)/, "Chromium"], [/CriOS\/(\d+)/, "Chrome"],
    [/Chrome\/(\d+)/, "Chrome"], [/Version\/(\d+).*Safari/, "Safari"],
  ];
  for (const [pattern, name] of known) {
    const found = agent.match(pattern);
    if (found) return `${name} ${found[1]}`;
  }
  return "Browser";
}

/** Whether it is of the family that our tests drive. */
export function isTested(agent: string = navigator.userAgent): boolean {
  return /Chrome\/\d+/.test(agent) && !/CriOS/.test(agent);
}
