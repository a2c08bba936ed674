// What is the case at a moment of a session. Pure.

import type { EvidencePiece, Stretch, Timeline, TimelineIncident } from "../types";

export function stretchAt(stretches: readonly Stretch[], ms: number, lengthMs: number): Stretch | null {
  return stretches.find((one) => one.start_ms <= ms && ms < (one.end_ms ?? lengthMs + 1)) ?? null;
}

export function incidentsAt(timeline: Timeline, ms: number): TimelineIncident[] {
  return timeline.incidents.filter((one) => one.opened_ms <= ms && ms <= (one.closed_ms ?? timeline.length_ms));
}

/** The piece to show at a moment: a clip that holds it (if clips are wanted), else the picture nearest in time. */
export function pieceAt(pieces: readonly EvidencePiece[], ms: number, withClip = true): EvidencePiece | null {
  const clip = withClip ? pieces.find((piece) => piece.kind === "clip" && piece.start_ms <= ms && ms <= piece.end_ms) : undefined;
  if (clip) return clip;
  const away = (piece: EvidencePiece) => (ms < piece.start_ms ? piece.start_ms - ms : Math.max(0, ms - piece.end_ms));
  const pictures = pieces.filter((piece) => piece.kind !== "clip");
  const nearest = pictures.reduce<EvidencePiece | null>((best, piece) => (best === null || away(piece) < away(best) ? piece : best), null);
  return nearest ?? pieces[0] ?? null;
}

/** The judged picture first, then what is around it in order of time, then the clip. */
export function inOrder(pieces: readonly EvidencePiece[]): EvidencePiece[] {
  return [...pieces].sort((one, other) => Number(one.kind === "clip") - Number(other.kind === "clip") || one.start_ms - other.start_ms);
}

/** `1:02.5`, `62.5` or `0:01:02` to ms; null for what is no moment. */
export function momentOf(text: string): number | null {
  const parts = text.trim().split(":");
  if (parts.length > 3 || parts.some((part, index) => !(index === parts.length - 1 ? /^\d+(\.\d{1,3})?$/ : /^\d+$/).test(part))) return null;
  return Math.round(parts.reduce((sum, part) => sum * 60 + Number(part), 0) * 1000);
}
