import { expect, test } from "vitest";
import type { EvidencePiece, Stretch } from "../types";
import { inOrder, momentOf, pieceAt, stretchAt } from "./at";

function piece(kind: EvidencePiece["kind"], start: number, end = start): EvidencePiece {
  return { evidence_id: `${kind}_${start}`, kind, media_type: "", start_ms: start, end_ms: end, sha256: "", size: 1, state: "stored", loss: null, stored_at: "" };
}
const PIECES = [piece("judged", 10_000), piece("clip", 5000, 15_000), piece("before", 8000), piece("after", 12_000)];

test("a clip that holds the moment is shown, else the nearest picture", () => {
  expect(pieceAt(PIECES, 9000)?.kind).toBe("clip");
  expect(pieceAt(PIECES, 8900, false)?.evidence_id).toBe("before_8000");
  expect(pieceAt(PIECES, 60_000)?.evidence_id).toBe("after_12000");
  expect(pieceAt([piece("clip", 0, 5)], 60_000)?.kind).toBe("clip");
  expect(pieceAt([], 0)).toBeNull();
});

test("pieces are offered in order of time, the clip last", () => {
  expect(inOrder(PIECES).map((one) => one.kind)).toEqual(["before", "judged", "after", "clip"]);
});

test("what lasts holds until now", () => {
  const stretches: Stretch[] = [
    { start_ms: 0, end_ms: 1000, state: "monitored", reason: null }, { start_ms: 1000, end_ms: null, state: "blind", reason: "covered" },
  ];
  expect(stretchAt(stretches, 1000, 9000)?.state).toBe("blind");
  expect(stretchAt(stretches, 9000, 9000)?.state).toBe("blind");
  expect(stretchAt([], 5, 9000)).toBeNull();
});

test("a moment is read as it is written", () => {
  expect(momentOf("1:02.5")).toBe(62_500);
  expect(momentOf("1:00:00")).toBe(3_600_000);
  expect(momentOf("62")).toBe(62_000);
  for (const text of ["", "a", "1:", "1:2:3:4", "-5", "1.5:00"]) expect(momentOf(text)).toBeNull();
});
