// The grid of live sessions: pages of the queue are merged in, unchanged rows stay the same object. Pure.

import type { CoverageState, ModalityCoverage, SessionCard } from "../types";

export type Sight = "blind" | "degraded" | "monitored" | "waiting";
export interface LiveRow { id: string; card: SessionCard; sight: Sight; open: number }
export type Tally = Record<Sight, number> & { all: number; open: number };

const ORDER: Record<Sight, number> = { blind: 0, degraded: 1, waiting: 2, monitored: 3 };

/** The worst that is the case now. What cannot be seen at all goes before what can hardly be seen. */
export function sightOf(coverage: readonly ModalityCoverage[] | null): Sight {
  const now = (coverage ?? []).map((one) => one.now).filter((state): state is CoverageState => state !== null);
  if (now.length === 0) return "waiting";
  if (now.includes("blind")) return "blind";
  return now.includes("degraded") ? "degraded" : "monitored";
}

export function priorityOf(card: SessionCard): number {
  return card.priority?.value ?? -1;
}

export class Board {
  #rows = new Map<string, LiveRow>();
  #texts = new Map<string, string>();
  #sweep = new Set<string>();
  #open = new Map<string, number>();

  /** Merge one page of live sessions. */
  take(cards: readonly SessionCard[]): void {
    for (const card of cards) {
      const id = card.session_id;
      this.#sweep.add(id);
      const text = JSON.stringify(card);
      if (this.#texts.get(id) === text) continue;
      this.#texts.set(id, text);
      this.#rows.set(id, { id, card, sight: sightOf(card.coverage), open: this.#open.get(id) ?? 0 });
    }
  }

  /** All pages were read: what was on none of them is over. */
  endSweep(): void {
    for (const id of [...this.#rows.keys()]) {
      if (this.#sweep.has(id)) continue;
      this.#rows.delete(id);
      this.#texts.delete(id);
    }
    this.#sweep.clear();
  }

  /** How many incidents go on, by session, as the feed tells. */
  note(open: Map<string, number>): void {
    this.#open = open;
    for (const [id, row] of this.#rows) {
      const count = open.get(id) ?? 0;
      if (count !== row.open) this.#rows.set(id, { ...row, open: count });
    }
  }

  get(id: string): LiveRow | undefined {
    return this.#rows.get(id);
  }

  tally(): Tally {
    const found: Tally = { blind: 0, degraded: 0, monitored: 0, waiting: 0, all: this.#rows.size, open: 0 };
    for (const row of this.#rows.values()) {
      found[row.sight] += 1;
      if (row.open) found.open += 1;
    }
    return found;
  }

  /** What cannot be seen first, then the highest priority. */
  rows(only: "all" | "open" | Sight = "all", words = ""): LiveRow[] {
    const wanted = words.trim().toLowerCase();
    return [...this.#rows.values()]
      .filter((row) => only === "all" || (only === "open" ? row.open > 0 : row.sight === only))
      .filter((row) => !wanted || `${row.card.candidate_ref ?? ""} ${row.id} ${row.card.exam_title ?? ""}`.toLowerCase().includes(wanted))
      .sort((one, other) => ORDER[one.sight] - ORDER[other.sight]
        || priorityOf(other.card) - priorityOf(one.card)
        || (one.card.candidate_ref ?? one.id).localeCompare(other.card.candidate_ref ?? other.id));
  }
}
