// Numbers, lengths and moments as a person reads them, in the chosen language.

import { figureWords } from "$lib/words.js";
import { words } from "./words.svelte";

const formats = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();

function number(kind: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const name = `${words.locale}/${kind}`;
  let format = formats.get(name) as Intl.NumberFormat | undefined;
  if (!format) {
    format = new Intl.NumberFormat(words.locale, options);
    formats.set(name, format);
  }
  return format;
}

function date(kind: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const name = `${words.locale}/${kind}`;
  let format = formats.get(name) as Intl.DateTimeFormat | undefined;
  if (!format) {
    format = new Intl.DateTimeFormat(words.locale, options);
    formats.set(name, format);
  }
  return format;
}

export function percent(share: number | null | undefined, digits = 0): string {
  if (share === null || share === undefined) return "–";
  const options: Intl.NumberFormatOptions = { style: "percent", maximumFractionDigits: digits, minimumFractionDigits: digits };
  return number(`percent${digits}`, options).format(share);
}

/** A share of coverage: never rounded up to all, nor down to nothing. */
export function shareSeen(share: number | null): string {
  if (share === null) return "–";
  if (share > 0.99 && share < 1) return percent(Math.floor(share * 1000) / 1000, 1);
  if (share > 0 && share < 0.01) return `< ${percent(0.01)}`;
  return percent(share);
}

export function count(value: number, digits = 0): string {
  return number(`count${digits}`, { maximumFractionDigits: digits }).format(value);
}

export function bytes(value: number): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
  const step = value > 0 ? Math.min(Math.floor(Math.log10(value) / 3), units.length - 1) : 0;
  const unit = units[step] ?? "byte";
  return number(`bytes${unit}`, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 }).format(value / 1000 ** step);
}

/** Session time as `1:02:03` or `2:03.4`; the same in every language, like a clock on a tape. */
export function moment(milliseconds: number, withTenths = false): string {
  const tenths = Math.floor(Math.max(0, milliseconds) / 100);
  const seconds = Math.floor(tenths / 10);
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const clock = hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  return withTenths ? `${clock}.${tenths % 10}` : clock;
}

/** `12 s`, `3 min`, `1 h 5 min`. */
export function span(milliseconds: number): string {
  const unit = (value: number, name: string) =>
    number(`unit${name}`, { style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: 1 }).format(value);
  if (milliseconds < 60_000) return unit(milliseconds / 1000, "second");
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 60) return unit(minutes, "minute");
  return minutes % 60 ? `${unit(Math.floor(minutes / 60), "hour")} ${unit(minutes % 60, "minute")}` : unit(minutes / 60, "hour");
}

export function clock(at: string | Date): string {
  return date("clock", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(new Date(at));
}

/** Day and time; the year only where it is another one. */
export function day(at: string | Date): string {
  const moment = new Date(at);
  const options: Intl.DateTimeFormatOptions = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" };
  if (moment.getFullYear() === new Date().getFullYear()) return date("day", options).format(moment);
  return date("year", { ...options, year: "numeric" }).format(moment);
}

/** Named figures of a signal, each with its unit. */
export function figures(numbers: Record<string, number>): string {
  return Object.entries(numbers).map(([name, value]) => figureWords(name, value)).join(" · ");
}

export function short(text: string, length = 10): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}
