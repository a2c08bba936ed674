// Where a session's view comes from. Those who review read it ready-made. Proctors may not know of accommodations
// and are refused there: for them it is put together from what they may read. Same shapes, less in them.

import type { Calls } from "../calls";
import type { Alert, IncidentView, IncidentWhole, ModalityCoverage, SessionCard, SessionView, Timeline, TimelineIncident } from "../types";

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

/** Sums of what could be seen and heard, from its stretches. Pure. */
export function coverageOf(session: SessionView, nowMs: number): ModalityCoverage[] {
  const beganMs = session.started_at ? Date.parse(session.started_at) : nowMs;
  const length = Math.max(0, (session.ended_at ? Date.parse(session.ended_at) : nowMs) - beganMs);
  return (["video", "audio"] as const).map((modality) => {
    const parts = session.coverage.filter((part) => part.modality === modality);
    const reasons = new Map<string, ModalityCoverage["reasons"][number]>();
    const sums = { monitored: 0, degraded: 0, blind: 0 };
    for (const part of parts) {
      const ms = Math.max(0, (part.end_ms ?? length) - part.start_ms);
      sums[part.state] += ms;
      if (!part.reason) continue;
      const key = `${part.state} ${part.reason}`;
      const before = reasons.get(key)?.ms ?? 0;
      reasons.set(key, { state: part.state, reason: part.reason, ms: before + ms, share: (before + ms) / Math.max(1, length) });
    }
    const total = sums.monitored + sums.degraded + sums.blind;
    const share = (ms: number) => (total ? ms / total : null);
    const last = parts.find((part) => part.end_ms === null);
    return {
      modality, total_ms: total, monitored: share(sums.monitored), degraded: share(sums.degraded), blind: share(sums.blind),
      reasons: [...reasons.values()].sort((one, other) => other.ms - one.ms), now: last?.state ?? null, now_reason: last?.reason ?? null,
    };
  });
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

  async card(sessionId: string): Promise<SessionCard | null> {
    const session = await this.calls.session(sessionId);
    const [candidate, exam] = await Promise.all([this.calls.candidate(session.candidate_id), this.calls.exam(session.exam_id)]);
    return { ...session, candidate_ref: candidate.external_ref, exam_title: exam.title, withheld: null, coverage: coverageOf(session, Date.now()), incidents: null, decision: null };
  }
}
