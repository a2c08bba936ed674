// Plain words for the closed lists of the domain. A reason is never a reproach.

const OURS = ["The fault is on our side", "You need not do anything. This time is noted as our gap, not yours."];

/** What a candidate is told when a modality is not fully watched: [heading, advice]. */
const CANDIDATE = {
  video: {
    no_media: ["We cannot see you: no picture is arriving", "We are reconnecting by ourselves. If it lasts, check your network."],
    frozen_video: ["We cannot see you: the picture stands still", "Another program may have paused the camera. Close it, or unplug the camera and plug it in again."],
    covered: ["We cannot see you: the camera seems covered", "Check its shutter, and whatever may be in front of it."],
    too_dark: ["We can hardly see you: it is too dark", "A lamp in front of you helps."],
    host_lost: OURS, shard_lost: OURS, model_timeout: OURS, model_output_invalid: OURS, gpu: OURS, overload: OURS, state_store: OURS,
  },
  audio: {
    no_media: ["We cannot hear you: no sound is arriving", "We are reconnecting by ourselves. If it lasts, check your network."],
    audio_missing: ["We cannot hear you: no microphone is connected", "Check that it is plugged in and allowed for this page."],
    audio_silent: ["We cannot hear you: the microphone gives silence", "It may be muted by a switch or a key."],
    audio_gap: ["Some sound was lost on the way", "You need not do anything."],
    host_lost: OURS, shard_lost: OURS, model_timeout: OURS, model_output_invalid: OURS, gpu: OURS, overload: OURS, state_store: OURS,
  },
};
const WELL = {
  video: ["We can see you", "Sit as you like; short glances aside are normal."],
  audio: ["We can hear the room", "Only whether somebody speaks is analysed, not what is said."],
};
const WAITING = {
  video: ["Waiting for your picture", "This takes a few seconds."],
  audio: ["Waiting for your sound", "This takes a few seconds."],
};

/** [heading, advice] for a candidate. */
export function sightWords(modality, status) {
  if (!status) return WAITING[modality];
  if (status.state === "monitored") return WELL[modality];
  return CANDIDATE[modality][status.reason] ?? OURS;
}

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
