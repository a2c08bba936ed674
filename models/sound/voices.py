"""Stretches of speech and the voices in them: what the readers of speakers have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.catalogue import Catalogue
from models.sound.clustering import group
from models.sound.mel import HOP
from models.sound.speaker_embedding import (
    PARTIAL,
    Floats,
    SpeakerEmbedder,
    at_level,
    mean_voice,
)
from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.domain.observations import Producer
from proctor.domain.perception import Fault, HeardVoice, SpeakersAnswer, SpeakerTurn

PIECE_STEP = 40 * HOP
"""Pieces every 0.4 s: at Resemblyzer's 0.77 s a turn of two seconds has too few to be found."""

SHORTEST_S = 0.5
LONGEST_S = 10.0
SILENT_PEAK = 2 / 32_768
"""The last two steps of 16-bit sound: a microphone that is off or muted (as the host's watchdog)."""


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Samples `start` to `end` of a window."""

    start: int
    end: int

    @property
    def length(self) -> int:
        """In samples."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class VoiceLimits:
    """When two pieces are one voice (from the manifest, `thresholds` of the speaker embedding).

    Attributes:
        same_voice: Mean cosine from which on pieces of one window are one voice.
        least_pieces: A voice of fewer pieces (0.4 s apart) is not counted.
        embedding_s: A voice heard alone for less gets no embedding.
    """

    same_voice: float
    least_pieces: int
    embedding_s: float

    @classmethod
    def of(cls, catalogue: Catalogue, file: str) -> "VoiceLimits":
        """As the manifest states them. Raises `ModelFileError` when it does not."""
        return cls(
            same_voice=catalogue.threshold(file, "same_voice"),
            least_pieces=int(catalogue.threshold(file, "least_pieces")),
            embedding_s=catalogue.threshold(file, "embedding_s"),
        )


@dataclass(slots=True)
class Voice:
    """One voice while a window is read.

    Attributes:
        alone: Where it is heard with no other, in order.
        vectors: Of the pieces that are it.
        together: Where it is heard with others, in order.
    """

    alone: list[Stretch]
    vectors: Floats
    together: list[Stretch] = field(default_factory=list)


def fault_of(samples: Samples, longest_s: float = LONGEST_S) -> Fault | None:
    """Why sound cannot be used: not (n,) finite numbers, too short, too long, or silent."""
    if samples.ndim != 1 or samples.dtype.kind != "f":
        return Fault.SOUND_UNUSABLE
    if not SHORTEST_S * AUDIO_RATE_HZ <= len(samples) <= longest_s * AUDIO_RATE_HZ:
        return Fault.SOUND_UNUSABLE
    peak = float(np.abs(samples).max())
    return None if SILENT_PEAK < peak < np.inf else Fault.SOUND_UNUSABLE  # so is NaN


def tell_apart(
    embedder: SpeakerEmbedder, samples: Samples, speech: Sequence[Stretch], limits: VoiceLimits
) -> list[Voice]:
    """The voices of stretches in which one person speaks at a time, the first heard first.

    The stretches are put one after the other, cut into pieces of 1.6 s, and the pieces grouped.
    Each moment belongs to the group of the piece whose middle is nearest.

    Raises:
        ModelOutputInvalid: The encoder's answer is not finite.
    """
    if not speech:
        return []
    joined = np.concatenate([samples[part.start : part.end] for part in speech])
    vectors, starts = embedder.partials(at_level(joined), PIECE_STEP)
    labels = group(vectors, limits.same_voice, limits.least_pieces)
    begins = np.array(starts)
    middles = begins + PARTIAL // 2
    changes = [
        (int(middles[at - 1] + middles[at]) // 2, int(labels[at]))
        for at in range(1, len(labels))
        if labels[at] != labels[at - 1]
    ]
    edges = [at for at, _ in changes]
    voices = [
        Voice([], vectors[_pure(labels, begins, edges, name)])
        for name in range(int(labels.max()) + 1)
    ]
    done = 0  # how much of `joined` lies before the stretch
    for part in speech:
        here = [(at - done, name) for at, name in changes if done < at < done + part.length]
        name = next((name for at, name in reversed(changes) if at <= done), int(labels[0]))
        start = part.start
        for at, after in here:
            voices[name].alone.append(Stretch(start, part.start + at))
            start, name = part.start + at, after
        voices[name].alone.append(Stretch(start, part.end))
        done += part.length
    return [voice for voice in voices if voice.alone]


def _pure(labels: np.ndarray, starts: np.ndarray, changes: Sequence[int], name: int) -> np.ndarray:
    """The pieces of a group that reach over no change of voice; all of them where each does."""
    own = labels == name
    pure: np.ndarray = own.copy()
    for at in changes:
        pure &= (at <= starts) | (starts + PARTIAL <= at)
    return pure if pure.any() else own


def answer(
    voices: Sequence[Voice], limits: VoiceLimits, producers: tuple[Producer, ...]
) -> SpeakersAnswer:
    """What the port is told."""
    turns = [
        SpeakerTurn(voice=name, start_ms=_ms(part.start), end_ms=_ms(part.end))
        for name, voice in enumerate(voices)
        for part in _merged([*voice.alone, *voice.together])
    ]
    heard = []
    for voice in voices:
        alone = sum(part.length for part in voice.alone)
        long_enough = alone >= limits.embedding_s * AUDIO_RATE_HZ
        heard.append(
            HeardVoice(
                alone_ms=_ms(alone),
                embedding=mean_voice(voice.vectors) if long_enough else None,
            )
        )
    return SpeakersAnswer(
        turns=tuple(sorted(turns, key=lambda turn: (turn.start_ms, turn.voice))),
        voices=tuple(heard),
        producers=producers,
    )


def refusal(fault: Fault, producers: tuple[Producer, ...]) -> SpeakersAnswer:
    """No answer, and why."""
    return SpeakersAnswer(turns=(), voices=(), producers=producers, fault=fault)


def stretches(marked: np.ndarray, frame: int, offset: int = 0) -> list[Stretch]:
    """The runs of True in a row of frames, `frame` samples each, the first at `offset`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    return [
        Stretch(offset + int(start) * frame, offset + int(end) * frame)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def _merged(parts: Sequence[Stretch]) -> list[Stretch]:
    """In order, those that touch made one."""
    whole: list[Stretch] = []
    for part in sorted(parts):
        if whole and part.start <= whole[-1].end:
            whole[-1] = Stretch(whole[-1].start, max(whole[-1].end, part.end))
        else:
            whole.append(part)
    return whole


def _ms(samples: int) -> int:
    return samples * 1000 // AUDIO_RATE_HZ
