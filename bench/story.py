"""Stories: what happens when, and which alerts a proctor must hear of it."""

from bench.candidate.pictures import Pictures
from bench.candidate.scenes import Expected, Scene, Script
from bench.candidate.sounds import QuietRoom, Sound, Spoken
from bench.cast import Cast
from proctor.fusion.policy import Policy

DELIVERY_S = 4.0
"""An alert later than its dwell and this is counted as missing."""

STILL_LIPS = frozenset({"voice_without_lips"})
"""The recording is played beside pictures of somebody who does not speak: to say so is right."""

LOADED_DELIVERY_S = 60.0
"""The load generator measures the delay instead of judging it: late is late, not missing."""


def dwell_s(policy: Policy, rule_id: str) -> float:
    """How long a behaviour must last under this policy before its alert is due.

    The larger of what the sensor and the rule ask; for counted readings the least time that they
    take at the policy's attentive rate, from the first reading on.

    Raises:
        KeyError: The policy has no such rule.
    """
    rule = {rule.id: rule for rule in policy.rules}[rule_id]
    sensing, sampling = policy.sensing, policy.sampling
    sensor_ms = {
        "no_face": sensing.no_face.dwell_ms,
        "several_faces": (sensing.several_faces.needed - 1) / sampling.face_attentive_hz * 1000,
        "different_person": (sensing.identity.readings - 1) / sampling.face_attentive_hz * 1000,
        "looking_away": sensing.gaze.dwell_ms,
        "head_turned": sensing.head.dwell_ms,
        "body_missing": sensing.body.dwell_ms,
        "speech": sensing.voice.voiced_ms,
        "camera_covered": sensing.picture.covered_dwell_ms,
        "video_frozen": sensing.picture.frozen_after_ms,
    }.get(rule_id, 0)
    return max(sensor_ms, rule.for_ms) / 1000


class _Writer:
    """Adds scene after scene."""

    def __init__(self, policy: Policy) -> None:
        self.scenes: list[Scene] = []
        self.now_s = 0.0
        self._policy = policy

    def add(
        self,
        name: str,
        lasts_s: float,
        picture: Pictures,
        sound: Sound,
        expects: tuple[str, ...] = (),
        may: frozenset[str] = frozenset(),
        patience_s: float = DELIVERY_S,
    ) -> None:
        """Append a scene; each rule in `expects` must open within its dwell and `patience_s`."""
        due = []
        for rule in expects:
            dwell = dwell_s(self._policy, rule)
            due.append(Expected(rule_id=rule, within_s=dwell + patience_s, dwell_s=dwell))
        self.scenes.append(
            Scene(
                name=name,
                start_s=self.now_s,
                picture=picture,
                sound=sound,
                expects=tuple(due),
                may=may,
            )
        )
        self.now_s += lasts_s


def write_story(cast: Cast, policy: Policy) -> Script:
    """About 80 s: calm, (looks aside), leaves, two people, (another person), covered, speech, calm."""
    quiet = QuietRoom(1)
    story = _Writer(policy)
    story.add("sits the exam", 9, cast.calm, quiet)
    if cast.aside is not None:
        story.add("looks aside", 4, cast.aside, quiet, ("looking_away",))
        story.add("looks back", 4, cast.calm, quiet)
    story.add("leaves the room", 7, cast.room, quiet, ("no_face",))
    story.add("comes back with somebody beside", 9, cast.beside, quiet, ("several_faces",))
    if cast.other is not None:
        # Another person's head points elsewhere than the candidate's usual direction; to say so is right.
        elsewhere = frozenset({"looking_away", "head_turned", "body_missing"})
        story.add(
            "is replaced by another person",
            15,
            cast.other,
            quiet,
            ("different_person",),
            elsewhere,
            12,
        )
    story.add("is back alone", 7, cast.calm, quiet)
    story.add("covers the camera", 7, cast.covered, quiet, ("camera_covered",))
    story.add("uncovers it", 5, cast.calm, quiet)
    said = Spoken(cast.speech, seed=1)
    story.add("speaks", min(10.0, said.length_s), cast.calm, said, ("speech",), STILL_LIPS)
    story.add("is quiet again", 5, cast.calm, quiet)
    return Script(story.scenes, story.now_s)
