import { expect, test } from "vitest";
import { countOf, fromQuery, toParams, toQuery, type QueueFilters } from "./filters";

test("filters survive the way through the address", () => {
  const filters: QueueFilters = { exam: "exm_1", state: "ended", verdict: "unreviewed", least: "40", search: "Müller & Söhne" };
  expect(fromQuery(new URLSearchParams(toQuery(filters).toString()))).toEqual(filters);
  expect(countOf(filters)).toBe(5);
});

test("the same filters give the same address, whatever came first, and empty ones give none", () => {
  expect(toQuery({ search: "a", exam: "e" }).toString()).toBe(toQuery({ exam: "e", search: "a" }).toString());
  expect(toQuery({ search: "  ", exam: "" }).toString()).toBe("");
});

test("what is no value of ours is left out", () => {
  const query = new URLSearchParams("severity=terrible&state=live&least=900&other=1&verdict=guilty");
  expect(fromQuery(query)).toEqual({ state: "live" });
});

test("the API is asked for a share, and only for what was chosen", () => {
  expect(toParams({ least: "25" }).min_priority).toBe(0.25);
  expect(Object.values(toParams({})).every((value) => value === undefined)).toBe(true);
});
