"""Composes the accuracy command: which models can be loaded, and the parts that measure them."""

import os
import platform
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.accuracy.cost import measure_cost
from bench.accuracy.figures import Figure, Report, Wanted, missing
from bench.accuracy.media import Media, read_sound
from bench.accuracy.run import run_accuracy
from deployments.probes import model_calls
from models.catalogue import Catalogue, match_calibration
from models.errors import FetchFailed, LicenceNotAccepted, ModelFileError, ModelFileMissing
from models.in_process import InProcessPerception
from models.manifest import Task
from models.readers import open_model
from models.selection import DEFAULT_PACK, TASKS, Selection, select
from models.sound.voice import VoiceModel
from models.sources import Progress, silent
from proctor.domain.perception import SpeechAnswer, SpeechAsk
from proctor.identity.matching import MatchCalibration

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Loadable:
    """A selection of which every model can be loaded.

    Attributes:
        selection: The chosen models; the default pack's instead of those that cannot be loaded.
        absent: Task -> why the chosen model cannot be, in a word or two.
        remarks: The same with what can be done about it, a line each.
    """

    selection: Selection
    absent: Mapping[str, str]
    remarks: tuple[str, ...]


def loadable(selection: Selection, catalogue: Catalogue, progress: Progress = silent) -> Loadable:
    """Fetch and open each model; those without weights are told and replaced or switched off.

    Raises:
        ModelFileError: The default pack cannot be had either.
    """
    chosen = dict(selection.chosen)
    fallback = select(DEFAULT_PACK, manifest=selection.manifest).chosen
    absent: dict[str, str] = {}
    remarks: list[str] = []
    for task in TASKS:
        model = selection.model(task)
        if model is None:
            continue
        try:
            catalogue.fetch(model.files, progress)
            open_model(selection, catalogue, task)
        except ModelFileError as error:
            name = chosen.pop(task)
            if fallback.get(task) == name:
                raise
            absent[task] = f"{_why(error)}: {name}"
            remarks.append(f"{_why(error)}: {error.detail}")
            if task in fallback:
                chosen[task] = fallback[task]
                catalogue.fetch(selection.manifest.models[fallback[task]].files, progress)
    return Loadable(Selection(selection.manifest, chosen), absent, tuple(remarks))


def _why(error: ModelFileError) -> str:
    if isinstance(error, LicenceNotAccepted):
        return "terms not accepted"
    missing_file = isinstance(error, FetchFailed | ModelFileMissing)
    return "no weights" if missing_file else "cannot be loaded"


def conditions(threads: int) -> str:
    """The machine in words: what a reader needs to compare."""
    cores = len(os.sched_getaffinity(0))
    model = next(
        (
            line.partition(":")[2].strip()
            for line in _lines(Path("/proc/cpuinfo"))
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    python = ".".join(str(part) for part in sys.version_info[:3])
    return f"{cores} cores of {model}, {threads} threads, CPU only, Python {python}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


async def measure_accuracy(
    folder: Path,
    catalogue: Catalogue,
    chosen: Loadable,
    selection: Selection,
    pack: str,
    day: date,
    *,
    people: int | None = None,
    only: Collection[str] = (),
    threads: int = 2,
    say: Say = lambda _step: None,
) -> Report:
    """Run every part of the command on a folder of media.

    Args:
        folder: Laid out as bench/accuracy/media.py says.
        catalogue: Where the weights are.
        chosen: What is loaded.
        selection: What was asked for.
        pack: Its name.
        day: Today.
        people: Only so many people of images/lfw.
        only: Only these parts; all when empty.
        threads: How many cores the models may use.
        say: Told of each step.
    """
    media = Media(folder, list(chosen.remarks))
    groups = frozenset(chosen.selection.groups())
    with InProcessPerception(
        catalogue.models_dir, groups, chosen.selection, threads=threads
    ) as perception:
        return await run_accuracy(
            perception,
            media,
            pack=pack,
            models={task: selection.chosen.get(task) for task in TASKS},
            missing_models=chosen.absent,
            calibration=_calibration(chosen, catalogue, media),
            costs=lambda: _costs(catalogue, chosen, selection, media),
            conditions=conditions(threads),
            day=day,
            most_people=people,
            only=only,
            say=say,
        )


def _calibration(chosen: Loadable, catalogue: Catalogue, media: Media) -> MatchCalibration | None:
    try:
        return match_calibration(chosen.selection, catalogue)[1]
    except ModelFileError as error:
        media.remarks.append(error.detail)
        return None


def _costs(
    catalogue: Catalogue, chosen: Loadable, selection: Selection, media: Media
) -> list[Figure]:
    """The cost of each model that was asked for; the catalogue's portrait and recording are read."""
    wanted: list[Wanted] = [
        (f"cost_cpu_ms.{name}", name, "ms") for name in selection.chosen.values()
    ]
    try:
        catalogue.fetch(["astronaut", "speech-sample"])
    except ModelFileError as error:
        media.remarks.append(error.detail)
        return missing(wanted, "no picture and recording to time them on")
    sound = read_sound(catalogue.path("speech-sample"))
    calls = model_calls(chosen.selection, catalogue, catalogue.read("astronaut"), sound)
    absent: dict[Task, str] = {task: chosen.absent[task] for task in TASKS if task in chosen.absent}
    asked = {name for task, name in selection.chosen.items() if task not in absent}
    figures = measure_cost({name: call for name, call in calls.items() if name in asked})
    for task, why in absent.items():
        name = selection.chosen[task]
        figures += missing([(f"cost_cpu_ms.{name}", name, "ms")], why)
    return figures


class RawVoice:
    """The voice detector with its score as the network gives it, for whoever fits its calibration."""

    def __init__(self, detector: VoiceModel) -> None:
        self._detector = detector

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """As the port's `speech`."""
        return self._detector.listen(asks)


def raw_voice(selection: Selection, catalogue: Catalogue) -> RawVoice:
    """The chosen detector without the manifest's calibration. Raises `ModelFileError`."""
    model = selection.model("voice")
    assert model is not None, "speech cannot be switched off"
    catalogue.fetch(model.files)
    return RawVoice(VoiceModel(catalogue, model.files, calibrated=False))
