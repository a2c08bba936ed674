// Answers of the API, as its OpenAPI describes them. Times `*_ms` are session time, `*_at` wall time.

export type Severity = "info" | "low" | "medium" | "high";
export type Category = "conduct" | "identity" | "coverage" | "integrity";
export type Verdict = "unreviewed" | "confirmed" | "dismissed";
export type EvidenceStatus = "none" | "pending" | "stored" | "lost";
export type SessionState = "created" | "live" | "ended";
export type Modality = "video" | "audio";
export type CoverageState = "monitored" | "degraded" | "blind";
export type DecisionWord = "reviewed" | "follow_up_needed" | "cannot_tell";

export interface Page<Item> { items: Item[]; next: string | null }

export interface Contribution { kind: string; source: string; log_odds: number; since_ms: number }

export interface Priority {
  at_ms: number;
  value: number | null;
  withheld: string | null;
  peak: number | null;
  peak_ms: number | null;
  base_log_odds: number | null;
  log_odds: number | null;
  contributions: Contribution[] | null;
  peak_contributions: Contribution[] | null;
}

export interface SessionSummary {
  session_id: string;
  exam_id: string;
  candidate_id: string;
  state: SessionState;
  epoch: number;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
}

/** An incident as the list of one session has it. */
export interface IncidentView {
  incident_id: string;
  rule_id: string;
  policy_id: string;
  policy_version: number;
  category: Category;
  severity: Severity;
  opened_ms: number;
  closed_ms: number | null;
  signals: Signal[];
  verdict: Verdict;
  evidence: { status: EvidenceStatus };
  suppressed_by: string | null;
}

export interface SessionView extends SessionSummary {
  coverage: (Stretch & { modality: Modality })[];
  signals_off: string[] | null;
  alert_log_sha256: string | null;
  priority: Priority | null;
}

export interface ModalityCoverage {
  modality: Modality;
  total_ms: number;
  monitored: number | null;
  degraded: number | null;
  blind: number | null;
  reasons: { state: CoverageState; reason: string; ms: number; share: number }[];
  now: CoverageState | null;
  now_reason: string | null;
}

export interface IncidentCounts {
  total: number;
  unreviewed: number;
  confirmed: number;
  dismissed: number;
  by_severity: Partial<Record<Severity, number>>;
  unreviewed_by_severity: Partial<Record<Severity, number>>;
}

export interface Decision { version: number; word: DecisionWord; reviewer: string; notes: string; given_at: string }
export interface Decisions { current: Decision | null; history: Decision[] }

export interface SessionCard extends SessionSummary {
  candidate_ref: string | null;
  exam_title: string | null;
  priority: Priority | null;
  withheld: string | null;
  coverage: ModalityCoverage[] | null;
  incidents: IncidentCounts | null;
  decision: Decision | null;
}

export interface Producer { model: string; version: string; digest: string }

export interface Signal {
  signal_id: string;
  kind: string;
  started_ms: number;
  ended_ms: number | null;
  probability: number;
  support: { observations: number; numbers: Record<string, number>; producers: Producer[]; frame_digest: string | null; labels: string[] };
}

export interface IncidentLine {
  incident_id: string;
  exam_id: string;
  session_id: string;
  candidate_id: string;
  rule_id: string;
  policy_id: string;
  policy_version: number;
  category: Category;
  severity: Severity;
  opened_ms: number;
  closed_ms: number | null;
  opened_at: string;
  verdict: Verdict;
  evidence: EvidenceStatus;
  suppressed_by: string | null;
  origin: "machine" | "human";
}

export interface TimelineIncident extends IncidentLine { title: string }

export interface Said {
  alert_id: string;
  seq: number;
  transition: string;
  severity: Severity;
  title: string;
  reason: string;
  occurred_ms: number;
  raised_at: string;
  suppressed_by: string | null;
}

export interface Statement {
  statement_id: string;
  session_id: string;
  incident_id: string | null;
  by: "candidate" | "staff";
  text: string;
  made_at: string;
}

export interface GivenVerdict { verdict_id: string; verdict: Verdict; reviewer: string; reason: string; given_at: string }

export interface IncidentWhole extends TimelineIncident {
  reason: string | null;
  lines: string[];
  rule_text: string | null;
  signals: Signal[];
  producers: Producer[];
  frame_digest: string | null;
  said: Said[];
  verdicts: GivenVerdict[];
  statements: Statement[];
  added: { words: string; reviewer: string; added_at: string } | null;
}

export interface Stretch { start_ms: number; end_ms: number | null; state: CoverageState; reason: string | null }

export interface Milestone {
  at_ms: number;
  at: string;
  kind: string;
  epoch: number | null;
  incident_id: string | null;
  word: string | null;
  who: string | null;
}

export interface TimelineSignal {
  signal_id: string;
  started_ms: number;
  ended_ms: number | null;
  probability: number;
  incident_ids: string[];
}

export interface Timeline {
  session: SessionSummary;
  length_ms: number;
  is_over: boolean;
  incidents: TimelineIncident[];
  coverage: { modality: Modality; stretches: Stretch[] }[];
  signals: { kind: string; items: TimelineSignal[] }[];
  milestones: Milestone[];
  breaks: { break_id: string; by: string; start_ms: number; end_ms: number | null }[];
  suppressed: { incident_id: string; rule_id: string; by: string; start_ms: number; end_ms: number | null }[];
  truncated: { lane: string; shown: number; total: number | null; rule: string }[];
}

