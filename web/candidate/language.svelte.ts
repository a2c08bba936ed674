// The page's language: the browser's or the one chosen by hand, with its catalogue and its direction.

import { IntlMessageFormat } from "intl-messageformat";

export type Values = Record<string, string | number>;
type Catalogue = Record<string, string>;

/** Every language by its own name. */
export const LANGUAGES = { en: "English", es: "Español", de: "Deutsch", fr: "Français", ar: "العربية" } as const;
export type Locale = keyof typeof LANGUAGES;

const CHOSEN = "proctor.locale";
const catalogues = import.meta.glob<Catalogue>("./messages/*.json", { import: "default" });
let formats: Record<string, IntlMessageFormat> = {};
const current = $state<{ locale: Locale; messages: Catalogue }>({ locale: "en", messages: {} });

function isLocale(name: string): name is Locale {
  return Object.hasOwn(LANGUAGES, name);
}

/** The first wanted language that there is. */
export function preferred(wanted: readonly string[]): Locale {
  for (const name of wanted) {
    const base = name.toLowerCase().split("-")[0] ?? "";
    if (isLocale(base)) return base;
  }
  return "en";
}

function kept(): string[] {
  try {
    const name = localStorage.getItem(CHOSEN);
    return name ? [name] : [];
  } catch {
    return [];   // storage may be closed to us; the browser's own language will do
  }
}

/** Load the language that is wanted before anything is shown. */
export async function openLanguage(): Promise<void> {
  await show(preferred([...kept(), ...navigator.languages]));
}

/** Speak another language from now on, here and at the next visit. */
export async function choose(locale: Locale): Promise<void> {
  await show(locale);
  try {
    localStorage.setItem(CHOSEN, locale);
  } catch {
    // not kept; it holds for this visit
  }
}

async function show(locale: Locale): Promise<void> {
  const load = catalogues[`./messages/${locale}.json`];
  if (!load) throw new Error(`no catalogue for ${locale}`);
  const messages = await load();
  formats = {};
  current.messages = messages;
  current.locale = locale;
  document.documentElement.lang = locale;
  document.documentElement.dir = locale === "ar" ? "rtl" : "ltr";
}

/** The language that is spoken now. */
export function locale(): Locale {
  return current.locale;
}

/** Whether the catalogue has words under this key. */
export function has(key: string): boolean {
  return Object.hasOwn(current.messages, key);
}

/** The words under a key, filled in. A key that is missing shows itself: the tests find it first. */
export function t(key: string, values?: Values): string {
  const message = current.messages[key];
  if (message === undefined) return key;
  if (!values) return message;
  formats[key] ??= new IntlMessageFormat(message, current.locale);
  return String(formats[key].format(values));
}
