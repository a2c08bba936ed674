"""What keeping evidence costs a host, and what key pictures do to the watch for a stopped camera.

    python -m bench.evidence_cost [--seconds 120] [--json FILE]

Somebody sits before a camera (`PROCTOR_MEDIA`), coded as VP8 at 5 pictures and 250 kbit a second with a key
every half minute, and packets of Opus of 60 ms come with it. Then a photograph stands for a stopped camera,
sent with and without keys: how much of the time it is recognised as still.
"""

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
import typer
from aiortc.codecs.vpx import Vp8Encoder
from av import VideoFrame
from rich.console import Console
from rich.table import Table

from bench.candidate.stills import load_still, people_of
from bench.session_cost import Stack, calm_pictures
from proctor.adapters.webrtc.clips import Remuxer
from proctor.adapters.webrtc.decoders import PictureDecoder
from proctor.adapters.webrtc.payloads import unpack_vp8
from proctor.domain.media import CodedPicture, CodedSound, Image, Strip
from proctor.fusion.evidence_policy import EvidencePolicy
from proctor.services.host.album import Album
from proctor.services.host.evidence_box import USUAL_LIMITS, EvidenceBox
from proctor.services.host.picture import JudgedPicture, StillWatch, judged, measure, small_luma
from proctor.services.host.ring import KEY_EVERY_MS, MediaRing

FPS = 5
KBPS = 250
OPUS_MS = 60
OPUS_BYTES = 240
"""32 kbit a second."""

ROUNDS = 5
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceCost:
    """One session.

    Attributes:
        ring_cpu_us: Processor time per session-second of keeping received video.
        ring_sound_cpu_us: The same with sound.
        album_cpu_us: Of keeping judged pictures.
        ring_bytes: Kept video, at the end.
        ring_sound_bytes: The same with sound.
        album_bytes: Kept pictures.
        clip_ms: Time to write a clip, the median.
        clip_bytes: Its size.
        clip_seconds: Its length.
        still_share: How much of the time a stopped camera is recognised, by the seconds between keys.
    """

    ring_cpu_us: float
    ring_sound_cpu_us: float
    album_cpu_us: float
    ring_bytes: int
    ring_sound_bytes: int
    album_bytes: int
    clip_ms: float
    clip_bytes: int
    clip_seconds: float
    still_share: dict[str, float]


def coded(pictures: Iterator[Image], key_every: int) -> Iterator[CodedPicture]:
    """Pictures as a browser would send them; `key_every` pictures, 0 for the first alone."""
    encoder = Vp8Encoder()
    encoder.target_bitrate = KBPS * 1000
    for index, image in enumerate(pictures):
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = index * 90_000 // FPS, Fraction(1, 90_000)
        is_key = index % key_every == 0 if key_every else index == 0
        payloads, ticks = encoder.encode(frame, force_keyframe=is_key)
        data = b"".join(unpack_vp8(payload)[0] for payload in payloads)
        yield CodedPicture("VP8", data, is_key, ticks, image.shape[1], image.shape[0])


