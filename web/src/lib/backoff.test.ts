import { expect, test } from "vitest";
import { Backoff } from "./backoff.js";

test("waits double, are capped, and a success starts anew", () => {
  const backoff = new Backoff({ firstMs: 400, capMs: 3000, random: () => 1 });
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([400, 800, 1600, 3000]);
  backoff.reset();
  expect(backoff.next()).toBe(400);
});

test("a thousand pages do not come back at once", () => {
  const waits = new Set(Array.from({ length: 1000 }, () => new Backoff({ capMs: 8000 }).next()));
  expect(waits.size).toBeGreaterThan(100);
  expect(Math.min(...waits)).toBeGreaterThanOrEqual(200);
  expect(Math.max(...waits)).toBeLessThanOrEqual(400);
});
