// Where a session's view comes from. Those who review read it ready-made. Proctors may not know of accommodations
// and are refused there: for them it is put together from what they may read. Same shapes, less in them.

import type { Calls } from "../calls";
import type { Alert, IncidentView, IncidentWhole, SessionCard, SessionView, Timeline, TimelineIncident } from "../types";

export interface Source {
  isWhole: boolean;
  timeline(sessionId: string): Promise<Timeline>;
  incident(incidentId: string): Promise<IncidentWhole>;
  card(sessionId: string): Promise<SessionCard | null>;
}

export function sourceFor(calls: Calls, isWhole: boolean): Source {
  if (!isWhole) return new Assembled(calls);
  return {
    isWhole,
    timeline: (sessionId) => calls.timeline(sessionId),
    incident: (incidentId) => calls.incident(incidentId),
    card: async (sessionId) => (await calls.queue({ q: sessionId, limit: 1 })).items[0] ?? null,
  };
}

/** A timeline from a session with its coverage, the incidents one may see, and breaks. Pure. */
export function assembledTimeline(
  session: SessionView, incidents: readonly IncidentView[], breaks: Timeline["breaks"], titles: ReadonlyMap<string, string>, nowMs: number,
): Timeline {
  const beganMs = session.started_at ? Date.parse(session.started_at) : nowMs;
  const endMs = session.ended_at ? Date.parse(session.ended_at) : nowMs;
  const lines = incidents.map((one): TimelineIncident => ({
    ...one, exam_id: session.exam_id, session_id: session.session_id, candidate_id: session.candidate_id, evidence: one.evidence.status,
    opened_at: new Date(beganMs + one.opened_ms).toISOString(), origin: "machine", title: titles.get(one.incident_id) ?? one.rule_id.replaceAll("_", " "),
  }));
  const kinds = new Map<string, Timeline["signals"][number]["items"]>();
  const known = new Map<string, Timeline["signals"][number]["items"][number]>();
  for (const one of incidents) {
    for (const signal of one.signals) {
      const before = known.get(signal.signal_id);
      if (before) {
        before.incident_ids.push(one.incident_id);
        continue;
      }
      const item = { signal_id: signal.signal_id, started_ms: signal.started_ms, ended_ms: signal.ended_ms, probability: signal.probability, incident_ids: [one.incident_id] };
      known.set(signal.signal_id, item);
      kinds.set(signal.kind, [...(kinds.get(signal.kind) ?? []), item]);
    }
  }
  return {
    session, length_ms: Math.max(0, endMs - beganMs), is_over: session.state === "ended", incidents: lines,
    coverage: (["video", "audio"] as const).map((modality) => ({ modality, stretches: session.coverage.filter((part) => part.modality === modality) })),
    signals: [...kinds].map(([kind, items]) => ({ kind, items: items.sort((one, other) => one.started_ms - other.started_ms) })),
    milestones: [], breaks, suppressed: [], truncated: [],
  };
}

class Assembled implements Source {
  readonly isWhole = false;
  #incidents: IncidentView[] = [];
  #alerts: Alert[] = [];
  #session: SessionView | null = null;

  constructor(private readonly calls: Calls) {}

  async timeline(sessionId: string): Promise<Timeline> {
    const [session, { items }, breaks, alerts] = await Promise.all([
      this.calls.session(sessionId), this.calls.incidentsOf(sessionId), this.calls.breaksOf(sessionId), this.calls.alerts(sessionId),
    ]);
    this.#session = session;
    this.#incidents = items;
    this.#alerts = alerts;
    return assembledTimeline(session, items, breaks.items, new Map(alerts.map((one) => [one.incident_id, one.title])), Date.now());
  }

  async incident(incidentId: string): Promise<IncidentWhole> {
    const [one, session] = [this.#incidents.find((each) => each.incident_id === incidentId), this.#session];
    if (!one || !session) throw new Error("the incident is not in the list");
    const alerts = this.#alerts.filter((alert) => alert.incident_id === incidentId);
    const [line] = assembledTimeline(session, [one], [], new Map(alerts.map((alert) => [incidentId, alert.title])), Date.now()).incidents;
    const told = alerts.findLast((alert) => ["opened", "escalated"].includes(alert.transition)) ?? alerts.at(-1);
    return {
      ...line!, reason: told?.reason ?? null, lines: [], rule_text: null, signals: one.signals, producers: alerts.at(-1)?.producers ?? [],
      frame_digest: alerts.at(-1)?.frame_digest ?? null, said: alerts.map((alert) => ({ ...alert, suppressed_by: null })), verdicts: [], statements: [], added: null,
    };
  }

  async card(): Promise<SessionCard | null> {
    const session = this.#session;
    if (!session) return null;
    const [candidate, exam] = await Promise.all([this.calls.candidate(session.candidate_id), this.calls.exam(session.exam_id)]);
    return { ...session, candidate_ref: candidate.external_ref, exam_title: exam.title, withheld: null, coverage: null, incidents: null, decision: null };
  }
}
