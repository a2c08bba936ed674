// Where the candidate stands, from the link to the end; the connection itself is link.js's.

import { Api, ApiProblem, takeFragment } from "$lib/api.js";
import { LiveSocket } from "$lib/live.js";
import { Camera, CameraProblem } from "./camera.js";
import { has, locale, t } from "./language.svelte";
import { Link } from "./link.js";
import { pathOf } from "./types";
import type { Choice, Cover, Joined, Media, Notice, Own, Scope } from "./types";

const KEPT = "proctor.candidate";   // this tab only; lets a reload resume without a new link
const MEDIA: Media = { width: 320, height: 240, fps: 5, max_kbps: 250 };
const LOOK_EVERY_MS = 20_000;
const ENDINGS = new Set(["ended", "left", "refused", "elsewhere", "declined"]);

export type Step = "joining" | "nothing" | "notice" | "preflight" | "enrolment" | "ready" | "room" | "ending";

/** What tests and the curious may look at. `video`, `audio` ({state, reason}) and `send` are as the server said last. */
interface Told {
  session: string | null; epoch: number; phase: string; step: Step;
  video: Cover | null; audio: Cover | null; send: Media | null;
}

declare global {
  interface Window { proctorState: Told }
}

export class Exam {
  step = $state<Step>("joining");
  phase = $state("joining");
  problem = $state("");
  video = $state<Cover | null>(null);
  audio = $state<Cover | null>(null);
  spoken = $state("");
  own = $state<Own | null>(null);
  notice = $state<Notice | null>(null);
  title = $state("");
  stream = $state.raw<MediaStream | null>(null);
  mayRetry = $state(false);
  joined: Joined | null = null;

  #ticket: string | null = null;
  #link: Link | null = null;
  #control: LiveSocket | null = null;
  #camera: Camera | null = null;
  #wakeLock: WakeLockSentinel | null = null;
  #watch = 0;
  readonly #tabs = new BroadcastChannel("proctor.candidate");
  readonly #me = crypto.randomUUID();
  readonly #told: Told = { session: null, epoch: 0, phase: "joining", step: "joining", video: null, audio: null, send: null };

