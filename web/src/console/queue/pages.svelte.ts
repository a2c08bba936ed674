// Rows of a list that the server gives by pages: the next page is asked for before the reader gets there.

import type { Page } from "../types";

const AHEAD = 80;

export class Pages<Item> {
  items = $state.raw<Item[]>([]);
  isLoading = $state(true);
  isWhole = $state(false);
  problem = $state.raw<unknown>(null);
  #cursor: string | null = null;
  #turn = 0;

  constructor(private readonly ask: (cursor: string | null) => Promise<Page<Item>>) {}

  /** Begin anew; an answer to what was asked before is no longer wanted. */
  async begin(): Promise<void> {
    this.#turn += 1;
    this.#cursor = null;
    this.isWhole = false;
    await this.#load(true);
  }

  /** Called with the last row that is on the screen. */
  async near(index: number): Promise<void> {
    if (!this.isLoading && !this.isWhole && !this.problem && index > this.items.length - AHEAD) await this.#load(false);
  }

  async again(): Promise<void> {
    await this.#load(this.items.length === 0);
  }

  async #load(isFirst: boolean): Promise<void> {
    const turn = this.#turn;
    this.isLoading = true;
    this.problem = null;
    try {
      const page = await this.ask(this.#cursor);
      if (turn !== this.#turn) return;
      this.items = isFirst ? page.items : [...this.items, ...page.items];
      this.#cursor = page.next;
      this.isWhole = page.next === null;
    } catch (problem) {
      if (turn !== this.#turn) return;
      if (isFirst) this.items = [];
      this.problem = problem;
    }
    this.isLoading = false;
  }
}
