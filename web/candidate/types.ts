// What the server tells the page, as far as the page reads it.

/** The path of an address that the server gave: we always speak to where the page came from. */
export function pathOf(url: string): string {
  return new URL(url, window.location.href).pathname;
}

export interface Media { width: number; height: number; fps: number; max_kbps: number }
export interface Joined {
  token: string;
  session_id: string;
  candidate_id: string;
  whip_url: string;
  ice_servers?: RTCIceServer[];
  media?: Media;
  exam?: { title?: string; retention_days?: number };
  agreed: boolean;
}
export type Choice = "agreed" | "without_biometrics" | "declined";
export type Scope = "face" | "voice";
export interface Notice {
  version: string;
  locale: string;
  title: string;
  lead: string;
  sections: { name: string; heading: string; items: string[] }[];
  scopes: Scope[];
  sha256: string;
}
export interface Break { start_ms: number; end_ms: number | null }
export interface Own {
  state: "created" | "live" | "ended";
  exam_title: string;
  answer: { choice: Choice; scopes: Scope[] } | null;
  is_enrolled: boolean;
  can_enrol: boolean;
  challenge: boolean;
  accommodations: string[];
  breaks: Break[];
  now_ms: number | null;
}
export interface Trial {
  camera: string[];
  microphone: string[];
  seen: {
    pictures: number; width_px: number; height_px: number; wants_sound: boolean;
    voiced_ms: number; loudest_dbfs: number | null;
  };
}
export interface Preflight extends Trial {
  network: string[];
  told: { loss: number | null; rtt_ms: number | null; browser: string };
  is_good: boolean;
}
export interface Cover { state: "monitored" | "degraded" | "blind"; reason: string | null }