  constructor() {
    window.proctorState = this.#told;
    this.#tabs.addEventListener("message", ({ data }) => {
      if (data.session !== this.#told.session || data.from === this.#me || !this.#link) return;
      this.#finish("elsewhere");
    });
    document.addEventListener("visibilitychange", () => {
      this.#report(document.hidden ? "page_hidden" : "page_shown");
      if (!document.hidden && this.#link) void this.#stayAwake();
    });
    window.addEventListener("pagehide", () => { void this.#link?.peer?.leave(); });
  }

  get api(): Api {
    return new Api(this.joined?.token);
  }

  get media(): Media {
    return { ...MEDIA, ...this.joined?.media };
  }

  /** The session's own address. */
  get path(): string {
    return `/v1/sessions/${this.joined?.session_id}`;
  }

  /** Take the link, or what a reload left, and show the step that is due. */
  async begin(): Promise<void> {
    const fragment = takeFragment();
    this.#ticket = fragment.get("ticket") ?? this.#ticket;
    const isAutomatic = fragment.get("auto") === "1";
    this.joined = kept();
    if (this.#ticket) await this.#join(this.#ticket);
    if (!this.joined) {
      this.#go("nothing", "no_link");
      return;
    }
    this.#told.session = this.joined.session_id;
    this.title = this.joined.exam?.title ?? "";
    if (isAutomatic || this.joined.agreed) this.enter();
    else await this.resume();
  }

  async #join(ticket: string): Promise<void> {
    try {
      this.joined = { ...await new Api().post("/v1/join", { ticket }), agreed: false } as Joined;
      this.#ticket = null;
      this.#keep();
    } catch (problem) {
      if (this.joined) return;
      this.mayRetry = problem instanceof ApiProblem && problem.retryable;
      this.problem = this.mayRetry ? this.wordsOf(problem) : t("nothing.used");
    }
  }

  /** The step that the server's own account of the session asks for. */
  async resume(): Promise<void> {
    if (!await this.look()) return;
    const choice = this.own?.answer?.choice;
    if (this.own?.state === "ended") this.#finish("ended");
    else if (choice === undefined) await this.showNotice();
    else if (choice === "declined") this.#finish("declined");
    else this.#go("preflight", "preflight");
  }

  /** Ask how the session stands; false when that cannot be told now. */
  async look(): Promise<boolean> {
    try {
      this.own = await this.api.get(`${this.path}/own`) as Own;
      this.title = this.own.exam_title;
      return true;
    } catch (problem) {
      this.#fell(problem);
      return false;
    }
  }

  /** Show the notice, in the language of the page. */
  async showNotice(): Promise<void> {
    this.#go("notice", "notice");
    await this.fetchNotice();
  }

  async fetchNotice(): Promise<void> {
    try {
      this.notice = await this.api.get(`${this.path}/notice?locale=${locale()}`) as Notice;
      this.problem = "";
    } catch (problem) {
      this.#fell(problem);
    }
  }

  /** Record an answer to the notice that is shown, and go on from it. */
  async answer(choice: Choice, scopes: Scope[]): Promise<void> {
    if (!this.notice || !await this.#say(this.notice, choice, scopes)) return;
    if (choice === "declined") this.#finish("declined");
    else if (await this.look()) this.#go("preflight", "preflight");
  }

  /** Go on without biometrics while the exam runs. True once it is so. */
  async withdraw(): Promise<boolean> {
    await this.fetchNotice();
    if (!this.notice || !await this.#say(this.notice, "without_biometrics", [])) return false;
    return this.look();
  }

  async #say(notice: Notice, choice: Choice, scopes: Scope[]): Promise<boolean> {
    try {
      const body = { choice, scopes, locale: notice.locale, text_sha256: notice.sha256 };
      await this.api.post(`${this.path}/notice-answers`, body, { once: true });
      this.problem = "";
      return true;
    } catch (problem) {
      if (problem instanceof ApiProblem && problem.code === "notice/changed") {
        await this.fetchNotice();
        this.problem = t("notice.changed");
      } else this.#fell(problem);
      return false;
    }
  }

  afterPreflight(): void {
    if (this.own?.can_enrol) this.#go("enrolment", "enrolment");
    else this.#go("ready", "ready");
  }

  checkAgain(): void {
    this.#go("preflight", "preflight");
  }

  async afterEnrolment(): Promise<void> {
    await this.look();
    this.#go("ready", "ready");
  }

  /** The camera, had once for all steps. */
  camera(): Camera {
    this.#camera ??= new Camera(this.media, (event: string) => {
      if (event === "lost") {
        this.#report("device_changed");
        this.#link?.again();
      } else this.#report(event);
    });
    return this.#camera;
  }

  /** Begin, or come back: from here on the exam is watched. */
  enter(): void {
    if (!this.joined) return;
    this.joined.agreed = true;
    this.#keep();
    const { api, media } = this;
    this.#go("room", "connecting");
    this.#showSense("video", null);
    this.#showSense("audio", null);
    this.#tabs.postMessage({ session: this.joined.session_id, from: this.#me });
    this.#link = new Link({
      api, camera: this.camera(), media, whipUrl: pathOf(this.joined.whip_url),
      iceServers: this.joined.ice_servers ?? [],
      onPhase: (phase) => this.#setPhase(phase),
      onEpoch: (epoch) => { if (this.#told.epoch) this.#control?.again(); this.#told.epoch = epoch; },
      onRefused: (problem) => this.#refused(problem),
      onProblem: (problem) => { this.problem = problem ? this.wordsOf(problem) : ""; },
      onStream: (stream) => { this.stream = stream; },
    });
    this.#control = new LiveSocket(api, "/v1/live/session", {
      onMessage: (message) => this.#heard(message),
      onRefused: () => { this.problem = t("room.unheard"); },
    });
    void this.#link.run();
    void this.#control.run();
    void this.#stayAwake();
    void this.#lookQuietly();
    this.#watch = window.setInterval(() => { void this.#lookQuietly(); }, LOOK_EVERY_MS);
  }

  leave(): void {
    this.#finish("left");
  }

  /** Out of an ending that may be left: back to the exam, or to the notice. */
  async again(): Promise<void> {
    const from = this.phase;
    this.phase = "joining";
    if (from === "declined") await this.showNotice();
    else this.enter();
  }

  /** A failure in words for the candidate. */
  wordsOf(problem: unknown): string {
    if (problem instanceof CameraProblem) {
      const key = `camera.${(problem as unknown as { code: string }).code}`;
      return t(has(key) ? key : "camera.other");
    }
    if (!(problem instanceof ApiProblem)) return t("problem.other");
    if (problem.status === 0) return t("problem.unreachable");
    if (problem.code === "sessions/no-capacity") return t("problem.full");
    if (problem.status === 429) return t("problem.busy");
    return t(problem.status >= 500 ? "problem.ours" : "problem.other");
  }

  async #lookQuietly(): Promise<void> {
    try {
      this.own = await this.api.get(`${this.path}/own`) as Own;
      this.title = this.own.exam_title;
    } catch {
      // it is asked again soon; the connection itself is watched elsewhere
    }
  }

  #fell(problem: unknown): void {
    if (problem instanceof ApiProblem && (problem.status === 401 || problem.status === 403 || problem.status === 404)) {
      this.#refused(problem);
    } else if (problem instanceof ApiProblem && problem.code === "session/state") this.#finish("ended");
    else {
      this.problem = this.wordsOf(problem);
      this.mayRetry = true;
      if (this.step === "joining") this.#go("nothing", "no_link");
    }
  }

  #go(step: Step, phase: string): void {
    this.step = step;
    this.#told.step = step;
    if (step !== "nothing") this.problem = "";
    this.phase = "";
    this.#setPhase(phase);
  }

  #setPhase(phase: string): void {
    if (ENDINGS.has(this.phase) && ["live", "reconnecting"].includes(phase)) return;
    this.phase = phase;
    this.#told.phase = phase;
  }

  #showSense(modality: "video" | "audio", status: Cover | null): void {
    const before = this.#told[modality];
    this.#told[modality] = status;
    this[modality] = status;
    if (status && (before?.state !== status.state || before.reason !== status.reason)) {
      const key = sightKey(modality, status);
      this.spoken = `${t(key)}. ${t(`${key}_advice`)}`;
    }
  }

  #heard(message: { type: string; video: Cover; audio: Cover; epoch?: number } & Media): void {
    if (message.type === "status") {
      this.#showSense("video", message.video ?? null);
      this.#showSense("audio", message.audio ?? null);
      this.#link?.status(message);
    } else if (message.type === "reconnect") {
      this.#link?.reconnect(message.epoch);
    } else if (message.type === "send") {
      const { width, height, fps, max_kbps } = message;
      this.#told.send = { width, height, fps, max_kbps };
      this.#link?.tune(this.#told.send).catch(() => {});   // a connection that just closed: the next one begins with it
    } else if (message.type === "ended") {
      this.#finish("ended");
    }
  }

  #refused(problem: ApiProblem): void {
    if (problem.code === "session/declined") this.#finish("declined");
    else if (problem.status === 409) this.#finish("ended");
    else {
      sessionStorage.removeItem(KEPT);
      this.#finish("refused");
    }
  }

  #finish(phase: string): void {
    window.clearInterval(this.#watch);
    this.#link?.stop(phase === "left");
    this.#control?.close();
    this.#camera?.stop();
    this.#wakeLock?.release().catch(() => {});
    this.#link = this.#control = this.#camera = this.#wakeLock = null;
    this.stream = null;
    if (phase === "ended") sessionStorage.removeItem(KEPT);
    if (phase === "declined" && this.joined) { this.joined.agreed = false; this.#keep(); }
    this.#go("ending", phase);
  }

  #report(name: string): void {
    this.#control?.send({ type: "event", name });
  }

  #keep(): void {
    sessionStorage.setItem(KEPT, JSON.stringify(this.joined));
  }

  async #stayAwake(): Promise<void> {
    try {
      this.#wakeLock = await navigator.wakeLock?.request("screen") ?? null;
    } catch {
      this.#wakeLock = null;   // a page in the background may not ask; the exam goes on
    }
  }
}

function kept(): Joined | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Joined | null;
  } catch {
    return null;
  }
}

/** Where the words for a state of sight lie: a heading, and its `_advice`. */
export function sightKey(modality: "video" | "audio", status: Cover | null): string {
  if (!status) return `sight.${modality}.waiting`;
  if (status.state === "monitored") return `sight.${modality}.well`;
  const key = `sight.${modality}.${status.reason}`;
  return has(key) ? key : "sight.ours";
}
