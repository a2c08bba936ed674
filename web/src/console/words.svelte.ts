// Every word of the console comes from a catalogue; English is bundled, the others are fetched when chosen.

import { IntlMessageFormat } from "intl-messageformat";
import english from "./messages/en.json";

type Catalogue = Record<string, string>;
type Values = Record<string, string | number | Date | null | undefined>;

export const LOCALES = { en: "English", de: "Deutsch", es: "Español", fr: "Français", ar: "العربية" } as const;
export type Locale = keyof typeof LOCALES;

const KEPT = "console.locale";
const LOADERS: Record<Exclude<Locale, "en">, () => Promise<{ default: Catalogue }>> = {
  de: () => import("./messages/de.json"),
  es: () => import("./messages/es.json"),
  fr: () => import("./messages/fr.json"),
  ar: () => import("./messages/ar.json"),
};

function isLocale(name: string | null): name is Locale {
  return name !== null && name in LOCALES;
}

class Words {
  locale = $state<Locale>("en");
  #catalogue = $state.raw<Catalogue>(english);
  #formats = new Map<string, IntlMessageFormat>();

  /** Take the language that was chosen here before, else the browser's; English when it cannot be had. */
  async begin(): Promise<void> {
    const kept = localStorage.getItem(KEPT);
    const wished = isLocale(kept) ? kept : navigator.languages.map((tag) => tag.slice(0, 2)).find(isLocale);
    await this.#use(wished ?? "en").catch(() => this.#use("en"));
  }

  async choose(locale: Locale): Promise<void> {
    await this.#use(locale);
    localStorage.setItem(KEPT, locale);
  }

  async #use(locale: Locale): Promise<void> {
    const catalogue = locale === "en" ? english : (await LOADERS[locale]()).default;
    this.#formats.clear();
    this.#catalogue = { ...english, ...catalogue };
    this.locale = locale;
    document.documentElement.lang = locale;
    document.documentElement.dir = locale === "ar" ? "rtl" : "ltr";
  }

  has(key: string): boolean {
    return key in this.#catalogue;
  }

  say(key: string, values?: Values): string {
    const text = this.#catalogue[key];
    if (text === undefined) return key;
    if (values === undefined && !text.includes("{")) return text;
    const name = `${this.locale}/${key}`;
    let format = this.#formats.get(name);
    if (!format) {
      format = new IntlMessageFormat(text, this.locale, undefined, { ignoreTag: true });
      this.#formats.set(name, format);
    }
    return String(format.format(values));
  }

  /** A name of a closed list; one that the catalogue does not know is shown with its underscores as spaces. */
  name(list: string, name: string): string {
    const key = `${list}.${name}`;
    return this.has(key) ? this.say(key) : name.replaceAll("_", " ");
  }
}

export const words = new Words();
export const t = (key: string, values?: Values): string => words.say(key, values);
export const nameOf = (list: string, name: string): string => words.name(list, name);
