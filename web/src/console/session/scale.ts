// The stretch of session time that a timeline shows, and where things lie on it. Pure; times in ms.

export interface Span { from: number; to: number }
export interface Drawn<Item> { x: number; width: number; items: Item[] }

const LEAST_MS = 2000;
const STEPS_S = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400];

export function toX(shown: Span, width: number, ms: number): number {
  return ((ms - shown.from) / (shown.to - shown.from)) * width;
}

export function toMs(shown: Span, width: number, x: number): number {
  return shown.from + (x / width) * (shown.to - shown.from);
}

/** Bring a span inside of [0, length], as long as it was where that is possible. */
export function within(shown: Span, lengthMs: number): Span {
  const size = Math.min(Math.max(shown.to - shown.from, Math.min(LEAST_MS, lengthMs)), Math.max(lengthMs, 1));
  const from = Math.min(Math.max(0, shown.from), Math.max(0, lengthMs - size));
  return { from, to: from + size };
}

/** Zoom by a factor (2 shows half as much); what is at `around` stays where it is. */
export function zoomed(shown: Span, lengthMs: number, factor: number, around: number): Span {
  const size = Math.min(Math.max((shown.to - shown.from) / factor, LEAST_MS), lengthMs);
  const share = (around - shown.from) / (shown.to - shown.from);
  return within({ from: around - share * size, to: around + (1 - share) * size }, lengthMs);
}

export function moved(shown: Span, lengthMs: number, byMs: number): Span {
  return within({ from: shown.from + byMs, to: shown.to + byMs }, lengthMs);
}

/** The span, moved just so far that `ms` is inside of it. */
export function keeping(shown: Span, lengthMs: number, ms: number): Span {
  if (ms >= shown.from && ms <= shown.to) return shown;
  const margin = (shown.to - shown.from) * 0.15;
  return moved(shown, lengthMs, ms < shown.from ? ms - margin - shown.from : ms + margin - shown.to);
}

/** A span that shows a stretch with some time around it. */
export function around(fromMs: number, toMs: number, lengthMs: number): Span {
  const margin = Math.max(10_000, (toMs - fromMs) * 1.5);
  return within({ from: fromMs - margin, to: toMs + margin }, lengthMs);
}

/** Round moments, about `wanted` of them. */
export function ticks(shown: Span, wanted: number): number[] {
  const perTickS = (shown.to - shown.from) / 1000 / Math.max(1, wanted);
  const stepMs = 1000 * (STEPS_S.find((step) => step >= perTickS) ?? STEPS_S.at(-1)!);
  const found: number[] = [];
  for (let at = Math.ceil(shown.from / stepMs) * stepMs; at <= shown.to; at += stepMs) found.push(at);
  return found;
}

/** Where stretches lie in px; those that would touch are drawn as one, so a lane of thousands stays cheap. Sorted input. */
export function drawn<Item>(
  items: readonly Item[], shown: Span, width: number, ends: (item: Item) => [number, number], leastPx = 3,
): Drawn<Item>[] {
  const found: Drawn<Item>[] = [];
  for (const item of items) {
    const [start, end] = ends(item);
    if (end < shown.from || start > shown.to) continue;
    const x = Math.max(0, toX(shown, width, start));
    const right = Math.min(width, Math.max(toX(shown, width, end), x + leastPx));
    const last = found.at(-1);
    if (last && x <= last.x + last.width + 0.5 && last.width <= 2 * leastPx && right - x <= 2 * leastPx) {
      last.width = Math.max(last.width, right - last.x);
      last.items.push(item);
    } else {
      found.push({ x, width: right - x, items: [item] });
    }
  }
  return found;
}

/** Which row each stretch goes to, so that none covers another. Sorted by start. */
export function rows(ends: readonly [number, number][], most: number, gapMs = 0): number[] {
  const free: number[] = [];
  return ends.map(([start, end]) => {
    let row = free.findIndex((until) => until + gapMs <= start);
    if (row < 0) row = free.length < most ? free.length : free.indexOf(Math.min(...free));
    free[row] = end;
    return row;
  });
}

/** The item whose start is next before or after a moment; null at the end. */
export function beside<Item>(items: readonly Item[], at: number, step: 1 | -1, start: (item: Item) => number): Item | null {
  const sorted = [...items].sort((one, other) => start(one) - start(other));
  const found = step > 0 ? sorted.find((item) => start(item) > at + 1) : sorted.findLast((item) => start(item) < at - 1);
  return found ?? null;
}
