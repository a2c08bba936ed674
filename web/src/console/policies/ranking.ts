// What another policy would have changed, in sums. Pure.

import type { Reranked } from "../types";

export interface RuleChange { rule: string; before: number; after: number; added: number; removed: number }
export interface Changes { added: number; removed: number; moved: number; untouched: number; rules: RuleChange[] }

export function changesOf(sessions: readonly Reranked[]): Changes {
  const rules = new Map<string, RuleChange>();
  let moved = 0;
  let untouched = 0;
  for (const session of sessions) {
    const isMoved = session.place_before !== session.place_after;
    if (isMoved) moved += 1;
    if (!isMoved && Object.keys(session.rules).length === 0) untouched += 1;
    for (const [rule, [before, after]] of Object.entries(session.rules)) {
      const sum = rules.get(rule) ?? { rule, before: 0, after: 0, added: 0, removed: 0 };
      sum.before += before;
      sum.after += after;
      sum.added += Math.max(0, after - before);
      sum.removed += Math.max(0, before - after);
      rules.set(rule, sum);
    }
  }
  const sorted = [...rules.values()].sort((one, other) => other.added + other.removed - (one.added + one.removed) || one.rule.localeCompare(other.rule));
  return {
    added: sorted.reduce((sum, one) => sum + one.added, 0), removed: sorted.reduce((sum, one) => sum + one.removed, 0), moved, untouched, rules: sorted,
  };
}
