"""The named figures that each kind of signal carries, so that a policy's sentences can be checked."""

from proctor.domain.signals import SignalKind

LASTED = "lasted_s"
"""How long the behaviour has been seen, from its first reading to its last; every signal has it."""

LABELS = "labels"
"""What was seen, by name: the one thing besides figures that a sentence may tell."""

LABELLED = frozenset({SignalKind.OBJECT_SEEN})
"""The kinds of signals that carry labels."""

FIGURES: dict[SignalKind, frozenset[str]] = {
    SignalKind.NO_FACE: frozenset({LASTED}),
    SignalKind.SEVERAL_FACES: frozenset({LASTED, "faces"}),
    SignalKind.DIFFERENT_PERSON: frozenset({LASTED, "mean_probability", "readings"}),
    SignalKind.IDENTITY_UNVERIFIED: frozenset({LASTED, "seen_s"}),
    SignalKind.GAZE_AWAY: frozenset({LASTED, "yaw_from_base_deg"}),
    SignalKind.HEAD_TURNED: frozenset({LASTED, "yaw_from_base_deg", "unconfirmed_share"}),
    SignalKind.BODY_MISSING: frozenset({LASTED, "from_edge"}),
    SignalKind.SPEECH: frozenset({LASTED, "voiced_s", "level_dbfs"}),
    SignalKind.WHISPER: frozenset({LASTED, "spoken_s", "pitched_share", "level_dbfs"}),
    SignalKind.VOICE_WITHOUT_LIPS: frozenset({LASTED, "voiced_s", "pictures", "lips_moved"}),
    SignalKind.OTHER_VOICE: frozenset({LASTED, "windows", "mean_probability", "alone_s"}),
    SignalKind.SEVERAL_VOICES: frozenset({LASTED, "voices", "windows", "overlap_s"}),
    SignalKind.OBJECT_SEEN: frozenset({LASTED, "objects", "pictures"}),
    SignalKind.CAMERA_COVERED: frozenset({LASTED, "brightness", "contrast"}),
    SignalKind.VIDEO_FROZEN: frozenset({LASTED}),
    SignalKind.NOT_LIVE: frozenset({LASTED, "mean_probability", "readings"}),
    SignalKind.VIDEO_REPEATED: frozenset({LASTED, "repeated_s", "period_s"}),
    SignalKind.PICTURES_DOUBLED: frozenset({LASTED, "doubled_share"}),
    SignalKind.NO_CAMERA_NOISE: frozenset({LASTED, "noiseless_share"}),
    SignalKind.STEADY_BEAT: frozenset({LASTED, "steady_s", "interval_ms"}),
    SignalKind.SOURCE_CHANGED: frozenset(
        {LASTED, "width_before_px", "height_before_px", "width_px", "height_px", "codec_changed"}
    ),
}
