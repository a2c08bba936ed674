"""Are two voices told from one, and who spoke when?

Recordings are cut into windows of ten seconds, as the port takes them; numbers of voices hold within
a window only, so errors are counted window by window and added up. A voice counts from so much speech
of its own as the sensor wants (policy `standard`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.accuracy.figures import Estimate, Figure, Wanted, missing
from bench.accuracy.media import Media, Turn, read_sound
from bench.accuracy.statistics import Floats, bootstrap, share
from bench.diarization_error import COLLAR_S, diarization_error
from proctor.domain.media import AUDIO_RATE_HZ, Samples
from proctor.domain.perception import SpeakersAnswer, SpeakersAsk
from proctor.ports.world import Perception
from proctor.sensing.sound_limits import SeveralVoicesLimits

WINDOW_S = 10.0
LEAST_WINDOW_S = 2.0
STEP_S = 0.01
LONE_SPEAKER = "one"

WANTED: tuple[Wanted, ...] = (
    ("speakers.der", "diarization error, windows of 10 s", "share"),
    ("speakers.two_told_from_one", "windows with two speakers or with one told right", "share"),
    ("speakers.two_told", "of those with two, told", "share"),
    ("speakers.one_told", "of those with one, told", "share"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of a recording with its turns, in seconds from the window's start.

    Attributes:
        recording: Which recording it is from, by number.
        samples: The sound.
        turns: Who speaks when.
        has_turns: Whether the turns are exact; a file of one speaker says only who.
    """

    recording: int
    samples: Samples
    turns: tuple[Turn, ...]
    has_turns: bool


async def measure_speakers(perception: Perception, media: Media) -> list[Figure]:
    """All figures of this part."""
    cut = windows(media)
    if not cut:
        return missing(WANTED, "no labelled recordings")
    answers: list[SpeakersAnswer] = []
    for window in cut:
        answers += await perception.speakers([SpeakersAsk(samples=window.samples)])
    usable = [
        (window, answer)
        for window, answer in zip(cut, answers, strict=True)
        if answer.fault is None
    ]
    if len(usable) < len(cut):
        media.remarks.append(f"{len(cut) - len(usable)} windows of sound got no answer")
    least_s = SeveralVoicesLimits().alone_ms / 1000
    counted = [
        (window.recording, speakers, voices(answer, least_s))
        for window, answer in usable
        if (speakers := speakers_of(window, least_s)) in (1, 2)
    ]
    hits = np.array([min(told, 2) == speakers for _, speakers, told in counted], np.float64)
    true = np.array([each[1] for each in counted])
    owner = np.array([each[0] for each in counted])
    both = f"{int((true == 2).sum())} windows with two speakers of {least_s:g} s each alone, "
    both += f"{int((true == 1).sum())} with one; recordings drawn again"
    errors = {
        "speakers.two_told_from_one": (share(hits, owner), both),
        "speakers.two_told": (share(hits[true == 2], owner[true == 2]), both),
        "speakers.one_told": (share(hits[true == 1], owner[true == 1]), both),
        "speakers.der": _error(usable),
    }
    return [
        Figure(key=key, label=label, unit=unit, found=errors[key][0], basis=errors[key][1])
        for key, label, unit in WANTED
    ]


def windows(media: Media) -> list[Window]:
    """Every labelled recording and every file of one speaker, in pieces of ten seconds at most."""
    sounds = [(each.sound, each.turns) for each in media.recordings()]
    sounds += [(path, ()) for path in media.lone_voices()]
    found = []
    for number, (path, turns) in enumerate(sounds):
        try:
            sound = read_sound(path)
        except ValueError as error:
            media.remarks.append(str(error))
            continue
        length = round(WINDOW_S * AUDIO_RATE_HZ)
        for start in range(0, len(sound), length):
            piece = sound[start : start + length]
            if len(piece) < LEAST_WINDOW_S * AUDIO_RATE_HZ:
                continue
            from_s, to_s = start / AUDIO_RATE_HZ, (start + len(piece)) / AUDIO_RATE_HZ
            inside = tuple(
                Turn(
                    turn.speaker, max(turn.start_s, from_s) - from_s, min(turn.end_s, to_s) - from_s
                )
                for turn in turns
                if turn.start_s < to_s and turn.end_s > from_s
            )
            whole = (Turn(LONE_SPEAKER, 0.0, to_s - from_s),)
            found.append(Window(number, piece, inside if turns else whole, bool(turns)))
    return found


def speakers_of(window: Window, least_s: float) -> int:
    """How many speakers a window shows; 0 where it is not clear.

    It is clear when everybody who speaks is heard alone for `least_s`, or only one speaks at all.
    """
    names = {turn.speaker for turn in window.turns}
    grid = np.arange(0, len(window.samples) / AUDIO_RATE_HZ, STEP_S) + STEP_S / 2
    speaking = {
        name: np.logical_or.reduce(
            [(grid >= t.start_s) & (grid < t.end_s) for t in window.turns if t.speaker == name]
        )
        for name in names
    }
    if not speaking:
        return 0
    at_once = np.sum(list(speaking.values()), axis=0)
    alone_s = [float((own & (at_once == 1)).sum()) * STEP_S for own in speaking.values()]
    return len(names) if min(alone_s) >= least_s else 0


def voices(answer: SpeakersAnswer, least_s: float) -> int:
    """How many voices of an answer the sensor would count."""
    return sum(voice.alone_ms >= 1000 * least_s for voice in answer.voices)


def _error(usable: Sequence[tuple[Window, SpeakersAnswer]]) -> tuple[Estimate | None, str]:
    """Errors of all windows with exact turns over what was said in them."""
    each: dict[int, Floats] = {}
    for window, answer in usable:
        if not window.has_turns:
            continue
        told = [
            Turn(str(turn.voice), turn.start_ms / 1000, turn.end_ms / 1000) for turn in answer.turns
        ]
        error = diarization_error(window.turns, told)
        wrong_s = error.missed_s + error.false_s + error.confused_s
        before = each.get(window.recording, np.zeros(2))
        each[window.recording] = before + np.array([wrong_s, error.spoken_s])
    rows = np.array(list(each.values())).reshape(-1, 2)

    def rate(weights: Floats) -> float:
        wrong_s, spoken_s = weights @ rows
        return float(wrong_s / spoken_s) if spoken_s else math.nan

    basis = f"{len(rows)} recordings, {rows[:, 1].sum():.0f} s of speech, collar {COLLAR_S} s"
    return bootstrap(len(rows), rate), basis
