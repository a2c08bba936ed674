// Every catalogue says the same things: the same keys, with the same placeholders, in words that parse.

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MessageFormatElement, parse, TYPE } from "@formatjs/icu-messageformat-parser";
import { describe, expect, it } from "vitest";
import { LANGUAGES, preferred } from "./language.svelte";

const folder = fileURLToPath(new URL("./messages/", import.meta.url));
const sources = fileURLToPath(new URL("./", import.meta.url));
const names = readdirSync(folder).map((file) => file.replace(".json", ""));
const catalogues = new Map(names.map((name) => [name, JSON.parse(readFileSync(`${folder}${name}.json`, "utf8")) as Record<string, string>]));
const english = catalogues.get("en")!;

/** The names that a message is filled with, inside its plurals as well. */
function placeholders(elements: MessageFormatElement[], found = new Set<string>()): Set<string> {
  for (const one of elements) {
    if (one.type === TYPE.literal || one.type === TYPE.pound) continue;
    if ("value" in one) found.add(one.value);
    if (one.type === TYPE.plural || one.type === TYPE.select) {
      for (const option of Object.values(one.options)) placeholders(option.value, found);
    }
  }
  return found;
}

function files(at: string): string[] {
  return readdirSync(at, { withFileTypes: true }).flatMap((entry) => (
    entry.isDirectory() ? (entry.name === "messages" ? [] : files(`${at}${entry.name}/`)) : [`${at}${entry.name}`]
  ));
}

describe("the catalogues", () => {
  it("are one for each language that can be chosen", () => {
    expect(names.sort()).toEqual(Object.keys(LANGUAGES).sort());
  });

  it.each(names)("%s has exactly the keys of English", (name) => {
    expect(Object.keys(catalogues.get(name)!).sort()).toEqual(Object.keys(english).sort());
  });

  it.each(names)("%s parses, has no empty words and the placeholders of English", (name) => {
    for (const [key, message] of Object.entries(catalogues.get(name)!)) {
      expect(message.trim(), key).not.toBe("");
      expect([...placeholders(parse(message))].sort(), key).toEqual([...placeholders(parse(english[key]!))].sort());
    }
  });

  it("has every key that the page asks for by name, and no key that nothing asks for", () => {
    const code = files(sources).filter((file) => /\.(svelte|ts)$/.test(file) && !file.endsWith(".test.ts"))
      .map((file) => readFileSync(file, "utf8")).join("\n");
    const asked = new Set([...code.matchAll(/"([a-z]+\.[A-Za-z_.]+)"/g)].map((match) => match[1]!).filter((key) => !/\.(js|json|svelte)$/.test(key)));
    const built = [...code.matchAll(/`([a-z]+\.)(?:\$\{[^}]*\})?/g)].map((match) => match[1]!);
    const missing = [...asked].filter((key) => /^(page|nothing|notice|preflight|enrolment|ready|room|allowed|break|ending|problem|camera)\./.test(key) && !(key in english));
    expect(missing).toEqual([]);
    expect(Object.keys(english).filter((key) => !asked.has(key) && !built.some((prefix) => key.startsWith(prefix)))).toEqual([]);
  });
});

describe("the language", () => {
  it("is the first wanted one that there is, whatever the region", () => {
    expect(preferred(["pt-BR", "de-AT", "en"])).toBe("de");
    expect(preferred(["ar-EG"])).toBe("ar");
    expect(preferred(["ja"])).toBe("en");
    expect(preferred(["toString"])).toBe("en");
  });
});
