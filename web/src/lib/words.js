// Plain words for the closed lists of the domain, for staff. A reason is never a reproach.

const REASONS = {
  no_media: "no media", frozen_video: "frozen picture", covered: "camera covered", too_dark: "too dark",
  audio_missing: "no microphone", audio_silent: "silent microphone", audio_gap: "sound lost", host_lost: "host lost",
  shard_lost: "shard lost", model_timeout: "model too slow", model_output_invalid: "model output invalid", gpu: "GPU fault",
  overload: "overload", state_store: "state store",
};

/** A coverage state in a few words, for staff. */
export function coverageWords(state, reason) {
  return reason ? `${state}: ${REASONS[reason] ?? reason}` : state;
}

/** A snake_case name as words. */
export function plain(name) {
  return name.replaceAll("_", " ");
}

const UNITS = { s: " s", ms: " ms", deg: "°", dbfs: " dBFS", hz: " Hz", px: " px" };

/** A named figure with its unit, as the name says it: `yaw_from_base_deg` -> `yaw from base -20.9°`. */
export function figureWords(name, value) {
  const parts = name.split("_");
  const unit = UNITS[parts.at(-1)];
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 1 ? 1 : 3;
  return `${(unit ? parts.slice(0, -1) : parts).join(" ")} ${Number(value.toFixed(digits))}${unit ?? ""}`;
}

export const SEVERITIES = ["info", "low", "medium", "high"];

/** What a category means to whoever reads the alert. */
export const CATEGORY_NOTES = {
  conduct: "Conduct",
  identity: "Identity",
  coverage: "Coverage: nobody is accused",
  integrity: "About the pictures: a fact to look into",
};
