"""Is a look away told, soon, and never a look at the screen?

Frames are taken as a session takes them (policy `standard`: one a second, four while something is
pending), encoded as a host encodes them, and read by the sensor that judges sessions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.accuracy.figures import Estimate, Figure, Wanted, missing
from bench.accuracy.media import Look, Media
from bench.accuracy.statistics import Floats, area_under_curve, bootstrap, poisson_rate, share
from proctor.domain.geometry import FaceRegion
from proctor.domain.ids import SessionId
from proctor.domain.media import Image
from proctor.domain.observations import GazeSeen
from proctor.domain.perception import FaceAsk, KnownEyes
from proctor.domain.signals import Signal
from proctor.fusion.rates import Sampling
from proctor.ports.world import Perception
from proctor.sensing.gaze import GazeSensor, GazeState
from proctor.sensing.limits import GazeLimits
from proctor.services.host.facts import gaze_seen, main_face
from proctor.services.host.picture import JudgedPicture, judged

CENTRE = ("center", "centre", "screen")
BLOCK_S = 1.0

WANTED: tuple[Wanted, ...] = (
    ("gaze.auc", "aside told from the centre, per frame (area under the curve)", "area"),
    ("gaze.false_away_per_minute", "`away` while looking at the screen", "per minute"),
    ("gaze.away_told", "looks aside that were told", "share"),
    ("gaze.begins_after_s", "the told beginning after the label's, mean", "seconds"),
    ("gaze.opens_after_dwell_s", "told after the label, less the policy's dwell, mean", "seconds"),
    ("gaze.unmeasured", "frames without a gaze (blinks, no face)", "share"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """One frame that was read."""

    at_ms: int
    seen: GazeSeen


def frames(clip: Path, rate_hz: float) -> list[JudgedPicture]:
    """The clip's frames at a rate, upright, encoded as a session host does.

    Raises:
        ValueError: It is no film that can be read.
    """
    film = cv2.VideoCapture(str(clip))
    try:
        fps = film.get(cv2.CAP_PROP_FPS)
        if not film.isOpened() or not fps or not math.isfinite(fps):
            raise ValueError(f"{clip.name} is no film that can be read")
        found: list[JudgedPicture] = []
        count = 0
        while film.grab():
            at_ms = round(1000 * count / fps)
            count += 1
            if at_ms < len(found) * 1000 / rate_hz:
                continue
            done, picture = film.retrieve()
            if done:
                image: Image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
                found.append(judged(image, at_ms))
    finally:
        film.release()
    return found


async def measure_gaze(
    perception: Perception,
    media: Media,
    limits: GazeLimits | None = None,
    sampling: Sampling | None = None,
) -> list[Figure]:
    """All figures of this part, with the standard policy unless another is given."""
    limits, sampling = limits or GazeLimits(), sampling or Sampling()
    looks = media.looks()
    clips: dict[Path, list[Reading]] = {}
    for look in looks:
        if look.clip in clips:
            continue
        try:
            pictures = frames(look.clip, sampling.face_attentive_hz)
        except ValueError as error:
            media.remarks.append(str(error))
            pictures = []
        clips[look.clip] = await _readings(perception, pictures)
    by_clip = {clip: [look for look in looks if look.clip == clip] for clip in clips}
    if not any(clips.values()):
        return missing(WANTED, "no labelled clips")
    sensed = {clip: sense(readings, limits, sampling) for clip, readings in clips.items()}
    return _figures(clips, by_clip, sensed, limits)


async def _readings(perception: Perception, pictures: Sequence[JudgedPicture]) -> list[Reading]:
    """Each picture read as a session's are while nothing else moves: the face is followed."""
    readings: list[Reading] = []
    track: FaceRegion | None = None
    eyes: KnownEyes | None = None
    for picture in pictures:
        (answer,) = await perception.faces([FaceAsk(picture=picture.jpeg, track=track, eyes=eyes)])
        main = main_face(answer)
        track, eyes = (main.region, main.eyes) if main else (None, None)
        readings.append(Reading(picture.captured_ms, gaze_seen(answer, picture)))
    return readings


@dataclass(frozen=True, slots=True)
class Sensed:
    """What the sensor made of a clip.

    Attributes:
        signals: Each as it was when it was told first, and when that was.
        turned: (frame's time in ms, degrees from the baseline) once there is a baseline.
    """

    signals: list[tuple[int, Signal]]
    turned: list[tuple[int, float]]


