// Who is signed in, by what, and what they may see. The token lives in this tab only.

import { Api, claimsOf, takeFragment } from "$lib/api.js";
import { Calls } from "./calls";

const KEPT = "proctor.staff";

export type Role = "admin" | "service" | "proctor" | "reviewer" | "analyst";
export type View = "live" | "queue" | "incidents" | "policies" | "admin" | "setup";

const VIEWS: Record<Role, View[]> = {
  admin: ["live", "queue", "incidents", "policies", "admin", "setup"],
  service: ["live", "queue", "incidents", "policies", "admin", "setup"],
  reviewer: ["queue", "live", "incidents", "policies"],
  proctor: ["live", "policies"],
  analyst: ["policies"],
};

class Desk {
  calls = $state.raw<Calls | null>(null);
  role = $state<Role>("analyst");
  subject = $state("");
  tenant = $state("");
  notice = $state<string | null>(null);
  isReady = $state(false);

  get views(): View[] {
    return VIEWS[this.role] ?? [];
  }

  may(...roles: Role[]): boolean {
    return roles.includes(this.role);
  }

  /** Sign in by the ticket in the fragment, else by the token that this tab holds. */
  async begin(): Promise<void> {
    const ticket = takeFragment().get("ticket");
    if (ticket) {
      try {
        this.signIn((await new Api().post("/v1/sign-in", { ticket })).token);
      } catch (problem) {
        this.notice = (problem as { retryable?: boolean }).retryable ? "door.unreachable" : "door.stale";
      }
    }
    const kept = sessionStorage.getItem(KEPT);
    if (!this.calls && kept) this.signIn(kept);
    this.isReady = true;
  }

  signIn(token: string): void {
    const claims = claimsOf(token) as { role?: Role; sub?: string; tenant?: string };
    sessionStorage.setItem(KEPT, token);
    this.role = claims.role && claims.role in VIEWS ? claims.role : "analyst";
    this.subject = claims.sub ?? "";
    this.tenant = claims.tenant ?? "";
    this.notice = null;
    this.calls = new Calls(new Api(token), () => this.signOut("door.refused"));
  }

  signOut(notice: string | null = null): void {
    const api = this.calls?.api;
    this.calls = null;
    this.notice = notice;
    sessionStorage.removeItem(KEPT);
    if (!notice) api?.send("POST", "/v1/sign-out").catch(() => {});   // the token is forgotten here in any case
  }
}

export const desk = new Desk();
