// The live view's state: the feed by its socket, the grid by pages of the queue. Drawn at most four times a second.

import { LiveSocket } from "$lib/live.js";
import type { Calls } from "../calls";
import type { FeedItem } from "../types";
import { Board, type LiveRow, type Sight, type Tally } from "./board";
import { News, type NewsFilter, type Thread } from "./news";

const BACKLOG = 200;         // how much of the feed before the last seen position a fresh page shows
const DRAW_EVERY_MS = 250;
const SWEEP_EVERY_MS = 5000;

type Message = { type: string; position?: number; code?: string } & Partial<FeedItem>;

export class LiveView {
  state = $state<"connecting" | "open" | "waiting" | "closed">("connecting");
  problem = $state.raw<unknown>(null);
  isLoaded = $state(false);
  rows = $state.raw<LiveRow[]>([]);
  tally = $state.raw<Tally>({ blind: 0, degraded: 0, monitored: 0, waiting: 0, all: 0, open: 0 });
  threads = $state.raw<Thread[]>([]);
  only = $state<"all" | "open" | Sight>("all");
  words = $state("");
  filter = $state.raw<NewsFilter>({});

  #board = new Board();
  #news = new News();
  #socket: LiveSocket;
  #position: number;
  #cursorKey: string;
  #isCaughtUp = false;
  #drawing = 0;
  #drawnAt = 0;
  #sweeping = 0;
  #isOver = false;

  constructor(private readonly calls: Calls, tenant: string) {
    this.#cursorKey = `proctor.cursor.${tenant || "default"}`;
    this.#position = Math.max(0, Number(localStorage.getItem(this.#cursorKey) ?? 0) - BACKLOG);
    this.#socket = new LiveSocket(calls.api, "/v1/live/alerts", {
      hello: () => ({ after: this.#position }),
      onMessage: (message: Message) => this.#hear(message),
      onState: (state: string) => {
        this.state = state as LiveView["state"];
        if (state === "open") this.#isCaughtUp = false;
      },
      onRefused: (problem: unknown) => { this.problem = problem; },
    });
    void this.#socket.run();
    void this.#sweep();
  }

  close(): void {
    this.#isOver = true;
    this.#socket.close();
    clearTimeout(this.#drawing);
    clearTimeout(this.#sweeping);
  }

  cardOf(sessionId: string): LiveRow | undefined {
    return this.#board.get(sessionId);
  }

  #hear(message: Message): void {
    if (message.type === "alert" && message.alert) {
      const item = message as unknown as FeedItem;
      this.#news.take(item, Date.now(), this.#isCaughtUp);
      this.#moveTo(item.position);
      this.draw();
    } else if (message.type === "caught_up") {
      this.#isCaughtUp = true;
      this.#moveTo(message.position ?? 0);
    } else if (message.type === "error" && message.code?.startsWith("cursor/")) {
      this.#position = 0;              // another database than the one this cursor came from
      localStorage.removeItem(this.#cursorKey);
    }
  }

  #moveTo(position: number): void {
    if (position <= this.#position) return;
    this.#position = position;
    localStorage.setItem(this.#cursorKey, String(position));
  }

  /** Read every page of live sessions, one after the other, for ever. */
  async #sweep(): Promise<void> {
    try {
      let cursor: string | null = null;
      do {
        const page: Awaited<ReturnType<Calls["live"]>> = await this.calls.live(cursor);
        if (this.#isOver) return;
        this.#board.take(page.items);
        this.draw();
        cursor = page.next;
      } while (cursor);
      this.#board.endSweep();
      this.isLoaded = true;
      this.problem = null;
      this.draw();
    } catch (problem) {
      this.problem = problem;
    }
    if (!this.#isOver) this.#sweeping = window.setTimeout(() => this.#sweep(), SWEEP_EVERY_MS);
  }

  /** Draw soon, once for many changes. */
  draw(): void {
    if (this.#drawing) return;
    const wait = Math.max(0, this.#drawnAt + DRAW_EVERY_MS - performance.now());
    this.#drawing = window.setTimeout(() => this.drawNow(), wait);
  }

  drawNow(): void {
    clearTimeout(this.#drawing);
    this.#drawing = 0;
    this.#drawnAt = performance.now();
    this.#board.note(this.#news.openBySession());
    this.rows = this.#board.rows(this.only, this.words);
    this.tally = this.#board.tally();
    this.threads = this.#news.matching(this.filter);
  }
}
