import { expect, test } from "vitest";
import type { Alert, CoverageState, SessionCard } from "../types";
import { Board, sightOf } from "./board";
import { News } from "./news";

function alert(incident: string, number: number, change: Partial<Alert> = {}): Alert {
  return {
    alert_id: `alt_${incident}_${number}`, seq: number, exam_id: "exm_1", session_id: "ses_1", candidate_id: "cnd_1", incident_id: incident,
    transition: "opened", rule_id: "gaze", policy_id: "standard", policy_version: 1, category: "conduct", severity: "low", title: "A look aside",
    reason: "", occurred_ms: number * 1000, raised_at: "2026-01-01T00:00:00Z",
    signals: [{ signal_id: "s", kind: "gaze_away", started_ms: 0, ended_ms: null, probability: 0.8, support: { observations: 1, numbers: {}, producers: [], frame_digest: null, labels: [] } }],
    producers: [], frame_digest: null, unsynced: false, ...change,
  };
}

function card(id: string, now: CoverageState | null, value: number | null): SessionCard {
  const coverage = (["video", "audio"] as const).map((modality) => ({
    modality, total_ms: 1000, monitored: 1, degraded: 0, blind: 0, reasons: [], now: modality === "video" ? now : ("monitored" as const), now_reason: null,
  }));
  return {
    session_id: id, exam_id: "exm_1", candidate_id: "cnd_1", state: "live", epoch: 1, created_at: "", started_at: "", ended_at: null, candidate_ref: `c-${id}`,
    exam_title: "Algebra", priority: { at_ms: 0, value, withheld: null, peak: null, peak_ms: null, base_log_odds: null, log_odds: null, contributions: null, peak_contributions: null },
    withheld: null, coverage, incidents: null, decision: null,
  };
}

test("news of one incident are one thread, the newest change first, a repeated alert no news", () => {
  const news = new News();
  expect(news.take({ position: 1, alert: alert("a", 1) }, 0, true)).toBe(true);
  expect(news.take({ position: 2, alert: alert("b", 2, { severity: "high" }) }, 0, true)).toBe(true);
  expect(news.take({ position: 3, alert: alert("a", 3, { transition: "closed" }) }, 0, true)).toBe(true);
  expect(news.take({ position: 3, alert: alert("a", 3, { transition: "closed" }) }, 0, true)).toBe(false);
  expect(news.matching().map((thread) => [thread.id, thread.history.length, thread.isOver])).toEqual([["a", 2, true], ["b", 1, false]]);
  expect(news.matching({ openOnly: true }).map((thread) => thread.id)).toEqual(["b"]);
  expect(news.matching({ severity: "medium" }).map((thread) => thread.id)).toEqual(["b"]);
});

test("what stays closed is not opened again by a verdict, and coverage is no open incident of anybody", () => {
  const news = new News();
  news.take({ position: 1, alert: alert("a", 1) }, 0, true);
  news.take({ position: 2, alert: alert("a", 2, { transition: "closed" }) }, 0, true);
  news.take({ position: 3, alert: alert("a", 3, { transition: "updated" }) }, 0, true);
  news.take({ position: 4, alert: alert("c", 4, { category: "coverage" }) }, 0, true);
  expect(news.openBySession().size).toBe(0);
});

test("memory is bounded: the incidents that changed longest ago are forgotten", () => {
  const news = new News();
  for (let number = 0; number < 700; number += 1) news.take({ position: number, alert: alert(`i${number}`, number) }, 0, true);
  expect(news.matching()).toHaveLength(500);
  expect(news.matching().at(-1)?.id).toBe("i200");
});

test("what cannot be seen goes first, then the higher priority", () => {
  const board = new Board();
  board.take([card("low", "monitored", 0.1), card("high", "monitored", 0.9), card("dark", "degraded", 0.2), card("gone", "blind", null)]);
  expect(board.rows().map((row) => row.id)).toEqual(["gone", "dark", "high", "low"]);
  expect(board.tally()).toMatchObject({ blind: 1, degraded: 1, monitored: 2, all: 4 });
  expect(board.rows("all", "C-HIGH").map((row) => row.id)).toEqual(["high"]);
});

test("an unchanged session stays the same row, a changed one does not, an ended one goes", () => {
  const board = new Board();
  board.take([card("a", "monitored", 0.1), card("b", "monitored", 0.1)]);
  board.endSweep();
  const before = board.get("a");
  board.take([card("a", "monitored", 0.1)]);
  expect(board.get("a")).toBe(before);
  board.take([card("a", "blind", 0.1)]);
  expect(board.get("a")).not.toBe(before);
  board.note(new Map([["a", 2]]));
  expect(board.get("a")?.open).toBe(2);
  board.endSweep();
  expect(board.rows().map((row) => row.id)).toEqual(["a"]);
});

test("before anything arrives nothing is claimed", () => {
  expect(sightOf(null)).toBe("waiting");
  expect(sightOf(card("a", null, null).coverage)).toBe("monitored");
});
