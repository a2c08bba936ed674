"""Are faces found, at which size, and is nothing found where nobody is?

A face counts as found when a confirmed reading lies on it. A second, small face is looked for as the
product does, with the search for small faces.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from bench.accuracy.figures import Figure, Wanted, missing
from bench.accuracy.media import Media
from bench.accuracy.scenes import (
    Portrait,
    Scene,
    back_of_head,
    one_face,
    portrait,
    torso,
    two_faces,
)
from bench.accuracy.statistics import share
from proctor.domain.geometry import Box
from proctor.domain.media import Image
from proctor.domain.perception import FaceAnswer, FaceAsk
from proctor.ports.world import Perception

PICTURES_PER_CALL = 16
PORTRAITS = 60
SHARES = (0.15, 0.4, 0.6, 0.8)
WIDTHS_PX = (24, 32, 48, 64)
LARGEST_ERROR = 0.5
"""A reading lies on a face when their middles are closer than this share of the face's width ..."""
LARGEST_FACTOR = 2.0
"""... and neither is more than twice as wide."""

WANTED: tuple[Wanted, ...] = (
    ("detection.recall_all", "faces found, all sizes below", "share"),
    *(
        (f"detection.recall_{round(100 * s)}pct", f"one face, {round(100 * s)} % of the width", "share")
        for s in SHARES
    ),
    *(
        (f"detection.recall_{width}px", f"second face of {width} px beside a near one", "share")
        for width in WIDTHS_PX
    ),
    ("detection.group_photos", "faces found on labelled photos", "share"),
    ("detection.false_per_image", "faces where there is none, per picture", "share"),
    ("detection.false_torsos", "torsos counted as persons", "share"),
    ("detection.false_heads", "backs of heads (painted) counted as persons", "share"),
)  # fmt: skip


async def measure_detection(
    perception: Perception, media: Media, people: Mapping[str, Sequence[Path]], seed: int = 0
) -> list[Figure]:
    """All figures of this part; `people` as `Media.people` tells them."""
    rng = np.random.default_rng(seed)
    faces = await _portraits(perception, people, rng)
    found: dict[str, Figure] = {}
    if len(faces) >= 2:
        found |= await _recalls(perception, faces, rng)
        found |= await _false(perception, faces, rng)
    photos = media.group_photos()
    if photos:
        found["detection.group_photos"] = await _groups(perception, photos)
    why = "no pictures of people to compose from"
    return [
        found.get(key) or missing([(key, label, unit)], why if photos else "no labelled photos")[0]
        for key, label, unit in WANTED
    ]


