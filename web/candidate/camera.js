// The camera and the microphone: had once, watched, and had again when a device goes away.

/** Why there is no picture, in words for the candidate. */
export class CameraProblem extends Error {
  constructor(name, detail) {
    super(detail);
    this.code = name;
  }
}

const WORDS = {
  NotAllowedError: "Your browser does not let this page use the camera. Allow it beside the address bar; we go on by ourselves.",
  NotFoundError: "No camera was found. Plug one in; we go on by ourselves.",
  NotReadableError: "Another program is using the camera. Close it; we go on by ourselves.",
  OverconstrainedError: "The camera cannot give the picture we need.",
};

export class Camera {
  /** @param {{width: number, height: number, fps: number}} media what the server asked for
   *  @param {(event: string) => void} onEvent `camera_muted`, `microphone_muted`, `device_changed`, `lost` */
  constructor(media, onEvent) {
    this.media = media;
    this.onEvent = onEvent;
    this.stream = null;
    navigator.mediaDevices?.addEventListener("devicechange", () => this.onEvent("device_changed"));
  }

  /** Whether the picture comes from a device that is there. */
  get isLive() {
    return this.stream !== null && this.stream.getVideoTracks().some((track) => track.readyState === "live");
  }

  /** The stream; asks the browser when there is none or its camera is gone. Without a microphone it is video only. */
  async get() {
    if (this.isLive) return this.stream;
    if (!navigator.mediaDevices) {
      throw new CameraProblem("insecure", "A browser gives the camera only to a page opened by https or on this computer.");
    }
    this.stop();
    const video = { width: this.media.width, height: this.media.height, frameRate: this.media.fps };
    // no noise suppression: a quiet second voice must not be taken away, nor the room become digital silence
    const audio = { echoCancellation: true, noiseSuppression: false, autoGainControl: true, channelCount: 1 };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video, audio }).catch((problem) => {
        if (problem.name !== "NotFoundError") throw problem;
        return navigator.mediaDevices.getUserMedia({ video });
      });
    } catch (problem) {
      throw new CameraProblem(problem.name, WORDS[problem.name] ?? `The camera did not start (${problem.name}).`);
    }
    for (const track of this.stream.getTracks()) this.#watch(track);
    return this.stream;
  }

  #watch(track) {
    track.addEventListener("mute", () => this.onEvent(track.kind === "video" ? "camera_muted" : "microphone_muted"));
    track.addEventListener("ended", () => this.onEvent("lost"));
  }

  /** Take another size or rate, as the server asks. A camera that cannot goes on: the sender scales and skips. */
  async resize({ width, height, fps }) {
    this.media = { ...this.media, width, height, fps };
    for (const track of this.stream?.getVideoTracks() ?? []) {
      await track.applyConstraints({ width, height, frameRate: fps }).catch(() => {});
    }
  }

  /** Lights off. */
  stop() {
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
  }
}
