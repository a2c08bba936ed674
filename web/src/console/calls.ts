// Every call that the console makes, in one place. A refused token ends the sign-in, whoever asked.

import { ApiProblem, type Api } from "$lib/api.js";
import type {
  Alert, Appeal, Decisions, Delivery, EvidenceLink, Exam, FeedItem, IncidentEvidence, IncidentLine, IncidentView, IncidentWhole, Kept, Overview,
  Page, Policies, Policy, PolicyCheck, RulePrecision, SessionCard, SessionView, Statement, Timeline, WhatIf,
} from "./types";

export type Params = Record<string, string | number | boolean | null | undefined>;

const id = encodeURIComponent;

/** `/path?a=1`, without what is empty. */
export function withParams(path: string, params: Params): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
  }
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}

export class Calls {
  constructor(readonly api: Api, private readonly onRefused: () => void) {}

  async #told<Answer>(work: Promise<Answer>): Promise<Answer> {
    try {
      return await work;
    } catch (problem) {
      if (problem instanceof ApiProblem && problem.status === 401) this.onRefused();
      throw problem;
    }
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#told(this.api.get(path) as Promise<Answer>);
  }

  post<Answer>(path: string, value: object, once = false): Promise<Answer> {
    return this.#told(this.api.post(path, value, { once }) as Promise<Answer>);
  }

  queue(params: Params): Promise<Page<SessionCard>> { return this.get(withParams("/v1/review/queue", params)); }
  /** Live sessions with what a grid shows; open to proctors as well, who see no counts. */
  live(cursor: string | null): Promise<Page<SessionCard>> {
    return this.get(withParams("/v1/sessions", { state: "live", fields: "candidate,exam,priority,coverage", limit: 100, cursor }));
  }

  incidents(params: Params): Promise<Page<IncidentLine>> { return this.get(withParams("/v1/incidents", params)); }
  incident(incidentId: string): Promise<IncidentWhole> { return this.get(`/v1/incidents/${id(incidentId)}`); }
  session(sessionId: string): Promise<SessionView> { return this.get(`/v1/sessions/${id(sessionId)}`); }
  timeline(sessionId: string): Promise<Timeline> { return this.get(`/v1/sessions/${id(sessionId)}/timeline`); }
  incidentsOf(sessionId: string): Promise<{ items: IncidentView[] }> { return this.get(`/v1/sessions/${id(sessionId)}/incidents`); }
  breaksOf(sessionId: string): Promise<{ items: Timeline["breaks"] }> { return this.get(`/v1/sessions/${id(sessionId)}/breaks`); }
  candidate(candidateId: string): Promise<{ external_ref: string }> { return this.get(`/v1/candidates/${id(candidateId)}`); }
  exam(examId: string): Promise<Exam> { return this.get(`/v1/exams/${id(examId)}`); }
  retention(): Promise<{ kept: Kept[]; exams: { days: number; exams: number }[] }> { return this.get("/v1/retention"); }
  evidence(incidentId: string): Promise<IncidentEvidence> { return this.get(`/v1/incidents/${id(incidentId)}/evidence`); }
  deliveries(alertId: string): Promise<{ items: Delivery[] }> { return this.get(`/v1/alerts/${id(alertId)}/deliveries`); }
  decisions(sessionId: string): Promise<Decisions> { return this.get(`/v1/sessions/${id(sessionId)}/decision`); }
  statements(sessionId: string): Promise<{ items: Statement[] }> { return this.get(`/v1/sessions/${id(sessionId)}/statements`); }
  appeal(sessionId: string): Promise<Appeal> { return this.get(`/v1/sessions/${id(sessionId)}/appeal`); }
  policies(cursor: string | null = null): Promise<Policies> { return this.get(withParams("/v1/policies", { cursor, limit: 100 })); }
  policy(policyId: string): Promise<Policy> { return this.get(`/v1/policies/${id(policyId)}`); }
  policyVersion(policyId: string, version: number): Promise<Policy> { return this.get(`/v1/policies/${id(policyId)}/versions/${version}`); }
  overview(): Promise<Overview> { return this.get("/v1/admin/overview"); }
  rules(): Promise<{ items: RulePrecision[]; added_by_people: number }> { return this.get("/v1/admin/rules"); }
  whatIf(whatIfId: string): Promise<WhatIf> { return this.get(`/v1/policies/what-if/${id(whatIfId)}`); }

  /** Every exam of the tenant, up to `most`. */
  async exams(most = 500): Promise<Exam[]> {
    const found: Exam[] = [];
    let cursor: string | null = null;
    do {
      const page: Page<Exam> = await this.get(withParams("/v1/exams", { cursor, limit: 100 }));
      found.push(...page.items);
      cursor = page.next;
    } while (cursor && found.length < most);
    return found;
  }

  /** Alerts of one session in order, all of them. */
  async alerts(sessionId: string): Promise<Alert[]> {
    const found: Alert[] = [];
    let after = 0;
    for (;;) {
      const page: { items: FeedItem[]; next: number } = await this.get(withParams("/v1/alerts", { session_id: sessionId, after, limit: 200 }));
      found.push(...page.items.map((item) => item.alert));
      if (page.items.length === 0) return found;
      after = page.next;
    }
  }

  verdict(incidentId: string, verdict: "confirm" | "dismiss", reason: string): Promise<unknown> {
    return this.post(`/v1/incidents/${id(incidentId)}/verdict`, { verdict, reason }, true);
  }

  addIncident(sessionId: string, made: object): Promise<IncidentLine> {
    return this.post(`/v1/sessions/${id(sessionId)}/incidents`, made, true);
  }

  addStatement(sessionId: string, text: string, incidentId: string | null): Promise<Statement> {
    return this.post(`/v1/sessions/${id(sessionId)}/statements`, { text, incident_id: incidentId }, true);
  }

  /** `version` is the one that was on the screen, 0 for none; a problem of status 412 says that another came between. */
  decide(sessionId: string, version: number, word: string, notes: string): Promise<Decisions> {
    return this.#told(this.api.send("PUT", `/v1/sessions/${id(sessionId)}/decision`, {
      body: JSON.stringify({ word, notes }),
      headers: { "Content-Type": "application/json", "If-Match": `"${version}"` },
    }).then((answer) => answer.json() as Promise<Decisions>));
  }

  /** A link of a few minutes to one piece of evidence; the reason is kept with who looked. */
  async evidenceLink(evidenceId: string, reason: string): Promise<EvidenceLink> {
    const link = await this.post<EvidenceLink>(`/v1/evidence/${id(evidenceId)}/links`, { reason });
    const { pathname, search } = new URL(link.url, window.location.href);    // by the way that this page came
    return { ...link, url: pathname + search };
  }

  /** Everything that is kept of a session in one file that proves itself. */
  async exportOf(sessionId: string, withEvidence: boolean): Promise<Blob> {
    const path = withParams(`/v1/sessions/${id(sessionId)}/export`, { evidence: withEvidence ? "sealed" : "none" });
    return (await this.#told(this.api.send("POST", path, { withinMs: 300_000 }))).blob();
  }

  checkPolicy(text: string): Promise<PolicyCheck> { return this.post("/v1/policies/check", { text }); }
  storePolicy(text: string, tests: string[]): Promise<Policy> { return this.post("/v1/policies", { text, tests }, true); }
  retirePolicy(policyId: string): Promise<Policy> { return this.post(`/v1/policies/${id(policyId)}/retire`, {}); }
  tryPolicy(text: string, examId: string): Promise<WhatIf> { return this.post("/v1/policies/what-if", { text, exam_id: examId }); }

  deadLetters(sinkId: string, after: number): Promise<{ items: Delivery[]; next: number | null }> {
    return this.get(withParams(`/v1/sinks/${id(sinkId)}/dead-letters`, { after, limit: 50 }));
  }

  replay(sinkId: string, which: object): Promise<{ replayed: number }> {
    return this.post(`/v1/sinks/${id(sinkId)}/dead-letters/replay`, which);
  }
}
