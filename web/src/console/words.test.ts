// The catalogues say the same things, with the same values in them, and the code asks for nothing that is not there.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isArgumentElement, isDateElement, isNumberElement, isPluralElement, isSelectElement, isTimeElement, parse, type MessageFormatElement } from "@formatjs/icu-messageformat-parser";
import { describe, expect, test } from "vitest";

const HERE = import.meta.dirname;
const read = (locale: string) => JSON.parse(readFileSync(join(HERE, "messages", `${locale}.json`), "utf8")) as Record<string, string>;
const english = read("en");

function values(elements: MessageFormatElement[], found = new Set<string>()): Set<string> {
  for (const element of elements) {
    const isChoice = isPluralElement(element) || isSelectElement(element);
    if (isChoice || isArgumentElement(element) || isNumberElement(element) || isDateElement(element) || isTimeElement(element)) found.add(element.value);
    if (isChoice) for (const option of Object.values(element.options)) values(option.value, found);
  }
  return found;
}

describe.each(["de", "es", "fr", "ar"])("%s", (locale) => {
  const catalogue = read(locale);

  test("has every word and no other", () => {
    expect(Object.keys(catalogue)).toEqual(Object.keys(english));
  });

  test("puts the same values into them", () => {
    for (const [key, text] of Object.entries(catalogue)) {
      expect([key, ...[...values(parse(text, { ignoreTag: true }))].sort()]).toEqual([key, ...[...values(parse(english[key]!, { ignoreTag: true }))].sort()]);
    }
  });
});

test("every word that the pages ask for is there", () => {
  const sources = (readdirSync(HERE, { recursive: true }) as string[]).filter((name) => /\.(svelte|ts)$/.test(name) && !name.endsWith(".test.ts"));
  const asked = sources.flatMap((name) => [...readFileSync(join(HERE, name), "utf8").matchAll(/(?<![\w.])t\("([^"]+)"/g)].map((match) => match[1]!));
  expect(asked.length).toBeGreaterThan(150);
  expect([...new Set(asked)].filter((key) => !(key in english))).toEqual([]);
});

test("no word reads a mind or passes a verdict by itself", () => {
  const forbidden = /\b(cheat|fraud|suspicious|guilty|nervous|stress|emotion|attenti(on|ve)|anxious|dishonest)/i;
  for (const [key, text] of Object.entries(english)) expect([key, forbidden.test(text)]).toEqual([key, false]);
});
