// The proctor's desk: sign-in, the live feed with its cursor, sessions, filters.

import { Api, claimsOf, takeFragment } from "$lib/api.js";
import { byId, fill, lengthOf, make, short } from "$lib/dom.js";
import { LiveSocket } from "$lib/live.js";
import { incidentCard } from "./card.js";
import { Incidents, isOver } from "./incidents.js";
import { Sessions, sessionItem } from "./sessions.js";
import { prepareSetup } from "./setup.js";

const KEPT = "proctor.staff";          // this tab only
const BACKLOG = 200;                   // how much of the feed before the last seen position a fresh page shows
const SHOWN = 150;
const ROLES_THAT_CREATE = new Set(["admin", "service"]);

/** The signed-in desk; thrown away whole on signing out. */
class Desk {
  constructor(token) {
    this.api = new Api(token);
    this.claims = claimsOf(token);
    this.incidents = new Incidents();
    this.unfolded = new Set();
    this.position = 0;
    this.caughtUp = false;
    this.drawing = 0;
    this.cursorKey = `proctor.cursor.${this.claims.tenant ?? "default"}`;
    this.position = Math.max(0, Number(localStorage.getItem(this.cursorKey) ?? 0) - BACKLOG);
    this.sessions = new Sessions(this.api, { onChange: () => this.draw(), onProblem: (problem) => this.told(problem) });
    this.feed = new LiveSocket(this.api, "/v1/live/alerts", {
      hello: () => ({ after: this.position }),
      onMessage: (message) => this.heard(message),
      onState: (state, waitMs) => this.feedState(state, waitMs),
      onRefused: (problem) => { this.told(problem); if (problem.status === 401) signOut("Your token is no longer accepted. Sign in again."); },
    });
  }

  open() {
    byId("setup").hidden = !ROLES_THAT_CREATE.has(this.claims.role);
    this.unprepare = prepareSetup(this.api, {
      onMade: () => { this.sessions.stop(); this.sessions.stopped = false; this.sessions.run(); },
      onProblem: (problem) => tell(problem?.message ?? null),
    });
    this.sessions.run();
    this.feed.run();
    this.draw();
  }

  close() {
    this.feed.close();
    this.sessions.stop();
    this.unprepare();
    cancelAnimationFrame(this.drawing);
  }

  told(problem) {
    if (problem?.status === 401) signOut("Your token is no longer accepted. Sign in again.");
    else tell(problem?.message ?? null);
  }

  feedState(state, waitMs) {
    const [words, tone] = {
      connecting: ["Connecting", "wait"], open: ["Live", "good"], closed: ["Signed out", ""],
      waiting: [`Back in ${lengthOf(waitMs ?? 0)}`, "wait"],
    }[state];
    byId("feed-state").textContent = words;
    byId("feed-state").dataset.tone = tone;
    if (state === "open") this.caughtUp = false;
  }

  heard(message) {
    if (message.type === "alert") {
      this.incidents.take(message, Date.now(), this.caughtUp);
      this.moveTo(message.position);
      this.draw();
    } else if (message.type === "caught_up") {
      this.caughtUp = true;
      this.moveTo(message.position);
    } else if (message.type === "error" && message.code.startsWith("cursor/")) {
      this.position = 0;              // another database than the one this cursor came from
      localStorage.removeItem(this.cursorKey);
    }
  }

  moveTo(position) {
    if (position <= this.position) return;
    this.position = position;
    localStorage.setItem(this.cursorKey, String(position));
  }

  filter() {
    return {
      session: byId("filter-session").value, severity: byId("filter-severity").value,
      category: byId("filter-category").value, openOnly: byId("filter-open").checked,
    };
  }