async def _portraits(
    perception: Perception, people: Mapping[str, Sequence[Path]], rng: np.random.Generator
) -> list[Portrait]:
    """One picture each of some people with one face in it; the mesh says where and how wide."""
    names = [str(name) for name in rng.permutation(sorted(people))][: 3 * PORTRAITS // 2]
    pictures = [people[name][0].read_bytes() for name in names]
    made = []
    for picture, answer in zip(
        pictures, await _read(perception, [FaceAsk(picture=p) for p in pictures]), strict=True
    ):
        confirmed = [face for face in answer.faces if face.is_confirmed]
        if len(confirmed) == 1:
            made.append(portrait(_decoded(picture), confirmed[0].box))
    return made[:PORTRAITS]


async def _read(perception: Perception, asks: Sequence[FaceAsk]) -> list[FaceAnswer]:
    answers: list[FaceAnswer] = []
    for start in range(0, len(asks), PICTURES_PER_CALL):
        answers += await perception.faces(asks[start : start + PICTURES_PER_CALL])
    return answers


async def _recalls(
    perception: Perception, faces: Sequence[Portrait], rng: np.random.Generator
) -> dict[str, Figure]:
    """Single faces of several sizes, and a second one of several sizes."""
    found, everything = {}, []
    cases: list[tuple[str, list[Scene], bool]] = [
        (
            f"detection.recall_{round(100 * size)}pct",
            [one_face(face, size, rng) for face in faces],
            False,
        )
        for size in SHARES
    ]
    others = [*faces[1:], faces[0]]
    cases += [
        (
            f"detection.recall_{width}px",
            [two_faces(a, b, width, rng) for a, b in zip(faces, others, strict=True)],
            True,
        )
        for width in WIDTHS_PX
    ]
    labels = {key: (label, unit) for key, label, unit in WANTED}
    for key, scenes, small in cases:
        asks = [FaceAsk(picture=scene.picture, search_small=small) for scene in scenes]
        hits = [
            any(lies_on(face.box, scene.faces[-1]) for face in answer.faces if face.is_confirmed)
            for scene, answer in zip(scenes, await _read(perception, asks), strict=True)
        ]
        everything.append(hits)
        label, unit = labels[key]
        basis = f"{len(hits)} composed pictures of 640x480"
        found[key] = Figure(key=key, label=label, unit=unit, found=share(hits), basis=basis)
    label, unit = labels["detection.recall_all"]
    owners = np.tile(np.arange(len(faces)), len(everything))
    found["detection.recall_all"] = Figure(
        key="detection.recall_all",
        label=label,
        unit=unit,
        found=share(np.concatenate(everything), owners),
        basis=f"{len(owners)} composed pictures of {len(faces)} people, people drawn again",
    )
    return found


def lies_on(box: Box, face: Box) -> bool:
    """Whether a reading is of this face; composed pictures are 640x480."""
    across = (box.centre[0] - face.centre[0]) / face.width
    down = (box.centre[1] - face.centre[1]) / face.height
    factor = max(box.width / face.width, face.width / max(box.width, 1e-6))
    return float(np.hypot(across, down)) <= LARGEST_ERROR and factor <= LARGEST_FACTOR


async def _false(
    perception: Perception, faces: Sequence[Portrait], rng: np.random.Generator
) -> dict[str, Figure]:
    """Pictures without a face."""
    kinds = {
        "detection.false_torsos": [torso(face) for face in faces],
        "detection.false_heads": [back_of_head(face, rng) for face in faces],
    }
    labels = {key: (label, unit) for key, label, unit in WANTED}
    found, counts = {}, []
    for key, made in kinds.items():
        pictures = [picture for picture in made if picture is not None]
        asks = [FaceAsk(picture=picture, search_small=True) for picture in pictures]
        seen = [
            sum(face.is_confirmed for face in answer.faces)
            for answer in await _read(perception, asks)
        ]
        counts += seen
        label, unit = labels[key]
        hits = [count > 0 for count in seen]
        basis = f"{len(pictures)} pictures, searched for small faces too"
        found[key] = Figure(key=key, label=label, unit=unit, found=share(hits), basis=basis)
    label, unit = labels["detection.false_per_image"]
    found["detection.false_per_image"] = Figure(
        key="detection.false_per_image",
        label=label,
        unit=unit,
        found=share(counts),
        basis=f"{len(counts)} pictures without a face",
    )
    return found


async def _groups(perception: Perception, photos: Sequence[tuple[Path, int]]) -> Figure:
    asks = [FaceAsk(picture=path.read_bytes(), search_small=True) for path, _ in photos]
    counts = [
        sum(face.is_confirmed for face in answer.faces) for answer in await _read(perception, asks)
    ]
    return group_figure(photos, counts)


def group_figure(photos: Sequence[tuple[Path, int]], counts: Sequence[int]) -> Figure:
    """From labelled photos and how many confirmed faces were read of each."""
    told, hits, owners = [], [], []
    for at, ((path, faces), count) in enumerate(zip(photos, counts, strict=True)):
        seen = min(count, faces)
        told.append(f"{path.stem} {seen} of {faces}")
        hits += [True] * seen + [False] * (faces - seen)
        owners += [at] * faces
    key, label, unit = next(each for each in WANTED if each[0] == "detection.group_photos")
    return Figure(key=key, label=label, unit=unit, found=share(hits, owners), basis=", ".join(told))


def _decoded(picture: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None, "it was read before"
    return np.asarray(image, np.uint8)
