"""Enrolled faces embedded for a new model, by pictures in a folder: FOLDER/CANDIDATE_ID/*.jpg.

The actor that computes a vector seals it and puts it into the face index; what it returns are codes.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from bench.accuracy.media import PICTURES
from jobs.pipeline import Order, Row
from models.catalogue import Catalogue, default_dir, match_calibration
from models.in_process import InProcessPerception
from models.selection import select
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import CandidateId, TenantId
from proctor.services.looking import FaceLook
from proctor.services.pictures import PictureDesk
from proctor.services.reembed import Eye, Outcome, Reembed
from proctor.settings import Settings

MOST_PICTURES = 20
SCHEMA = pa.schema(
    [
        ("candidate_id", pa.string()),
        ("outcome", pa.string()),
        ("reasons", pa.list_(pa.string())),
        ("model", pa.string()),
        ("model_version", pa.string()),
        ("template_version", pa.int64()),
        ("pictures", pa.int64()),
        ("good_pictures", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class ReembedSpec:
    """Whose faces, where pictures are, and which embedding models: the pack's own and the new one."""

    tenant_id: str
    folder: str
    pack: str
    instead: Mapping[str, str]
    model: str


class Reembedder:
    """Both models, the database and the face index, in one actor."""

    def __init__(self, spec: ReembedSpec) -> None:
        from proctor.adapters.clock import SystemClock
        from proctor.bootstrap_stores import open_faces, open_sql

        self._spec = spec
        self._folder = Path(spec.folder)
        settings = Settings()
        self._loop = asyncio.new_event_loop()
        stores = open_sql(settings)
        self._loop.run_until_complete(stores.open())
        models_dir = default_dir(settings.home, settings.models_dir)
        old, self._new = (
            _eye(models_dir, spec.pack, instead)
            for instead in (spec.instead, {**spec.instead, "face_embedding": spec.model})
        )
        self._reembed = Reembed(
            stores.candidates, open_faces(settings), old, self._new, SystemClock()
        )

    def rows(self, item: str) -> Sequence[Row]:
        """What became of one candidate's face."""
        pictures = pictures_of(self._folder / item)
        if len(pictures) > MOST_PICTURES:
            return [self.failed(item, "too_many")]
        done = self._loop.run_until_complete(
            self._reembed(
                TenantId(self._spec.tenant_id),
                CandidateId(item),
                [path.read_bytes() for path in pictures],
            )
        )
        about = {"outcome": str(done.outcome), "reasons": list(done.reasons)}
        counts = {
            "template_version": done.version,
            "pictures": len(pictures),
            "good_pictures": done.good,
        }
        return [self._whose(item) | about | counts]

    def failed(self, item: str, reason: str) -> Row:
        """Why nothing was done."""
        return self._whose(item) | {"outcome": str(Outcome.FAILED), "reasons": [reason]}

    def _whose(self, item: str) -> Row:
        model = self._new.model
        return {"candidate_id": item, "model": model.model, "model_version": model.version}


def _eye(models_dir: Path, pack: str, instead: Mapping[str, str]) -> Eye:
    selection = select(pack, instead)
    model, calibration = match_calibration(selection, Catalogue(models_dir))
    perception = InProcessPerception(models_dir, frozenset({"face"}), selection)
    look = FaceLook(perception, PictureDesk(at_once=1), model)
    return Eye(look=look, model=model, calibration=calibration)


def reembed_order(spec: ReembedSpec) -> Order:
    """What the actors are made of."""
    return Order(open=Reembedder, spec=spec, schema=SCHEMA)


def candidates_in(folder: Path) -> list[str]:
    """The candidates that a folder holds pictures of. Raises `InvalidInput` when there are none."""
    found = sorted(
        each.name for each in folder.iterdir() if each.is_dir() and not each.name.startswith(".")
    )
    if not found:
        raise InvalidInput(f"{folder} holds no folder named after a candidate's id")
    return found


def pictures_of(folder: Path) -> list[Path]:
    """A candidate's pictures, by name."""
    return sorted(each for each in folder.iterdir() if each.suffix.lower() in PICTURES)


def summary(rows: pa.Table) -> dict[str, int]:
    """Candidates by outcome."""
    counts = Counter(rows["outcome"].to_pylist())
    return {str(outcome): counts[str(outcome)] for outcome in Outcome}
