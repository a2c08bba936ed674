// Addresses of the console: /console/QUEUE?filters. One source of truth, the browser's own.

class Router {
  path = $state("");
  query = $state.raw(new URLSearchParams());

  constructor() {
    this.#read();
    window.addEventListener("popstate", () => this.#read());
  }

  #read(): void {
    this.path = window.location.pathname.replace(/^\/console\/?/, "").replace(/\/$/, "");
    this.query = new URLSearchParams(window.location.search);
  }

  /** Parts of the path after /console. */
  get parts(): string[] {
    return this.path.split("/").filter(Boolean).map(decodeURIComponent);
  }

  go(path: string, replace = false): void {
    const change = replace ? "replaceState" : "pushState";
    window.history[change](null, "", `/console/${path}`);
    this.#read();
    if (!replace) window.scrollTo(0, 0);
  }

  /** Change what the address says after the question mark, without a step in the history. */
  put(query: URLSearchParams): void {
    const text = query.toString();
    window.history.replaceState(null, "", window.location.pathname + (text ? `?${text}` : ""));
    this.query = query;
  }

  /** Follow a link of ours without loading the page again; others, and those for a new tab, are the browser's. */
  follow = (event: MouseEvent): void => {
    const link = (event.target as Element).closest("a");
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const address = new URL(link.href);
    if (address.origin !== window.location.origin || link.target || !address.pathname.startsWith("/console")) return;
    event.preventDefault();
    this.go(address.pathname.replace(/^\/console\/?/, "") + address.search);
  };
}

export const router = new Router();
