"""Models over a folder of pictures: what they read of each, and the figures of `proctor bench accuracy`.

The figures are made by that command's own functions from the rows. Those that need embeddings beside one
another (error rates of verification), composed scenes, clips or sound are not here: vectors do not leave
the actor that made them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bench.accuracy.detection import group_figure
from bench.accuracy.figures import Figure
from bench.accuracy.head_pose import head_figures
from bench.accuracy.liveness import liveness_figures
from bench.accuracy.media import PICTURES, Media
from bench.accuracy.verification import embedded, read_labelled, taken, those_with_most
from jobs.pipeline import Order, Row
from models.catalogue import default_dir
from models.in_process import InProcessPerception
from models.selection import select
from proctor.domain.geometry import HeadPose
from proctor.domain.perception import FaceAnswer, FaceAsk, FaceReading
from proctor.identity.quality import picture_reasons
from proctor.settings import Settings

PEOPLE, POSED, GROUP, LIVENESS, PICTURE = (
    "people",
    "head_pose",
    "group_photo",
    "liveness",
    "picture",
)

SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("file", pa.string()),
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("faces", pa.int64()),
        ("has_embedding", pa.bool_()),
        ("quality", pa.list_(pa.string())),
        ("width_px", pa.float64()),
        ("presence", pa.float64()),
        ("sharpness", pa.float64()),
        ("brightness", pa.float64()),
        ("yaw_deg", pa.float64()),
        ("pitch_deg", pa.float64()),
        ("roll_deg", pa.float64()),
        ("live", pa.float64()),
        ("models", pa.list_(pa.string())),
    ]
)
"""`faces` are the confirmed ones; measures are the main face's; `models` are `id version sha256`."""


@dataclass(frozen=True, slots=True)
class EvaluateSpec:
    """A folder that every actor can read, and the models: a pack and others instead for some tasks."""

    folder: str
    pack: str
    instead: Mapping[str, str]


class Evaluator:
    """The face group of the chosen models, one thread."""

    def __init__(self, spec: EvaluateSpec) -> None:
        settings = Settings()
        self._folder = Path(spec.folder)
        self._perception = InProcessPerception(
            default_dir(settings.home, settings.models_dir),
            frozenset({"face"}),
            select(spec.pack, spec.instead),
        )
        self._loop = asyncio.new_event_loop()

    def rows(self, item: str) -> Sequence[Row]:
        """What was read of one picture."""
        kind, _, name = item.partition(":")
        answer = self._loop.run_until_complete(self._read(kind, (self._folder / name).read_bytes()))
        if answer.fault is not None:
            return [self.failed(item, str(answer.fault))]
        return [{"kind": kind, "file": name, "outcome": "read", **readings(answer)}]

    def failed(self, item: str, reason: str) -> Row:
        """Why nothing was read."""
        kind, _, name = item.partition(":")
        return {"kind": kind, "file": name, "outcome": "failed", "reason": reason}

    async def _read(self, kind: str, picture: bytes) -> FaceAnswer:
        if kind == PEOPLE:
            return (await read_labelled(self._perception, [picture]))[0]
        ask = FaceAsk(
            picture=picture, search_small=kind == GROUP, embed=kind in (LIVENESS, PICTURE)
        )
        return (await self._perception.faces([ask]))[0]


def readings(answer: FaceAnswer) -> Row:
    """What may be told of a picture: measures, and never a vector."""
    face: FaceReading | None = embedded(answer) or next(iter(answer.faces), None)
    head = next((each.head for each in answer.faces if each.head is not None), None)
    found: Row = {
        "faces": sum(each.is_confirmed for each in answer.faces),
        "has_embedding": embedded(answer) is not None,
        "quality": [str(reason) for reason in picture_reasons(answer)],
        "live": next((each.live for each in answer.faces if each.live is not None), None),
        "models": [f"{p.model} {p.version} {p.digest}" for p in answer.producers],
    }
    if face is not None:
        for name in ("width_px", "presence", "sharpness", "brightness"):
            found[name] = float(getattr(face, name))
    if head is not None:
        found |= {"yaw_deg": head.yaw_deg, "pitch_deg": head.pitch_deg, "roll_deg": head.roll_deg}
    return found


