// What the desk remembers of the feed: alerts by incident, the newest change first. Pure.

import type { Alert, FeedItem, Severity } from "../types";

const KEEP = 500;
export const SEVERITIES: Severity[] = ["info", "low", "medium", "high"];

export interface Told { position: number; alert: Alert; receivedAtMs: number; isLive: boolean }

export interface Thread {
  id: string;
  history: readonly Told[];
  latest: Told;
  isOver: boolean;
}

export interface NewsFilter { session?: string; severity?: Severity; category?: string; openOnly?: boolean }

/** A count of weak alerts is no stretch; everything else is over once it was closed. */
function isOver(history: readonly Told[]): boolean {
  const last = history.at(-1)!.alert;
  return (last.transition === "updated" && last.signals.length === 0) || history.some((item) => item.alert.transition === "closed");
}

export class News {
  #threads = new Map<string, Thread>();

  /** Take a feed item; says whether it was news. A repeated one is not. */
  take({ position, alert }: FeedItem, receivedAtMs: number, isLive: boolean): boolean {
    const before = this.#threads.get(alert.incident_id)?.history ?? [];
    if (before.some((item) => item.alert.alert_id === alert.alert_id)) return false;
    const latest = { position, alert, receivedAtMs, isLive };
    const history = [...before, latest];
    this.#threads.delete(alert.incident_id);      // a Map keeps insertion order: the newest change goes last
    this.#threads.set(alert.incident_id, { id: alert.incident_id, history, latest, isOver: isOver(history) });
    while (this.#threads.size > KEEP) this.#threads.delete(this.#threads.keys().next().value!);
    return true;
  }

  /** Threads that pass, the newest change first. */
  matching({ session, severity, category, openOnly }: NewsFilter = {}): Thread[] {
    const least = SEVERITIES.indexOf(severity ?? "info");
    return [...this.#threads.values()].reverse().filter(({ latest: { alert }, isOver: over }) =>
      (!session || alert.session_id === session)
      && SEVERITIES.indexOf(alert.severity) >= least
      && (!category || alert.category === category)
      && (!openOnly || !over));
  }

  /** How many incidents go on, by session. */
  openBySession(): Map<string, number> {
    const found = new Map<string, number>();
    for (const { latest: { alert }, isOver: over } of this.#threads.values()) {
      if (!over && alert.category !== "coverage") found.set(alert.session_id, (found.get(alert.session_id) ?? 0) + 1);
    }
    return found;
  }
}
