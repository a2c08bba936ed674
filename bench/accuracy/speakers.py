"""Are two voices told from one, and who spoke when?

Recordings are cut into windows of ten seconds, as the port takes them; numbers of voices hold within
a window only, so errors are counted window by window and added up. A voice counts from so much speech
of its own as the sensor wants (policy `standard`). A recording shows two speakers when one of its
windows does, and one when nobody else is heard in it; where neither is clear it is left out.
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
LONE = "one voice"

WANTED: tuple[Wanted, ...] = (
    ("speakers.der", "diarization error, windows of 10 s", "share"),
    ("speakers.two_told_from_one", "recordings of two speakers or of one told right", "share"),
    ("speakers.windows.two_told", "windows with two speakers: two told", "share"),
    ("speakers.windows.one_told", "windows with one: one told", "share"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of a recording with its turns, in seconds from the window's start.

    Attributes:
        recording: Which recording it is from, by number.
        labels: Which label file says so; `one voice` for a file of one speaker.
        samples: The sound.
        turns: Who speaks when.
        has_turns: Whether the turns are exact; a file of one speaker says only who.
    """

    recording: int
    labels: str
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
        (window, speakers_of(window, least_s), voices(answer, least_s)) for window, answer in usable
    ]
    errors = {
        "speakers.der": _error(usable),
        "speakers.two_told_from_one": _recordings(counted),
        "speakers.windows.two_told": _windows(counted, 2, least_s),
        "speakers.windows.one_told": _windows(counted, 1, least_s),
    }
    return [
        Figure(key=key, label=label, unit=unit, found=errors[key][0], basis=errors[key][1])
        for key, label, unit in WANTED
    ]


Counted = tuple[Window, int, int]
"""A window, how many speakers it clearly shows (0 when it is not clear), how many were told."""


def _recordings(counted: Sequence[Counted]) -> tuple[Estimate | None, str]:
    hits: list[bool] = []
    sets: dict[str, list[bool]] = {}
    for number in dict.fromkeys(window.recording for window, _, _ in counted):
        own = [each for each in counted if each[0].recording == number]
        names = {turn.speaker for window, _, _ in own for turn in window.turns}
        two = any(true == 2 for _, true, _ in own)
        if len(names) > 2 or not (two or (len(names) == 1 and any(true for _, true, _ in own))):
            continue
        hit = any(told >= 2 for _, _, told in own) == two
        hits.append(hit)
        sets.setdefault(own[0][0].labels, []).append(hit)
    return share(hits), ", ".join(f"{name} {sum(own)} of {len(own)}" for name, own in sets.items())


def _windows(
    counted: Sequence[Counted], speakers: int, least_s: float
) -> tuple[Estimate | None, str]:
    of = [(window.recording, told) for window, true, told in counted if true == speakers]
    hits = [(told >= 2) == (speakers == 2) for _, told in of]
    basis = f"{len(of)} windows, each speaker alone for {least_s:g} s; recordings drawn again"
    return share(hits, [number for number, _ in of]), basis


def windows(media: Media) -> list[Window]:
    """Every labelled recording and every file of one speaker, in pieces of ten seconds at most."""
    sounds = [(each.sound, each.turns, each.labels) for each in media.recordings()]
    sounds += [(path, (), LONE) for path in media.lone_voices()]
    found = []
    for number, (path, turns, labels) in enumerate(sounds):
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
            found.append(Window(number, labels, piece, inside if turns else whole, bool(turns)))
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