def sense(readings: Sequence[Reading], limits: GazeLimits, sampling: Sampling) -> Sensed:
    """Play a clip to the sensor as a session would: attentive while something is pending."""
    sensor = GazeSensor(SessionId("ses_accuracy"), limits, GazeState())
    told: dict[str, tuple[int, Signal]] = {}
    last_ms: int | None = None
    for reading in readings:
        attentive = sensor.baseline.is_pending or sensor.away.spell.is_pending
        rate_hz = sampling.face_attentive_hz if attentive else sampling.face_hz
        if last_ms is not None and reading.at_ms - last_ms < 1000 / rate_hz - 20:
            continue
        last_ms = reading.at_ms
        for signal in sensor.observe(reading.seen):
            told.setdefault(signal.signal_id, (reading.at_ms, signal))
    base_deg = sensor.baseline.state.yaw_deg
    turned = [
        (reading.at_ms, reading.seen.gaze.yaw_deg - base_deg)
        for reading in readings
        if reading.seen.gaze is not None and base_deg is not None
    ]
    return Sensed(list(told.values()), turned)


def _figures(
    clips: dict[Path, list[Reading]],
    by_clip: dict[Path, list[Look]],
    sensed: dict[Path, Sensed],
    limits: GazeLimits,
) -> list[Figure]:
    away, positive, block = [], [], []
    false, centre_s, told, begins_s, opens_s = 0, 0.0, [], [], []
    for number, (clip, looks) in enumerate(by_clip.items()):
        found = sensed[clip]
        for at_ms, turned in found.turned:
            look = _look_at(looks, at_ms)
            if look is not None:
                away.append(abs(turned))
                positive.append(look.where not in CENTRE)
                block.append((number, int(at_ms / 1000 / BLOCK_S)))
        centre_s += sum(look.end_s - look.start_s for look in looks if look.where in CENTRE)
        begun = [signal.started_ms for _, signal in found.signals]
        # between two labels the eyes are on their way: it belongs to neither
        false += sum(
            1 for at in begun if (look := _look_at(looks, at)) is not None and look.where in CENTRE
        )
        for look in (each for each in looks if each.where not in CENTRE):
            before = max((o.end_s for o in looks if o.end_s <= look.start_s), default=0.0)
            mine = [
                (at, signal)
                for at, signal in found.signals
                if 1000 * before <= signal.started_ms < 1000 * look.end_s
            ]
            told.append(bool(mine))
            if mine:
                at_ms, signal = mine[0]
                begins_s.append(max(signal.started_ms / 1000 - look.start_s, 0.0))
                opens_s.append(max((at_ms - limits.dwell_ms) / 1000 - look.start_s, 0.0))
    frames_read = [reading for readings in clips.values() for reading in readings]
    total = f"{len(away)} labelled frames of {len(clips)} clips, drawn again by the second"
    values = {
        "gaze.auc": (_area(np.array(away), np.array(positive, bool), block), total),
        "gaze.false_away_per_minute": (
            poisson_rate(false, centre_s / 60),
            f"{centre_s:.1f} s of looking at the screen, exact Poisson interval",
        ),
        "gaze.away_told": (
            share(told),
            f"{len(told)} looks of {limits.dwell_ms / 1000:g} s and more",
        ),
        "gaze.begins_after_s": (share(begins_s), f"{len(begins_s)} looks"),
        "gaze.opens_after_dwell_s": (
            share(opens_s),
            f"{len(opens_s)} looks; the dwell is {limits.dwell_ms / 1000:g} s",
        ),
        "gaze.unmeasured": (
            share([reading.seen.gaze is None for reading in frames_read]),
            f"{len(frames_read)} frames",
        ),
    }
    return [
        Figure(key=key, label=label, unit=unit, found=values[key][0], basis=values[key][1])
        for key, label, unit in WANTED
    ]


def _look_at(looks: Sequence[Look], at_ms: int) -> Look | None:
    return next((o for o in looks if 1000 * o.start_s <= at_ms < 1000 * o.end_s), None)


def _area(
    away: Floats, positive: npt.NDArray[np.bool_], block: Sequence[tuple[int, int]]
) -> Estimate | None:
    """Frames of one second are much alike, so seconds are drawn again, not frames."""
    if not len(away):
        return None
    seconds = {each: at for at, each in enumerate(dict.fromkeys(block))}
    of = np.array([seconds[each] for each in block])

    def area(weights: Floats) -> float:
        often = weights[of].astype(int)
        return area_under_curve(np.repeat(away, often), np.repeat(positive, often))

    return bootstrap(len(seconds), area)
