"""What `manifest.yaml` must say about every file, checked to the last field.

A pack is a list of files that together serve the model groups. `embedded` is the only one so far;
a pack whose licence must be accepted by name says so with `accept_licence`.
"""

from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import ManifestInvalid

MANIFEST = Path(__file__).with_name("manifest.yaml")

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]
Probability = Annotated[float, Field(gt=0, lt=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Wheel(_Strict):
    """A pinned wheel that pip fetches, from wherever pip is told to look.

    Attributes:
        requirement: `name==version`.
        filename: The wheel's exact name.
        sha256: Digest of the wheel.
        bytes: Its size.
        python: Python version that pip is to resolve for.
        platform: Platform tag that pip is to resolve for.
    """

    requirement: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+==[A-Za-z0-9._]+$")]
    filename: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+\.whl$")]
    sha256: Digest
    bytes: Annotated[int, Field(gt=0)]
    python: Literal["3.11"]
    platform: Literal["manylinux_2_28_x86_64"]


class WheelSource(_Strict):
    """A member of a pinned wheel, perhaps converted after it was taken out.

    Attributes:
        wheel: Key in the manifest's `wheels`.
        member: Path inside the wheel.
        member_sha256: Digest of the member itself; needed when it is converted.
        convert: What makes the file out of the member; None when they are the same bytes.
    """

    kind: Literal["wheel"]
    wheel: Name
    member: str
    member_sha256: Digest | None = None
    convert: Literal["dlib-resnet-to-onnx"] | None = None

    @model_validator(mode="after")
    def _conversion_starts_from_known_bytes(self) -> Self:
        if self.convert is not None and self.member_sha256 is None:
            raise ValueError(f"{self.member} is converted, so member_sha256 must be stated")
        return self


class HttpsSource(_Strict):
    """An address that serves the file itself."""

    kind: Literal["https"]
    url: Annotated[str, Field(pattern=r"^https://[^\s]+$")]


Source = Annotated[WheelSource | HttpsSource, Field(discriminator="kind")]


class Licence(_Strict):
    """Under what terms the file may be used.

    Attributes:
        name: SPDX identifier, or the terms in words where there is none.
        commercial_use: Whether the terms allow it.
        attribution: Who is to be named, and where the file was made.
    """

    name: str
    commercial_use: bool
    attribution: str


class Calibration(_Strict):
    """How distances of an embedding model become probabilities (proctor/identity/matching.py)."""

    metric: Literal["l2", "cosine"]
    slope: Annotated[float, Field(gt=0)]
    midpoint: Annotated[float, Field(gt=0)]
    match_above: Probability
    no_match_below: Probability
    fmr: Probability
    measured: str

    @model_validator(mode="after")
    def _leaves_room_for_doubt(self) -> Self:
        if self.no_match_below >= self.match_above:
            raise ValueError("no_match_below must be less than match_above")
        return self


class ModelFile(_Strict):
    """One file of the catalogue.

    Attributes:
        id: Its name; never reused for other bytes without a new version.
        version: Of the file's content.
        task: What it is for.
        runtime: What runs it; `none` for pictures and sound.
        filename: Its name on disk, under `<models_dir>/<id>/`.
        sha256: Digest of the file.
        bytes: Its size.
        licence: Terms of use.
        sources: Where it comes from, tried in order.
        mirror: Further places in a mirror, relative to its root; `<id>/<filename>` is always one.
        input: What goes in.
        output: What comes out.
        thresholds: Limits that this product applies to the output.
        calibration: For embedding models only.
        accuracy: What was measured, with its caveats.
        cost: What one call costs.
    """

    id: Name
    version: str
    task: Literal[
        "face_detection",
        "face_landmarks",
        "iris",
        "face_embedding",
        "body_detection",
        "body_landmarks",
        "voice",
        "picture",
        "sound",
    ]
    runtime: Literal["litert", "onnx", "none"]
    filename: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    sha256: Digest
    bytes: Annotated[int, Field(gt=0)]
    licence: Licence
    sources: Annotated[tuple[Source, ...], Field(strict=False, min_length=1)]
    mirror: Annotated[tuple[str, ...], Field(strict=False)] = ()
    input: str = ""
    output: str = ""
    thresholds: dict[str, float] = {}
    calibration: Calibration | None = None
    accuracy: Annotated[tuple[str, ...], Field(strict=False)] = ()
    cost: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.task == "face_embedding") != (self.calibration is not None):
            raise ValueError(f"{self.id}: embedding models, and only they, state a calibration")
        for place in self.mirror:
            path = PurePosixPath(place)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{self.id}: mirror place {place} leaves the mirror")
        return self


class Pack(_Strict):
    """A list of files that are fetched and used together."""

    title: str
    accept_licence: bool = False
    files: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]


class Manifest(_Strict):
    """Everything that can be fetched."""

    manifest: Literal[1]
    wheels: dict[Name, Wheel]
    packs: dict[Name, Pack]
    files: Annotated[tuple[ModelFile, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        ids = [file.id for file in self.files]
        if len(set(ids)) != len(ids):
            raise ValueError("two files have the same id")
        if shared := set(ids) & set(self.packs):
            raise ValueError(f"a file and a pack share the name {sorted(shared)[0]}")
        for name, pack in self.packs.items():
            if unknown := set(pack.files) - set(ids):
                raise ValueError(f"pack {name} lists unknown file {sorted(unknown)[0]}")
        for file in self.files:
            for source in file.sources:
                if isinstance(source, WheelSource) and source.wheel not in self.wheels:
                    raise ValueError(f"{file.id} names unknown wheel {source.wheel}")
        return self


def parse_manifest(text: str) -> Manifest:
    """Check and read a manifest.

    Raises:
        ManifestInvalid: With the first wrong field in one line.
    """
    try:
        return Manifest.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise ManifestInvalid(f"the manifest is no YAML: {error}".replace("\n", " ")) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "manifest"
        raise ManifestInvalid(f"the manifest is wrong at {place}: {first['msg']}") from error


@cache
def load_manifest() -> Manifest:
    """The product's own manifest."""
    return parse_manifest(MANIFEST.read_text(encoding="utf-8"))
