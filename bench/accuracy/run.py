"""All parts of the accuracy command, in order; what cannot be measured is told and left empty."""

from collections.abc import Callable, Mapping
from datetime import date

from bench.accuracy import detection, gaze, head_pose, liveness, speakers, verification, voice
from bench.accuracy.figures import Figure, Report, missing
from bench.accuracy.media import Media
from proctor.identity.matching import MatchCalibration
from proctor.ports.world import Perception

Say = Callable[[str], None]

TASKS = {
    "verification": ("face_detection", "face_embedding"),
    "detection": ("face_detection",),
    "head_pose": ("face_detection", "head_pose"),
    "gaze": ("face_detection", "gaze"),
    "vad": ("voice",),
    "speakers": ("speakers",),
    "liveness": ("face_detection", "liveness"),
}
"""What a part rests on: where one of them is missing, nothing is measured."""


async def run_accuracy(
    perception: Perception,
    media: Media,
    *,
    pack: str,
    models: Mapping[str, str | None],
    missing_models: Mapping[str, str],
    calibration: MatchCalibration | None,
    costs: Callable[[], list[Figure]],
    conditions: str,
    day: date,
    most_people: int | None = None,
    say: Say = lambda _step: None,
) -> Report:
    """Measure everything that the folder has labels for.

    Args:
        perception: The pack's models; the default pack's instead of those that are missing.
        media: The folder.
        pack: Its name.
        models: Task -> what was chosen, None for off.
        missing_models: Task -> why the chosen model could not be loaded.
        calibration: Of the embedding model; None when it has none yet.
        costs: Measures the cost of each model.
        conditions: Machine and threads, for people.
        day: Today.
        most_people: Only so many people of images/lfw.
        say: Told of each step.
    """
    off = {task: "the pack has no model for this" for task, name in models.items() if name is None}
    why = {**off, **missing_models}
    figures: list[Figure] = []
    people = media.people()

    def absent(part: str) -> str | None:
        return next((why[task] for task in TASKS[part] if task in why), None)

    say("who it is")
    reason = absent("verification")
    figures += (
        missing(verification.WANTED, reason)
        if reason
        else await verification.measure_verification(
            perception, media, people, calibration, most_people
        )
    )
    say("faces found")
    reason = absent("detection")
    figures += (
        missing(detection.WANTED, reason)
        if reason
        else await detection.measure_detection(perception, media, people)
    )
    for part, wanted, measure, step in (
        ("head_pose", head_pose.WANTED, head_pose.measure_head_pose, "where heads point"),
        ("gaze", gaze.WANTED, gaze.measure_gaze, "where eyes look"),
        ("vad", voice.WANTED, voice.measure_voice, "speech"),
        ("speakers", speakers.WANTED, speakers.measure_speakers, "voices"),
        ("liveness", liveness.WANTED, liveness.measure_liveness, "in the flesh"),
    ):
        say(step)
        reason = absent(part)
        figures += missing(wanted, reason) if reason else await measure(perception, media)
    say("cost")
    figures += costs()
    return Report(
        pack=pack,
        models=dict(models),
        conditions=conditions,
        day=day,
        figures=figures,
        remarks=list(dict.fromkeys([*missing_models.values(), *media.remarks])),
    )
