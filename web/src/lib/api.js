// Calls to the HTTP API. Failures arrive as `ApiProblem` with the stable code of the RFC 9457 answer.

export class ApiProblem extends Error {
  constructor(status, code, detail, retryAfterS = null) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }

  /** Whether the same call may work later. */
  get retryable() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // a proxy's page or nothing at all: the status has to do
  }
  const code = told.code || `http/${response.status}`;
  const retryAfter = Number(response.headers.get("Retry-After"));
  const detail = told.detail || told.title || `The server answered ${response.status}.`;
  return new ApiProblem(response.status, code, detail, Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null);
}

/** One client per bearer token; `token` may be null for the public routes. */
export class Api {
  /** @param {string | null} token */
  constructor(token = null) {
    this.token = token;
  }

  /**
   * Raw response of a successful call; raises ApiProblem otherwise, also when nothing came within `withinMs`.
   * @param {string} method
   * @param {string} path
   * @param {{body?: BodyInit, headers?: Record<string, string>, keepalive?: boolean, withinMs?: number}} options
   */
  async send(method, path, { body = undefined, headers = {}, keepalive = false, withinMs = 30_000 } = {}) {
    const all = { Accept: "application/json", ...headers };
    if (this.token) all.Authorization = `Bearer ${this.token}`;
    let response;
    try {
      response = await fetch(path, {
        method, body, headers: all, keepalive, cache: "no-store", credentials: "omit", redirect: "error",
        signal: AbortSignal.timeout(withinMs),
      });
    } catch {
      throw new ApiProblem(0, "network/unreachable", "The server cannot be reached.");
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }

  /** GET a JSON answer. */
  async get(path) {
    return (await this.send("GET", path)).json();
  }

  /** POST a JSON body, get a JSON answer. `once` makes a repeated call harmless. */
  async post(path, value = {}, { once = false } = {}) {
    const headers = { "Content-Type": "application/json" };
    if (once) headers["Idempotency-Key"] = crypto.randomUUID();
    return (await this.send("POST", path, { body: JSON.stringify(value), headers })).json();
  }

  /** POST files as `images`. */
  async postImages(path, files) {
    const form = new FormData();
    for (const file of files) form.append("images", file);
    return (await this.send("POST", path, { body: form, headers: { "Idempotency-Key": crypto.randomUUID() } })).json();
  }
}

/** Read `#ticket=...` and wipe it from the address bar and the history at once. */
export function takeFragment() {
  const values = new URLSearchParams(window.location.hash.slice(1));
  if (window.location.hash) window.history.replaceState(null, "", window.location.pathname);
  return values;
}

/** What a token says about itself; for display only, the server is the one that decides. */
export function claimsOf(token) {
  try {
    const middle = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(middle), (char) => char.charCodeAt(0))));
  } catch {
    return {};
  }
}
