// Enrolment over the API: a challenge is asked for, its pictures are sent, and refusals become reasons.

import { type Api, ApiProblem } from "$lib/api.js";

export interface Challenge { challenge: string; steps: string[]; expires_at: string; most_pictures_per_step: number }

/** What came of a try. `reasons` are of the whole, `steps` of each part, `waitS` when no try is left now. */
export type Outcome =
  | { kind: "enrolled" }
  | { kind: "refused"; reasons: string[]; steps: string[][] }
  | { kind: "wait"; waitS: number };

/** Movements in a random order, good for one try within three minutes. Raises ApiProblem. */
export async function askChallenge(api: Api, candidateId: string): Promise<Challenge> {
  return await api.post(`/v1/candidates/${candidateId}/challenges`) as Challenge;
}

/** Send the pictures: straight ahead, and of each movement in the order asked. Raises ApiProblem. */
export async function enrol(
  api: Api, candidateId: string, ahead: Blob[], challenge: Challenge | null, steps: Blob[][],
): Promise<Outcome> {
  const form = new FormData();
  for (const picture of ahead) form.append("images", picture, "ahead.jpg");
  if (challenge) form.append("challenge", challenge.challenge);
  steps.forEach((pictures, at) => {
    for (const picture of pictures) form.append(`step_${at + 1}`, picture, "step.jpg");
  });
  try {
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    await api.send("POST", `/v1/candidates/${candidateId}/enrolments`, { body: form, headers });
    return { kind: "enrolled" };
  } catch (problem) {
    return outcomeOf(problem);
  }
}

/** A refusal as an outcome; what is no refusal is raised again. */
export function outcomeOf(problem: unknown): Outcome {
  if (!(problem instanceof ApiProblem)) throw problem;
  if (problem.status === 429) return { kind: "wait", waitS: problem.retryAfterS ?? 60 };
  if (problem.code === "resource/conflict") return { kind: "enrolled" };   // by an answer that was lost on its way
  const told = problem.told as { reasons?: string[]; steps?: string[][] };
  if (problem.status !== 422 || !told.reasons) throw problem;
  return { kind: "refused", reasons: told.reasons, steps: told.steps ?? [] };
}
