import { expect, test } from "vitest";
import { around, beside, drawn, keeping, moved, rows, ticks, toMs, toX, within, zoomed } from "./scale";

const HOUR = 3_600_000;

test("a moment goes to its place and back", () => {
  const shown = { from: 10_000, to: 20_000 };
  expect(toX(shown, 500, 15_000)).toBe(250);
  expect(toMs(shown, 500, toX(shown, 500, 12_345))).toBeCloseTo(12_345);
});

test("zooming keeps what is under the pointer and never leaves the session", () => {
  const near = zoomed({ from: 0, to: HOUR }, HOUR, 4, HOUR / 4);
  expect(near.to - near.from).toBe(HOUR / 4);
  expect(toX(near, 100, HOUR / 4)).toBeCloseTo(25);
  expect(zoomed(near, HOUR, 0.001, HOUR / 4)).toEqual({ from: 0, to: HOUR });
  expect(zoomed({ from: 0, to: 4000 }, HOUR, 1000, 1000)).toEqual({ from: 500, to: 2500 });
});

test("moving stops at both ends", () => {
  expect(moved({ from: 1000, to: 6000 }, 10_000, -9000)).toEqual({ from: 0, to: 5000 });
  expect(moved({ from: 1000, to: 6000 }, 10_000, 9000)).toEqual({ from: 5000, to: 10_000 });
  expect(within({ from: 0, to: 1 }, 800)).toEqual({ from: 0, to: 800 });
});

test("the cursor is kept in sight with some time around it", () => {
  const shown = { from: 0, to: 10_000 };
  expect(keeping(shown, HOUR, 5000)).toBe(shown);
  const next = keeping(shown, HOUR, 12_000);
  expect(next.to).toBe(13_500);
  expect(around(50_000, 52_000, HOUR)).toEqual({ from: 40_000, to: 62_000 });
});

test("ticks are round and about as many as wanted", () => {
  expect(ticks({ from: 0, to: 60_000 }, 6)).toEqual([0, 10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
  expect(ticks({ from: 3 * HOUR - 1, to: 3 * HOUR + 1001 }, 2)).toEqual([3 * HOUR, 3 * HOUR + 1000]);
});

test("slivers that would touch are drawn as one, long stretches stay themselves", () => {
  const many = Array.from({ length: 5000 }, (_, index) => ({ at: index * 700, end: index * 700 + 300 }));
  const marks = drawn(many, { from: 0, to: HOUR }, 800, (item) => [item.at, item.end]);
  expect(marks.length).toBeLessThan(300);
  expect(marks.flatMap((mark) => mark.items)).toHaveLength(5000);
  const two = [{ at: 0, end: 1_000_000 }, { at: 1_000_000, end: 2_000_000 }];
  expect(drawn(two, { from: 0, to: HOUR }, 800, (item) => [item.at, item.end])).toHaveLength(2);
  expect(drawn(two, { from: 2 * HOUR, to: 3 * HOUR }, 800, (item) => [item.at, item.end])).toHaveLength(0);
});

test("stretches of one lane do not cover each other while there are rows", () => {
  expect(rows([[0, 10], [5, 15], [10, 20], [12, 30]], 3)).toEqual([0, 1, 0, 2]);
  expect(rows([[0, 100], [1, 50], [2, 100]], 2)).toEqual([0, 1, 1]);
});

test("the incident before and after a moment", () => {
  const items = [{ at: 30 }, { at: 10 }, { at: 20 }];
  expect(beside(items, 10, 1, (item) => item.at)).toEqual({ at: 20 });
  expect(beside(items, 20, -1, (item) => item.at)).toEqual({ at: 10 });
  expect(beside(items, 30, 1, (item) => item.at)).toBeNull();
});
