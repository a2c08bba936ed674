// One incident on the desk: what, why with numbers, when, what it rests on, and how it came about.

import { copyButton, lengthOf, make, sessionTime, short } from "$lib/dom.js";
import { CATEGORY_NOTES, figureWords, plain } from "$lib/words.js";
import { isOver } from "./incidents.js";

function numbersOf(support) {
  return Object.entries(support.numbers).map(([name, value]) => figureWords(name, value)).join(", ");
}

function signalTable(alert) {
  const rows = alert.signals.map((signal) => make("tr", {},
    make("td", {}, plain(signal.kind)),
    make("td", { className: "number" }, sessionTime(signal.started_ms)),
    make("td", { className: "number" }, signal.ended_ms === null ? "goes on" : lengthOf(signal.ended_ms - signal.started_ms)),
    make("td", { className: "number" }, `${Math.round(signal.probability * 100)} %`),
    make("td", { className: "number" }, String(signal.support.observations)),
    make("td", {}, numbersOf(signal.support) || "–")));
  return make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Signals" }, make("table", {},
    make("caption", {}, "Signals it rests on"),
    make("thead", {}, make("tr", {}, ...["Signal", "Since", "Lasted", "Sure", "Readings", "Numbers"].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows)));
}

function producerTable(alert) {
  const rows = alert.producers.map((producer) => make("tr", {},
    make("td", {}, producer.model), make("td", {}, producer.version),
    make("td", {}, copyButton(short(producer.digest), producer.digest, `digest of ${producer.model}`))));
  return make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Models" }, make("table", {},
    make("caption", {}, "Models that looked or listened"),
    make("thead", {}, make("tr", {}, ...["Model", "Version", "Digest"].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows)));
}

function historyTable(history) {
  const rows = history.map(({ alert }) => make("tr", {},
    make("td", {}, alert.transition), make("td", { className: "number" }, sessionTime(alert.occurred_ms)),
    make("td", { className: "number" }, new Date(alert.raised_at).toLocaleTimeString()),
    make("td", {}, alert.severity), make("td", {}, alert.reason)));
  return make("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "History" }, make("table", {},
    make("caption", {}, "How it came about"),
    make("thead", {}, make("tr", {}, ...["Change", "Session time", "Told at", "Severity", "Reason"].map((name) => make("th", { scope: "col" }, name)))),
    make("tbody", {}, ...rows)));
}

function delayWords({ alert, receivedAtMs, isLive }, session) {
  if (!isLive) return null;
  const parts = [`here ${lengthOf(Math.max(0, receivedAtMs - Date.parse(alert.raised_at)))} after it was decided`];
  if (session?.started_at) {
    parts.unshift(`${lengthOf(Math.max(0, receivedAtMs - Date.parse(session.started_at) - alert.occurred_ms))} after it happened`);
  }
  return make("span", { title: "By this computer's clock" }, `Delay: ${parts.join(", ")}`);
}

/** The list item of an incident. `session` is what the desk knows of the session, or undefined. */
export function incidentCard(incident, session, { isFresh, isUnfolded, onFold }) {
  const { alert } = incident.latest;
  const isOpen = !isOver(incident);
  const first = incident.history[0].alert;
  const lastOf = (...changes) => incident.history.filter((item) => changes.includes(item.alert.transition)).at(-1)?.alert;
  const told = lastOf("opened", "escalated") ?? lastOf("updated") ?? alert;
  const tone = alert.category === "coverage" ? "" : alert.severity;
  const details = make("details", { open: isUnfolded }, make("summary", {}, `Why: signals, models and history (${incident.history.length})`));
  const explain = () => {
    if (details.open && details.childElementCount === 1) {
      details.append(...[
        alert.signals.length ? signalTable(alert) : null, alert.producers.length ? producerTable(alert) : null,
        historyTable(incident.history),
        make("p", { className: "small soft" }, `Rule ${alert.rule_id} of policy ${alert.policy_id}, version ${alert.policy_version}. Alert number ${alert.seq} of the session.`),
      ].filter(Boolean));
    }
  };
  details.addEventListener("toggle", () => { explain(); onFold(details.open); });
  explain();
  const marks = make("div", { className: "row" },
    make("span", { className: "pill plain", "data-tone": tone }, alert.category === "coverage" ? "note" : alert.severity),
    make("span", { className: "pill plain", "data-tone": alert.category === "identity" ? "identity" : "" }, CATEGORY_NOTES[alert.category] ?? alert.category),
    make("span", { className: "pill", "data-tone": isOpen ? "wait" : "" }, isOpen ? "going on" : "over"));
  if (alert.unsynced) marks.append(make("span", { className: "pill", "data-tone": "wait" }, "not yet stored"));
  const when = isOpen
    ? `Since ${sessionTime(first.occurred_ms)} of the session`
    : `${sessionTime(first.occurred_ms)} to ${sessionTime(alert.occurred_ms)} of the session (${lengthOf(alert.occurred_ms - first.occurred_ms)})`;
  const judged = alert.frame_digest ?? first.frame_digest;
  const meta = make("div", { className: "meta" }, make("span", {}, when),
    make("span", {}, `Session ${short(alert.session_id, 14)}`), ...[delayWords(incident.history[0], session)].filter(Boolean));
  if (judged) meta.append(make("span", {}, "Judged picture ", copyButton(short(judged), judged, "digest of the judged picture")));
  return make("li", {
    className: `alert${isFresh ? " fresh" : ""}`, "data-severity": alert.severity, "data-category": alert.category,
    "data-open": String(isOpen), "data-rule": alert.rule_id, "data-incident": incident.id,
  }, make("div", { className: "row apart" }, make("h3", {}, alert.title), marks), make("p", { className: "reason" }, told.reason, told === alert ? "" : ` ${alert.reason}`), meta, details);
}
