// What a failed call means to the person before the screen.

import { ApiProblem } from "$lib/api.js";
import { t, words } from "./words.svelte";

/** One sentence in the reader's language where we have one, else the server's own. */
export function problemWords(problem: unknown): string {
  if (!(problem instanceof ApiProblem)) return t("problem.ours");
  if (problem.status === 0) return t("problem.unreachable");
  if (problem.status === 429) return t("problem.busy", { seconds: Math.ceil(problem.retryAfterS ?? 5) });
  const key = `problem.${problem.status}`;
  if (words.has(key) && (problem.status >= 500 || problem.status === 403 || problem.status === 412)) return t(key);
  return problem.message;
}
