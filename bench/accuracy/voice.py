"""Is speech told as speech? Chunk by chunk, as a session decides (proctor/services/host/voiced.py)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bench.accuracy.calibration import SPEECH_PRIOR, error_at_prior
from bench.accuracy.figures import Figure, Wanted, missing
from bench.accuracy.media import Media, Recording, read_sound
from bench.accuracy.statistics import Floats, bootstrap
from proctor.domain.media import AUDIO_RATE_HZ
from proctor.domain.perception import SpeechAnswer, SpeechAsk
from proctor.ports.world import Perception
from proctor.services.host.sound import CHUNK
from proctor.services.host.voiced import Hangover

WANTED: tuple[Wanted, ...] = (
    ("vad.precision", "of what is told as speech, speech", "share"),
    ("vad.recall", "of speech, told", "share"),
    ("vad.f1", "F1", "share"),
    (
        "vad.calibration_error",
        "expected calibration error of a chunk's probability, 4 % speech",
        "share",
    ),
)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One recording, chunk by chunk.

    Attributes:
        probability: The detector's.
        told: Whether the product calls it speech.
        true: Whether the middle of the chunk lies in a labelled turn.
    """

    probability: Floats
    told: npt.NDArray[np.bool_]
    true: npt.NDArray[np.bool_]


class Listener(Protocol):
    """The part of the perception port that is asked here."""

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Probabilities of each chunk."""
        ...


async def hear(perception: Listener, media: Media) -> list[Heard]:
    """Every labelled recording of a folder."""
    found = []
    for recording in media.recordings():
        try:
            sound = read_sound(recording.sound)
        except ValueError as error:
            media.remarks.append(str(error))
            continue
        chunks = len(sound) // CHUNK
        (answer,) = await perception.speech([SpeechAsk(samples=sound[: chunks * CHUNK])])
        if answer.fault is not None or not chunks:
            media.remarks.append(f"{recording.sound.name}: the detector gave no answer")
            continue
        found.append(
            Heard(
                np.array(answer.probabilities),
                np.array(Hangover().decide(answer.probabilities), bool),
                speech_of(recording, chunks),
            )
        )
    return found


def speech_of(recording: Recording, chunks: int) -> npt.NDArray[np.bool_]:
    """Which chunks of 32 ms have their middle in a labelled turn."""
    middle_s = (np.arange(chunks) + 0.5) * CHUNK / AUDIO_RATE_HZ
    true = np.zeros(chunks, bool)
    for turn in recording.turns:
        true |= (middle_s >= turn.start_s) & (middle_s < turn.end_s)
    return true


async def measure_voice(perception: Perception, media: Media) -> list[Figure]:
    """All figures of this part."""
    heard = await hear(perception, media)
    if not heard:
        return missing(WANTED, "no labelled recordings")
    counts = np.array([_counts(each) for each in heard], np.float64)
    seconds = sum(len(each.true) for each in heard) * CHUNK / AUDIO_RATE_HZ
    basis = f"{len(heard)} recordings, {seconds:.0f} s; recordings drawn again"

    def f1(weights: Floats) -> float:
        right, false, missed = weights @ counts
        return float(2 * right / (2 * right + false + missed)) if right else math.nan

    def error(weights: Floats) -> float:
        some = [each for each, often in zip(heard, weights, strict=True) for _ in range(int(often))]
        return error_at_prior(
            np.concatenate([each.probability for each in some]),
            np.concatenate([each.true for each in some]),
            SPEECH_PRIOR,
        )

    values = {
        "vad.precision": bootstrap(len(heard), lambda w: _ratio(w @ counts, 0, (0, 1))),
        "vad.recall": bootstrap(len(heard), lambda w: _ratio(w @ counts, 0, (0, 2))),
        "vad.f1": bootstrap(len(heard), f1),
        "vad.calibration_error": bootstrap(len(heard), error),
    }
    return [
        Figure(key=key, label=label, unit=unit, found=values[key], basis=basis)
        for key, label, unit in WANTED
    ]


def _counts(heard: Heard) -> tuple[int, int, int]:
    """Chunks told right, told falsely, missed."""
    return (
        int((heard.told & heard.true).sum()),
        int((heard.told & ~heard.true).sum()),
        int((~heard.told & heard.true).sum()),
    )


def _ratio(summed: Floats, top: int, under: Sequence[int]) -> float:
    all_of = float(summed[list(under)].sum())
    return float(summed[top]) / all_of if all_of else math.nan
