"""How well a reader of speakers does: diarization error of recordings, two voices told from one.

A reader sees ten seconds. For a recording its windows are put one after the other and the voices of
different windows linked by their embeddings, as a session would.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.accuracy.media import Turn
from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.domain.perception import SpeakersAnswer, SpeakersAsk

Read = Callable[[SpeakersAsk], SpeakersAnswer]

WINDOW = 10 * AUDIO_RATE_HZ
SHORTEST = AUDIO_RATE_HZ // 2
ENOUGH_S = 1.5
HARDLY_S = 0.3


@dataclass(frozen=True, slots=True)
class Trial:
    """A window and how many people speak in it.

    Attributes:
        samples: At most ten seconds.
        speakers: One, or at least two.
        source: Which kind of trial.
    """

    samples: Samples
    speakers: int
    source: str


def diarize(read: Read, samples: Samples, same_voice: float) -> list[Turn]:
    """The turns of a recording of any length.

    Args:
        read: A reader of windows.
        samples: (n,) at 16 kHz.
        same_voice: Cosine from which on voices of different windows are one speaker.
    """
    known: list[tuple[str, np.ndarray]] = []  # speaker, sum of the vectors so far
    found: list[Turn] = []
    for number, start in enumerate(_window_starts(len(samples))):
        answer = read(SpeakersAsk(samples=samples[start : start + WINDOW]))
        names = _linked(known, answer, f"unknown {number}", same_voice)
        since_s = start / AUDIO_RATE_HZ
        found += [
            Turn(names[turn.voice], since_s + turn.start_ms / 1000, since_s + turn.end_ms / 1000)
            for turn in answer.turns
        ]
    return found


def _linked(
    known: list[tuple[str, np.ndarray]], answer: SpeakersAnswer, unknown: str, same_voice: float
) -> list[str]:
    """A speaker for each voice of a window, the most alike first; two voices are never one speaker.

    A voice without an embedding stays unknown.
    """
    names = [f"{unknown}.{voice}" for voice in range(len(answer.voices))]
    vectors = {
        voice: heard.embedding
        for voice, heard in enumerate(answer.voices)
        if heard.embedding is not None
    }
    alike = sorted(
        (
            (float(vector @ total) / float(np.linalg.norm(total)), voice, at)
            for voice, vector in vectors.items()
            for at, (_, total) in enumerate(known)
        ),
        reverse=True,
    )
    free = set(range(len(known)))
    for cosine, voice, at in alike:
        if cosine >= same_voice and voice in vectors and at in free:
            names[voice], total = known[at]
            known[at] = (names[voice], total + vectors.pop(voice))
            free.remove(at)
    for voice, vector in vectors.items():
        names[voice] = f"speaker {len(known)}"
        known.append((names[voice], vector))
    return names


def speakers_of(turns: Sequence[Turn], least_s: float = ENOUGH_S) -> int:
    """How many speak for at least so long."""
    lengths: dict[str, float] = {}
    for turn in turns:
        lengths[turn.speaker] = lengths.get(turn.speaker, 0.0) + turn.end_s - turn.start_s
    return sum(1 for length in lengths.values() if length >= least_s)


def trials_of_utterances(utterances: Mapping[str, Sequence[Samples]]) -> Iterator[Trial]:
    """Each utterance by itself, and every two put together, at most five seconds of each."""
    every = [(name, sound) for name, sounds in utterances.items() for sound in sounds]
    for _, sound in every:
        yield Trial(sound[:WINDOW], 1, "one utterance")
    for (one, first), (other, second) in combinations(every, 2):
        both = np.concatenate([first[: WINDOW // 2], second[: WINDOW // 2]])
        if one == other:
            yield Trial(both, 1, "two utterances of one speaker")
        else:
            yield Trial(both, 2, "utterances of two speakers")


def trials_of_recording(samples: Samples, turns: Sequence[Turn], source: str) -> Iterator[Trial]:
    """Windows every five seconds that are clear: one speaker only, or two with 1.5 s each."""
    for start in range(0, len(samples) - WINDOW + 1, WINDOW // 2):
        from_s, to_s = start / AUDIO_RATE_HZ, (start + WINDOW) / AUDIO_RATE_HZ
        spoken: dict[str, float] = {}
        for turn in turns:
            inside = min(turn.end_s, to_s) - max(turn.start_s, from_s)
            spoken[turn.speaker] = spoken.get(turn.speaker, 0.0) + max(0.0, inside)
        clear = sum(1 for s in spoken.values() if s >= ENOUGH_S)
        heard = sum(1 for s in spoken.values() if s >= HARDLY_S)
        if clear >= 2 or (clear == 1 and heard == 1):
            yield Trial(samples[start : start + WINDOW], clear, source)


def told_right(read: Read, trials: Iterable[Trial]) -> list[tuple[Trial, bool]]:
    """For each trial whether one voice was told where one speaks, and several where several do."""
    return [
        (
            trial,
            (len(read(SpeakersAsk(samples=trial.samples)).voices) >= 2) == (trial.speakers >= 2),
        )
        for trial in trials
    ]


def _window_starts(count: int) -> range:
    """Windows side by side; a rest shorter than half a second is left out."""
    return range(0, max(1, count - SHORTEST), WINDOW)
