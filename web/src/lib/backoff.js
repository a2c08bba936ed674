// Waiting times between tries: doubled, capped, and spread so that a thousand pages do not come back at once.

export class Backoff {
  constructor({ firstMs = 400, capMs = 8000, random = Math.random } = {}) {
    this.firstMs = firstMs;
    this.capMs = capMs;
    this.random = random;
    this.tries = 0;
  }

  /** The next wait in ms: between half and all of the doubled step. */
  next() {
    const step = Math.min(this.capMs, this.firstMs * 2 ** Math.min(this.tries, 16));
    this.tries += 1;
    return Math.round(step * (0.5 + 0.5 * this.random()));
  }

  /** It worked: start small again. */
  reset() {
    this.tries = 0;
  }
}

/** Wait; ends early (false) when the signal aborts. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) { resolve(false); return; }
    const timer = setTimeout(() => { signal?.removeEventListener("abort", stop); resolve(true); }, milliseconds);
    const stop = () => { clearTimeout(timer); resolve(false); };
    signal?.addEventListener("abort", stop, { once: true });
  });
}
