import { expect, test } from "vitest";
import type { Reranked } from "../types";
import { changesOf } from "./ranking";

const session = (before: number, after: number, rules: Reranked["rules"]): Reranked => ({
  session_id: `ses_${before}`, place_before: before, place_after: after, priority_before: 0.5, priority_after: 0.5, rules, incidents_before: 0, incidents_after: 0, is_whole: true,
});

test("added and removed are counted per session, so that they do not cancel out", () => {
  const changes = changesOf([session(1, 2, { gaze: [3, 1] }), session(2, 1, { gaze: [0, 2], phone: [0, 1] }), session(3, 3, {})]);
  expect(changes).toMatchObject({ added: 3, removed: 2, moved: 2, untouched: 1 });
  expect(changes.rules).toEqual([
    { rule: "gaze", before: 3, after: 3, added: 2, removed: 2 }, { rule: "phone", before: 0, after: 1, added: 1, removed: 0 },
  ]);
});
