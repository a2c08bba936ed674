"""How well a reader of speakers does: diarization error of recordings, two voices told from one.

A reader sees ten seconds. For a recording its windows are put one after the other and the voices of
different windows linked by their embeddings, as a session would. `proctor bench accuracy` counts window by
window instead; this (`proctor bench speakers`) is for choosing a model and its thresholds.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bench.accuracy.media import Media, Turn, read_sound
from bench.diarization_error import NO_ERROR, DiarizationError, diarization_error
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


@dataclass(frozen=True, slots=True)
class Told:
    """How many of the trials of one kind were told right."""

    source: str
    speakers: int
    right: int
    trials: int


def by_kind(results: Iterable[tuple[Trial, bool]]) -> list[Told]:
    """Counts for each source, windows of one speaker apart from those of several."""
    kinds: dict[tuple[str, int], list[bool]] = {}
    for trial, right in results:
        kinds.setdefault((trial.source, min(2, trial.speakers)), []).append(right)
    return [
        Told(source, speakers, sum(hits), len(hits))
        for (source, speakers), hits in sorted(kinds.items())
    ]


def report(read: Read, media: Media, same_speaker: float) -> list[str]:
    """The lines of `proctor bench speakers`: trials told right, error rates, cost, what is missing."""
    recordings = [(each, read_sound(each.sound)) for each in media.recordings()]
    utterances: dict[str, list[Samples]] = {}
    for path in media.lone_voices():
        utterances.setdefault(path.parent.name, []).append(read_sound(path))
    trials = list(trials_of_utterances(utterances))
    errors: dict[str, DiarizationError] = {}
    for each, samples in recordings:
        trials += trials_of_recording(samples, each.turns, each.labels)
        error = diarization_error(each.turns, diarize(read, samples, same_speaker))
        errors[each.labels] = errors.get(each.labels, NO_ERROR) + error
    begun = time.process_time()
    results = told_right(read, trials)
    spent_ms = 1000 * (time.process_time() - begun)
    lines = []
    for told in by_kind(results):
        what = "one voice" if told.speakers == 1 else "several"
        lines.append(f"{told.source}: {what} told in {told.right} of {told.trials}")
    for labels, error in errors.items():
        rate = "nobody speaks" if error.rate is None else f"{error.rate:.3f}"
        lines.append(
            f"{labels}: DER {rate}, of {error.spoken_s:.0f} s missed {error.missed_s:.1f}, "
            f"made up {error.false_s:.1f}, confused {error.confused_s:.1f}"
        )
    if trials:
        sound_s = sum(len(trial.samples) for trial in trials) / AUDIO_RATE_HZ
        lines.append(f"CPU {10 * spent_ms / sound_s:.0f} ms per 10 s of sound")
    return [*lines, *media.remarks]
