// What the desk remembers: alerts by incident, the newest change first, and which of them a filter lets through.

import { SEVERITIES } from "$lib/words.js";

const KEEP = 400;

/** Whether nothing goes on any more: it was closed, whatever was told of it since, or it is a count of weak alerts. */
export function isOver({ history, latest: { alert } }) {
  const isCount = alert.transition === "updated" && alert.signals.length === 0;
  return isCount || history.some((item) => item.alert.transition === "closed");
}

export class Incidents {
  constructor() {
    this.byId = new Map();
  }

  /** Take a feed item. Says whether it was news; a repeated one is not. */
  take({ position, alert }, receivedAtMs, isLive) {
    const found = this.byId.get(alert.incident_id) ?? { id: alert.incident_id, history: [], latest: null };
    if (found.history.some((item) => item.alert.alert_id === alert.alert_id)) return false;
    found.history.push({ position, alert, receivedAtMs, isLive });
    found.latest = found.history.at(-1);
    this.byId.delete(alert.incident_id);    // a Map keeps insertion order: the newest change goes last
    this.byId.set(alert.incident_id, found);
    while (this.byId.size > KEEP) this.byId.delete(this.byId.keys().next().value);
    return true;
  }

  /** Incidents that pass, the newest change first. */
  matching({ session, severity, category, openOnly }) {
    const least = SEVERITIES.indexOf(severity || "info");
    return [...this.byId.values()].reverse().filter((incident) => {
      const { alert } = incident.latest;
      return (!session || alert.session_id === session)
        && SEVERITIES.indexOf(alert.severity) >= least
        && (!category || alert.category === category)
        && (!openOnly || !isOver(incident));
    });
  }
}
