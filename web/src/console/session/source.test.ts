import { expect, test } from "vitest";
import type { IncidentView, SessionView, Signal } from "../types";
import { assembledTimeline, coverageOf } from "./source";

const BEGAN = Date.parse("2026-01-01T10:00:00Z");
const session: SessionView = {
  session_id: "ses_1", exam_id: "exm_1", candidate_id: "cnd_1", state: "live", epoch: 1, created_at: "", started_at: "2026-01-01T10:00:00Z", ended_at: null,
  coverage: [{ modality: "video", state: "monitored", reason: null, start_ms: 0, end_ms: null }], signals_off: null, alert_log_sha256: null, priority: null,
};
const signal = (id: string, started: number): Signal =>
  ({ signal_id: id, kind: "gaze_away", started_ms: started, ended_ms: started + 500, probability: 0.9, support: { observations: 3, numbers: {}, producers: [], frame_digest: null, labels: [] } });
const incident = (id: string, signals: Signal[]): IncidentView => ({
  incident_id: id, rule_id: "gaze_long", policy_id: "standard", policy_version: 1, category: "conduct", severity: "low", opened_ms: 1000, closed_ms: null,
  signals, verdict: "unreviewed", evidence: { status: "none" }, suppressed_by: null,
});

test("what a proctor may read makes the same timeline, with less in it", () => {
  const made = assembledTimeline(session, [incident("a", [signal("s2", 900), signal("s1", 100)]), incident("b", [signal("s2", 900)])], [], new Map([["a", "A long look aside"]]), BEGAN + 60_000);
  expect(made.length_ms).toBe(60_000);
  expect(made.incidents.map((one) => one.title)).toEqual(["A long look aside", "gaze long"]);
  expect(made.incidents[0]?.opened_at).toBe("2026-01-01T10:00:01.000Z");
  expect(made.signals[0]?.items.map((item) => [item.signal_id, item.incident_ids])).toEqual([["s1", ["a"]], ["s2", ["a", "b"]]]);
  expect(made.coverage.map((lane) => lane.stretches.length)).toEqual([1, 0]);
  expect(made.is_over).toBe(false);
});

test("what could be seen adds up, with the reasons of what could not", () => {
  const coverage: SessionView["coverage"] = [
    { modality: "video", state: "monitored", reason: null, start_ms: 0, end_ms: 45_000 },
    { modality: "video", state: "blind", reason: "covered", start_ms: 45_000, end_ms: null },
  ];
  const [video, audio] = coverageOf({ ...session, coverage }, BEGAN + 60_000);
  expect(video).toMatchObject({ total_ms: 60_000, monitored: 0.75, blind: 0.25, now: "blind", now_reason: "covered" });
  expect(video?.reasons).toEqual([{ state: "blind", reason: "covered", ms: 15_000, share: 0.25 }]);
  expect(audio).toMatchObject({ total_ms: 0, monitored: null, now: null });
});
