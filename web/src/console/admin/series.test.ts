import { expect, test } from "vitest";
import { added, columns, type Sample } from "./series";

test("samples are kept in order, the oldest go, and a moment is there once", () => {
  let samples: Sample[] = [];
  for (let at = 0; at < 10; at += 1) samples = added(samples, { at, values: [at, 2 * at] }, 4);
  samples = added(samples, { at: 9, values: [100, 0] }, 4);
  expect(columns(samples, 2)).toEqual([[6, 7, 8, 9], [6, 7, 8, 100], [12, 14, 16, 0]]);
});
