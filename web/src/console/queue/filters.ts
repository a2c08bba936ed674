// What the queue is filtered by: the address of the page says it, and the API is asked for it. Pure.

export const QUEUE_FIELDS = ["exam", "state", "status", "severity", "rule", "category", "verdict", "least", "search"] as const;
export type QueueField = (typeof QUEUE_FIELDS)[number];
export type QueueFilters = Partial<Record<QueueField, string>>;

const CHOICES: Partial<Record<QueueField, readonly string[]>> = {
  state: ["created", "live", "ended"],
  status: ["open", "reviewed", "follow_up_needed", "cannot_tell"],
  severity: ["info", "low", "medium", "high"],
  category: ["conduct", "identity", "coverage", "integrity"],
  verdict: ["unreviewed", "confirmed", "dismissed"],
};

/** From the address. What is no value of ours is left out, so that an old or mistyped link still opens. */
export function fromQuery(query: URLSearchParams): QueueFilters {
  const found: QueueFilters = {};
  for (const field of QUEUE_FIELDS) {
    const value = query.get(field)?.trim();
    if (!value) continue;
    const choices = CHOICES[field];
    if (choices && !choices.includes(value)) continue;
    if (field === "least" && !(Number(value) > 0 && Number(value) <= 100)) continue;
    found[field] = value;
  }
  return found;
}

/** To the address; the same filters always give the same address. */
export function toQuery(filters: QueueFilters): URLSearchParams {
  const query = new URLSearchParams();
  for (const field of QUEUE_FIELDS) {
    const value = filters[field]?.trim();
    if (value) query.set(field, value);
  }
  return query;
}

/** What the API is asked for. `least` is a percentage here and a share there. */
export function toParams(filters: QueueFilters): Record<string, string | number | undefined> {
  return {
    exam_id: filters.exam,
    state: filters.state,
    status: filters.status,
    severity: filters.severity,
    rule_id: filters.rule,
    category: filters.category,
    verdict: filters.verdict,
    min_priority: filters.least ? Number(filters.least) / 100 : undefined,
    q: filters.search?.slice(0, 64),
  };
}

export function countOf(filters: QueueFilters): number {
  return QUEUE_FIELDS.filter((field) => filters[field]).length;
}