  /** Draw soon, once for many changes. */
  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = requestAnimationFrame(() => { this.drawSessions(); this.drawAlerts(); });
  }

  drawSessions() {
    const focused = document.activeElement?.dataset?.session;
    const chosen = byId("filter-session").value;
    const rank = { live: 0, created: 1, ended: 2 };
    const all = [...this.sessions.byId.values()].sort((one, other) => rank[one.state] - rank[other.state]);
    fill(byId("sessions"), ...all.map((session) => sessionItem(session, {
      isChosen: session.session_id === chosen, onChoose: () => this.choose(session.session_id === chosen ? "" : session.session_id),
    })));
    if (focused) byId("sessions").querySelector(`[data-session="${CSS.escape(focused)}"]`)?.focus();
    byId("no-sessions").hidden = all.length > 0;
    byId("all-sessions").hidden = !chosen;
    this.offerSessions(chosen);
  }

  offerSessions(chosen) {
    const known = new Set(this.sessions.byId.keys());
    for (const { latest } of this.incidents.byId.values()) known.add(latest.alert.session_id);
    const select = byId("filter-session");
    const offered = [...select.options].map((option) => option.value).filter(Boolean);
    if (offered.length === known.size && offered.every((id) => known.has(id))) return;
    fill(select, make("option", { value: "" }, "all sessions"), ...[...known].map((id) => make("option", { value: id }, short(id, 14))));
    select.value = known.has(chosen) ? chosen : "";
  }

  choose(session) {
    byId("filter-session").value = session;
    this.draw();
  }

  drawAlerts() {
    const list = byId("alerts");
    const matching = this.incidents.matching(this.filter());
    const shown = matching.slice(0, SHOWN);
    const before = new Map([...list.children].map((item) => [item.dataset.incident, item]));
    fill(list, ...shown.map((incident) => this.cardOf(incident, before.get(incident.id))));
    byId("no-alerts").hidden = shown.length > 0;
    const open = matching.filter((incident) => !isOver(incident)).length;
    byId("tally").textContent = matching.length ? `${matching.length} incidents, ${open} going on` : "";
  }

  cardOf(incident, before) {
    const session = this.sessions.byId.get(incident.latest.alert.session_id);
    const version = `${incident.history.length}/${Boolean(session?.started_at)}`;
    if (before?.dataset.version === version) return before;      // keeps focus, scroll and copied labels
    const card = incidentCard(incident, session, {
      isFresh: incident.latest.isLive && Date.now() - incident.latest.receivedAtMs < 1500,
      isUnfolded: this.unfolded.has(incident.id),
      onFold: (isOpen) => { if (isOpen) this.unfolded.add(incident.id); else this.unfolded.delete(incident.id); },
    });
    card.dataset.version = version;
    return card;
  }
}

let desk = null;

function tell(words) {
  byId("problem").hidden = !words;
  byId("problem").textContent = words ?? "";
}

function signIn(token) {
  desk?.close();
  sessionStorage.setItem(KEPT, token);
  byId("door").hidden = true;
  byId("desk").hidden = false;
  byId("sign-out").hidden = false;
  tell(null);
  desk = new Desk(token);
  desk.open();
}

function signOut(words = null) {
  desk?.close();
  desk = null;
  sessionStorage.removeItem(KEPT);
  byId("desk").hidden = true;
  byId("sign-out").hidden = true;
  byId("door").hidden = false;
  byId("feed-state").textContent = "Signed out";
  byId("feed-state").dataset.tone = "";
  tell(words);
}

async function begin() {
  const ticket = takeFragment().get("ticket");
  if (ticket) {
    try {
      signIn((await new Api().post("/v1/sign-in", { ticket })).token);
      return;
    } catch (problem) {
      tell(problem.retryable ? problem.message : "This sign-in link was used already or is too old.");
    }
  }
  const token = sessionStorage.getItem(KEPT);
  if (token) signIn(token);
  else byId("door").hidden = false;
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = byId("token").value.trim();
  byId("token").value = "";
  if (token) signIn(token);
});
byId("sign-out").addEventListener("click", () => {
  const api = desk?.api;
  signOut();
  api?.send("POST", "/v1/sign-out").catch(() => {});   // the token is forgotten here in any case
});
byId("all-sessions").addEventListener("click", () => desk?.choose(""));
for (const id of ["filter-session", "filter-severity", "filter-category", "filter-open"]) {
  byId(id).addEventListener("change", () => desk?.draw());
}
begin();