def evidence_cost(pictures: Stack, seconds: int, photographs: list[Image]) -> EvidenceCost:
    """Measure it."""
    sent = list(coded((pictures[i % len(pictures)] for i in range(seconds * FPS)), 30 * FPS))
    shown = [judged(pictures[at * FPS % len(pictures)], at * 1000) for at in range(seconds)]
    silent_us, silent = _quickest(lambda: _ring(sent, seconds, False), seconds)
    heard_us, heard = _quickest(lambda: _ring(sent, seconds, True), seconds)
    album_us, album = _quickest(lambda: _album(shown), seconds)
    end_ms = seconds * 1000
    (strip,) = heard.cut(end_ms - 20_000, end_ms - 10_000, end_ms, True)
    took_ms, content = _written(strip)
    return EvidenceCost(
        ring_cpu_us=silent_us,
        ring_sound_cpu_us=heard_us,
        album_cpu_us=album_us,
        ring_bytes=silent.size,
        ring_sound_bytes=heard.size,
        album_bytes=album.size,
        clip_ms=took_ms,
        clip_bytes=len(content),
        clip_seconds=(strip.pictures[-1][0] - strip.pictures[0][0]) / 1000,
        still_share={
            str(every_s): statistics.mean(_still(each, every_s * FPS) for each in photographs)
            for every_s in (0, KEY_EVERY_MS // 1000, 10)
        },
    )


def _box(with_sound: bool) -> EvidenceBox:
    policy = EvidencePolicy(pictures=True, clip=True, sound=with_sound)
    return EvidenceBox(policy, USUAL_LIMITS, Remuxer(), 0)


def _ring(sent: list[CodedPicture], seconds: int, with_sound: bool) -> MediaRing:
    ring = _box(with_sound).ring
    assert ring is not None
    sounds = [
        CodedSound(bytes(OPUS_BYTES), at_ms * 48, OPUS_MS * 48)
        for at_ms in range(0, seconds * 1000, OPUS_MS)
    ]
    heard = 0
    for index, picture in enumerate(sent):
        now_ms = index * 1000 // FPS
        ring.on_coded_picture(picture, now_ms)
        ring.wants_key(now_ms)
        while with_sound and heard < len(sounds) and heard * OPUS_MS <= now_ms:
            ring.on_coded_sound(sounds[heard], heard * OPUS_MS)
            heard += 1
    return ring


def _album(shown: list[JudgedPicture]) -> Album:
    album = _box(False).album
    for picture in shown:
        album.add(picture)
    return album


def _quickest(step: Callable[[], T], seconds: int) -> tuple[float, T]:
    best_us, made = float("inf"), None
    for _ in range(ROUNDS):
        began_s = time.process_time()
        made = step()
        best_us = min(best_us, (time.process_time() - began_s) * 1e6 / seconds)
    assert made is not None
    return best_us, made


def _written(strip: Strip) -> tuple[float, bytes]:
    took_ms, content = [], b""
    for _ in range(4 * ROUNDS):
        began_s = time.perf_counter()
        _, content = Remuxer().write(strip)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    return statistics.median(took_ms), content


def _still(photograph: Image, key_every: int, pictures: int = 600) -> float:
    """The share of the time, without the first four seconds, in which a photograph is called still."""
    decoder, watch, before, still = PictureDecoder("VP8"), StillWatch(), None, 0
    for index, sent in enumerate(coded((photograph for _ in range(pictures)), key_every)):
        frame = decoder.decode(sent.data)
        if frame is None:
            continue
        luma = small_luma(decoder.picture(frame))
        is_still = watch.observe(measure(luma, before).change, index * 1000 // FPS) > 0
        before = luma
        still += is_still and index >= 20
    return still / (pictures - 20)


def main(
    seconds: Annotated[int, typer.Option(min=60)] = 120,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Print the table; write JSON when a file is named."""
    import cv2

    media = Path(os.environ.get("PROCTOR_MEDIA", "."))
    people = people_of(media / "images" / "lfw", at_least=1, limit=6)
    stills = [
        np.asarray(cv2.resize(load_still(each[1][0]), (320, 240)), np.uint8) for each in people
    ]
    found = evidence_cost(calm_pictures(seconds), seconds, stills)
    table = Table(title=f"evidence of one session, {seconds} s", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row("received video kept, CPU µs per session-second", f"{found.ring_cpu_us:.0f}")
    table.add_row("the same with sound", f"{found.ring_sound_cpu_us:.0f}")
    table.add_row("judged pictures kept, CPU µs per session-second", f"{found.album_cpu_us:.1f}")
    table.add_row("video kept, MB", f"{found.ring_bytes / 1e6:.2f}")
    table.add_row("video and sound kept, MB", f"{found.ring_sound_bytes / 1e6:.2f}")
    table.add_row("judged pictures kept, MB", f"{found.album_bytes / 1e6:.2f}")
    clip = f"a clip of {found.clip_seconds:.0f} s, {found.clip_bytes / 1e6:.2f} MB, ms"
    table.add_row(clip, f"{found.clip_ms:.1f}")
    for every_s, share in found.still_share.items():
        keys = "no further key" if every_s == "0" else f"a key every {every_s} s"
        table.add_row(f"a stopped camera is called still, {keys}", f"{share:.1%}")
    Console(width=100).print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(found), indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