def evaluate_order(spec: EvaluateSpec) -> Order:
    """What the actors are made of."""
    return Order(open=Evaluator, spec=spec, schema=SCHEMA)


def labelled(media: Media, most_people: int | None) -> list[str]:
    """The pictures that have labels, each as `kind:file`, in the order of the accuracy command."""
    people = those_with_most(media.people(), most_people)
    kinds: list[tuple[str, list[Path]]] = [
        (PEOPLE, [path for paths in people.values() for path in paths]),
        (POSED, [each.picture for each in media.posed_faces()]),
        (GROUP, [path for path, _ in media.group_photos()]),
        (LIVENESS, [path for path, _ in media.spoof_pictures()]),
    ]
    return [f"{kind}:{path.relative_to(media.root)}" for kind, paths in kinds for path in paths]


def every_picture(folder: Path) -> list[str]:
    """Every picture below a folder, without labels: kept evidence that was exported, for one."""
    found = (each for each in folder.rglob("*") if each.suffix.lower() in PICTURES)
    return sorted(f"{PICTURE}:{each.relative_to(folder)}" for each in found if each.is_file())


def stamps(folder: Path, items: Sequence[str]) -> list[Any]:
    """Size and time of change of each file: other pictures are another run."""
    found = []
    for item in items:
        stat = (folder / item.partition(":")[2]).stat()
        found.append((stat.st_size, stat.st_mtime_ns))
    return found


def figures_of(media: Media, rows: pa.Table, most_people: int | None) -> list[Figure]:
    """What the accuracy command computes of the same items, from the rows; in its order."""
    told: dict[tuple[str, str], Row] = {(row["kind"], row["file"]): row for row in rows.to_pylist()}

    def row_of(kind: str, path: Path) -> Row:
        return told[kind, str(path.relative_to(media.root))]

    found: list[Figure] = []
    people = those_with_most(media.people(), most_people)
    if people:
        found += _people(people, row_of)
    if posed := media.posed_faces():
        found += head_figures(posed, [_head(row_of(POSED, each.picture)) for each in posed])
    if photos := media.group_photos():
        counts = [row_of(GROUP, path)["faces"] or 0 for path, _ in photos]
        found.append(group_figure(photos, counts))
    if spoofs := media.spoof_pictures():
        lives = [row_of(LIVENESS, path)["live"] for path, _ in spoofs]
        found += liveness_figures([live for _, live in spoofs], lives)
    return found


def _people(people: Mapping[str, Sequence[Path]], row_of: Any) -> list[Figure]:
    from bench.accuracy.verification import WANTED

    rows = [
        (number, row_of(PEOPLE, path))
        for number, paths in enumerate(people.values())
        for path in paths
    ]
    had = [(number, row) for number, row in rows if row["has_embedding"]]
    values = taken(
        np.array([(number, int(not row["has_embedding"])) for number, row in rows], np.int64),
        np.array([not row["quality"] for _, row in had], bool),
        np.array([number for number, _ in had], np.int64),
        len(people),
    )
    return [
        Figure(key=key, label=label, unit=unit, found=values[key][0], basis=values[key][1])
        for key, label, unit in WANTED
        if key in values
    ]


def _head(row: Row) -> HeadPose | None:
    if row["yaw_deg"] is None:
        return None
    return HeadPose(yaw_deg=row["yaw_deg"], pitch_deg=row["pitch_deg"], roll_deg=row["roll_deg"])


def as_json(figures: Sequence[Figure]) -> dict[str, object]:
    """Key -> value with its interval, null where nothing was measured."""
    return {each.key: None if each.found is None else asdict(each.found) for each in figures}
