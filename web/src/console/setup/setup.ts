// An exam, a candidate and a session in one go: what somebody who tries the product, or runs a small exam, needs.

import { ApiProblem } from "$lib/api.js";
import type { Calls } from "../calls";
import type { Page } from "../types";

/** Said to the server with every consent recorded here: which text it was, by its digest. */
const NOTICE = "/candidate";

export interface Wish { exam: string; policy: string; days: number; candidate: string; hasConsent: boolean; pictures: File[] }

async function digestOfNotice(): Promise<string> {
  const text = await (await fetch(NOTICE, { cache: "no-store" })).arrayBuffer();
  const digest = await crypto.subtle.digest("SHA-256", text);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function candidateId(calls: Calls, reference: string): Promise<string> {
  try {
    return (await calls.post<{ candidate_id: string }>("/v1/candidates", { external_ref: reference }, true)).candidate_id;
  } catch (problem) {
    if (!(problem instanceof ApiProblem) || problem.status !== 409) throw problem;
  }
  let cursor: string | null = null;
  do {
    const page: Page<{ candidate_id: string; external_ref: string }> = await calls.get(`/v1/candidates?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
    const known = page.items.find((one) => one.external_ref === reference);
    if (known) return known.candidate_id;
    cursor = page.next;
  } while (cursor);
  throw new Error("the candidate exists and cannot be found");
}

/** Make all of it; the personal link. `step` is told what is being done. */
export async function makeSession(calls: Calls, wish: Wish, step: (name: string) => void): Promise<string> {
  step("exam");
  const exam = await calls.post<{ exam_id: string }>("/v1/exams", { title: wish.exam, policy: wish.policy, retention_days: wish.days }, true);
  step("candidate");
  const candidate = await candidateId(calls, wish.candidate);
  if (wish.hasConsent) {
    await calls.post(`/v1/candidates/${candidate}/consents`, { text_version: "1", text_sha256: await digestOfNotice(), locale: "en", method: "checkbox" }, true);
  }
  if (wish.pictures.length) {
    step("enrol");
    await calls.api.postImages(`/v1/candidates/${candidate}/enrolments`, wish.pictures);
  }
  step("session");
  const made = await calls.post<{ join_url: string }>("/v1/sessions", { exam_id: exam.exam_id, candidate_id: candidate }, true);
  return new URL(made.join_url, window.location.href).href;
}
