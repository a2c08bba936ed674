// The list of sessions with what can be seen of each, refreshed by asking; coverage a few sessions at a time.

import { lengthOf, make, short } from "$lib/dom.js";
import { coverageWords } from "$lib/words.js";

const EVERY_MS = 4000;
const DETAILS_AT_ONCE = 8;
const TONES = { monitored: "good", degraded: "wait", blind: "" };

export class Sessions {
  /** @param {import("$lib/api.js").Api} api
   *  @param {{onChange: () => void, onProblem: (problem: any) => void}} handlers */
  constructor(api, { onChange, onProblem }) {
    this.api = api;
    this.onChange = onChange;
    this.onProblem = onProblem;
    this.byId = new Map();
    this.turn = 0;
    this.timer = null;
    this.stopped = false;
  }

  /** Ask now and then every few seconds. */
  async run() {
    if (this.stopped) return;
    try {
      await this.#refresh();
      this.onProblem(null);
    } catch (problem) {
      this.onProblem(problem);
      if (problem.status === 401) this.stopped = true;
    }
    if (!this.stopped) this.timer = setTimeout(() => this.run(), EVERY_MS);
  }

  async #refresh() {
    const open = new Map();
    for (const state of ["live", "created"]) {
      const { items } = await this.api.get(`/v1/sessions?state=${state}&limit=100`);
      for (const session of items) open.set(session.session_id, { ...session, coverage: this.byId.get(session.session_id)?.coverage ?? [] });
    }
    const live = [...open.values()].filter((session) => session.state === "live");
    for (let step = 0; step < Math.min(DETAILS_AT_ONCE, live.length); step += 1) {
      const one = live[this.turn % live.length];
      this.turn += 1;
      open.set(one.session_id, await this.api.get(`/v1/sessions/${encodeURIComponent(one.session_id)}`));
    }
    for (const [id, session] of this.byId) {
      if (!open.has(id)) open.set(id, { ...session, state: "ended" });
    }
    this.byId = open;
    this.onChange();
  }

  /** Stop asking. */
  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}

function strip(session, modality, nowMs) {
  const parts = session.coverage.filter((part) => part.modality === modality);
  const bar = make("span", { className: "strip", role: "img" });
  const end = Math.max(...parts.map((part) => part.end_ms ?? nowMs), 1);
  let seen = 0;
  for (const part of parts) {
    const length = (part.end_ms ?? nowMs) - part.start_ms;
    if (part.state === "monitored") seen += length;
    const piece = make("i", { "data-state": part.state, title: coverageWords(part.state, part.reason) });
    piece.style.width = `${Math.max(0, (100 * length) / end)}%`;
    bar.append(piece);
  }
  bar.setAttribute("aria-label", `${modality}: monitored ${Math.round((100 * seen) / end)} % of the time`);
  return bar;
}

function coveragePill(session, modality) {
  const last = session.coverage.filter((part) => part.modality === modality).at(-1);
  const words = last ? coverageWords(last.state, last.reason) : "not yet";
  return make("span", { className: "pill", "data-tone": TONES[last?.state] ?? "" }, `${modality} ${words}`);
}

/** The list item of a session; pressing it filters the alerts. */
export function sessionItem(session, { isChosen, onChoose }) {
  const sinceMs = session.started_at ? Math.max(0, Date.now() - Date.parse(session.started_at)) : 0;
  const facts = { live: `live for ${lengthOf(sinceMs)}`, created: "waits for the candidate", ended: "ended" };
  const button = make("button", { type: "button", "aria-pressed": String(isChosen), "data-session": session.session_id },
    make("span", { className: "row" }, make("strong", { className: "mono" }, short(session.session_id, 14)),
      make("span", { className: "small soft" }, facts[session.state] ?? session.state)));
  if (session.state !== "created") {
    for (const modality of ["video", "audio"]) {
      const sight = make("span", { className: "sight-of" }, coveragePill(session, modality));
      if (session.coverage.length) sight.append(strip(session, modality, sinceMs));
      button.append(sight);
    }
  }
  button.addEventListener("click", onChoose);
  return make("li", {}, button);
}
