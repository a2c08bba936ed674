"""All parts of the accuracy command, in order; what cannot be measured is told and left empty."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date

from bench.accuracy import detection, gaze, head_pose, liveness, speakers, verification, voice
from bench.accuracy.figures import Figure, Report, Wanted, missing
from bench.accuracy.media import Media
from proctor.identity.matching import MatchCalibration
from proctor.ports.world import Perception

Say = Callable[[str], None]

COST = "cost_cpu_ms"
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
    only: Collection[str] = (),
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
        only: Only these parts (the keys of `TASKS`, and `cost_cpu_ms`); all when empty.
        say: Told of each step.
    """
    off = {task: "the pack has no model for this" for task, name in models.items() if name is None}
    why = {**off, **missing_models}
    figures: list[Figure] = []
    people = media.people()

    parts: list[tuple[str, str, Sequence[Wanted], Callable[[], Awaitable[list[Figure]]]]] = [
        (
            "verification",
            "who it is",
            verification.WANTED,
            lambda: verification.measure_verification(
                perception, media, people, calibration, most_people
            ),
        ),
        (
            "detection",
            "faces found",
            detection.WANTED,
            lambda: detection.measure_detection(perception, media, people),
        ),
        (
            "head_pose",
            "where heads point",
            head_pose.WANTED,
            lambda: head_pose.measure_head_pose(perception, media),
        ),
        ("gaze", "where eyes look", gaze.WANTED, lambda: gaze.measure_gaze(perception, media)),
        ("vad", "speech", voice.WANTED, lambda: voice.measure_voice(perception, media)),
        (
            "speakers",
            "voices",
            speakers.WANTED,
            lambda: speakers.measure_speakers(perception, media),
        ),
        (
            "liveness",
            "in the flesh",
            liveness.WANTED,
            lambda: liveness.measure_liveness(perception, media),
        ),
    ]
    for part, step, wanted, measure in parts:
        if only and part not in only:
            continue
        say(step)
        reason = next((why[task] for task in TASKS[part] if task in why), None)
        figures += missing(wanted, reason) if reason else await measure()
    if not only or COST in only:
        say("cost")
        figures += costs()
    return Report(
        pack=pack,
        models=dict(models),
        conditions=conditions,
        day=day,
        figures=figures,
        remarks=list(dict.fromkeys(media.remarks)),
    )