export interface Alert {
  alert_id: string;
  seq: number;
  exam_id: string;
  session_id: string;
  candidate_id: string;
  incident_id: string;
  transition: string;
  rule_id: string;
  policy_id: string;
  policy_version: number;
  category: Category;
  severity: Severity;
  title: string;
  reason: string;
  occurred_ms: number;
  raised_at: string;
  signals: Signal[];
  producers: Producer[];
  frame_digest: string | null;
  unsynced: boolean;
}

export interface FeedItem { position: number; alert: Alert }

export interface EvidencePiece {
  evidence_id: string;
  kind: "judged" | "before" | "after" | "clip";
  media_type: string;
  start_ms: number;
  end_ms: number;
  sha256: string;
  size: number;
  state: "waiting" | "stored" | "lost";
  loss: string | null;
  stored_at: string | null;
}

export interface IncidentEvidence { status: EvidenceStatus; loss: string | null; kept_until: string | null; items: EvidencePiece[] }
export interface EvidenceLink { url: string; expires_at: string }

export interface Tried { number: number; replay: number; at: string; took_ms: number; outcome: string; code: string; status: number | null }

export interface Delivery {
  sink_id: string;
  alert_id: string;
  session_id: string;
  position: number;
  state: string;
  attempts: number;
  replays: number;
  code: string;
  planned_at: string;
  next_at: string | null;
  ended_at: string | null;
  tries: Tried[];
}

export interface PolicyLine {
  policy_id: string;
  version: number;
  name: string;
  use_when: string | null;
  created_at: string | null;
  retired_at: string | null;
}

export interface Policy extends PolicyLine { text: string; tests: string[] }
export interface Policies extends Page<PolicyLine> { presets: PolicyLine[] }
export interface Fault { line: number | null; where: string; what: string; code: string }

export interface PolicyCheck {
  is_valid: boolean;
  faults: Fault[];
  policy_id: string | null;
  version: number | null;
  name: string | null;
  rules: string[];
}

export interface Reranked {
  session_id: string;
  place_before: number;
  place_after: number;
  priority_before: number | null;
  priority_after: number | null;
  rules: Record<string, [number, number]>;
  incidents_before: number;
  incidents_after: number;
  is_whole: boolean;
}

export interface WhatIf {
  what_if_id: string;
  state: "running" | "done" | "failed";
  done: number;
  total: number;
  left_out: number;
  detail: string | null;
  sessions: Reranked[];
  skipped: { session_id: string; reason: string }[];
}

export interface Exam { exam_id: string; title: string; policy_id: string; policy_version: number; retention_days: number; created_at: string }

export interface Precision {
  looked_at: number;
  confirmed: number;
  dismissed: number;
  unreviewed: number;
  precision: number | null;
  low: number | null;
  high: number | null;
  reason: string | null;
}

export interface RulePrecision extends Precision { policy_id: string; policy_version: number; rule_id: string; hint: string | null }
export interface Known<Item> { value: Item | null; reason: string | null }
export interface SinkDepth { sink_id: string; name: string; kind: string; is_enabled: boolean; pending: number; dead: number; oldest_at: string | null }

export interface Host { name: string; sessions: number; capacity: number; lag_ms: number; is_draining: boolean }
export interface Kept { what: string; where: string; how_long: string; why: string; ended_by: string }

export interface Overview {
  at: string;
  sessions: Partial<Record<SessionState, number>>;
  live_coverage: Record<string, number>;
  session_hours: number;
  alerts: number;
  alerts_per_session_hour: Known<number>;
  precision: Precision;
  rules: RulePrecision[];
  coverage: { modality: Modality; state: CoverageState; reason: string | null; ms: number; share: number }[];
  models: { model: string; version: string; digest: string; alerts: number }[];
  models_window: number;
  outbox: number;
  sinks: SinkDepth[];
  dead_letters: number;
  hosts: Known<Host[]>;
  storage_bytes: Known<number>;
  retention: { retention_days: number; exams: number }[];
}

export interface AppealIncident {
  incident_id: string;
  title: string;
  reason: string | null;
  found_by: string;
  rule_id: string;
  rule_text: string | null;
  category: Category;
  severity: Severity;
  opened_ms: number;
  closed_ms: number | null;
  evidence: EvidenceStatus;
  frame_digest: string | null;
  verdict: Verdict;
  verdicts: { verdict: Verdict; given_at: string; reviewer: string | null; reason: string | null }[];
  signals: { what: string; started_ms: number; ended_ms: number | null; probability: number; numbers: Record<string, number> }[];
  held_back_by: string | null;
}

export interface Appeal {
  made_at: string;
  explained: string[];
  session_id: string;
  candidate_ref: string;
  exam_id: string;
  exam_title: string;
  started_at: string | null;
  ended_at: string | null;
  length_ms: number;
  retention_days: number;
  incidents: AppealIncident[];
  models: { model: string; version: string; digest: string; role: string | null; error_rates: string[]; error_rates_reason: string | null }[];
  coverage: ModalityCoverage[];
  gaps: { modality: Modality; gaps: Stretch[] }[];
  decisions: Decision[];
  statements: Statement[];
  policy_id: string;
  policy_version: number;
  policy_text: string;
  left_out: string[];
}
