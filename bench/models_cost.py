"""What one call of each model group costs, in CPU milliseconds on one core.

CPU time of the whole process, so other work on the machine counts little; decoding the picture is
included, as a replica pays for it too.
"""

import io
import time
import wave
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial

import cv2
import numpy as np
from rich.table import Table

from proctor.domain.media import Samples
from proctor.domain.perception import BodyAsk, FaceAsk, SpeechAsk
from proctor.ports import Perception

WARM_UP = 3
REPEATS = 30
SIZES = ((320, 240), (640, 480))
JPEG_QUALITY = 85
CHUNK = 512
CHUNKS_PER_SECOND = 31
STREAMS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """CPU time of one kind of call."""

    what: str
    size: str
    median_ms: float
    least_ms: float


async def measure_costs(perception: Perception, picture: bytes, sound: bytes) -> list[Cost]:
    """Time each kind of call.

    Args:
        perception: The models, on one thread.
        picture: A PNG or JPEG with one face.
        sound: A 16 kHz mono WAV file with at least 25 s of talk.
    """
    costs = []
    for width, height in SIZES:
        jpeg = _sized(picture, width, height)
        (found,) = await perception.faces([FaceAsk(picture=jpeg)])
        asks = {
            "face: detect, mesh, pose, gaze": FaceAsk(picture=jpeg),
            "face: the same on a track": FaceAsk(picture=jpeg, track=found.faces[0].region),
            "face: with embedding": FaceAsk(picture=jpeg, embed=True),
            "face: with search for small faces": FaceAsk(picture=jpeg, search_small=True),
        }
        for what, ask in asks.items():
            costs.append(await _time(what, f"{width}x{height}", partial(perception.faces, [ask])))
        body = BodyAsk(picture=jpeg)
        costs.append(await _time("body", f"{width}x{height}", partial(perception.bodies, [body])))
    second = CHUNK * CHUNKS_PER_SECOND
    samples = _samples(sound)
    streams = [SpeechAsk(samples=samples[at * second :][:second]) for at in range(STREAMS)]
    costs.append(
        await _time("speech: 1 s of one", "31 chunks", partial(perception.speech, streams[:1]))
    )
    costs.append(
        await _time(
            f"speech: 1 s of {STREAMS}", "31 chunks each", partial(perception.speech, streams)
        )
    )
    return costs


async def _time(what: str, size: str, call: Callable[[], Awaitable[object]]) -> Cost:
    taken = []
    for at in range(WARM_UP + REPEATS):
        start = time.process_time()
        await call()
        if at >= WARM_UP:
            taken.append((time.process_time() - start) * 1000)
    return Cost(what=what, size=size, median_ms=float(np.median(taken)), least_ms=min(taken))


def _sized(picture: bytes, width: int, height: int) -> bytes:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    scale = height / image.shape[0]
    room = np.full((height, width, 3), 128, np.uint8)
    fitted = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    room[:, : fitted.shape[1]] = fitted[:, :width]
    return cv2.imencode(".jpg", room, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def _samples(sound: bytes) -> Samples:
    with wave.open(io.BytesIO(sound)) as opened:
        raw = np.frombuffer(opened.readframes(opened.getnframes()), np.int16)
    return raw.astype(np.float32) / np.float32(32768)


def table(costs: list[Cost]) -> Table:
    """The figures as people read them."""
    made = Table("call", "size", "median ms CPU", "least ms CPU", title="One core")
    for cost in costs:
        made.add_row(cost.what, cost.size, f"{cost.median_ms:.1f}", f"{cost.least_ms:.1f}")
    return made


def as_json(costs: list[Cost]) -> list[dict[str, object]]:
    """The same for a file."""
    return [asdict(cost) for cost in costs]
