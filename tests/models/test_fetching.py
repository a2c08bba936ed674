"""Mirror first, resumed, verified, atomic: against a folder, a server on loopback, and pip itself."""

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from models.catalogue import Catalogue, FileState
from models.errors import FetchFailed, ModelFileAltered, ModelFileError, ModelFileMissing
from models.manifest import HttpsSource, Licence, Manifest, ModelFile, Pack, Wheel, WheelSource
from models.sources import digest_of, download, write_verified

CONTENT = bytes(range(256)) * 4096
WHEEL = "tiny_models-1.0-py3-none-any.whl"


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT under /<any>/tiny.bin; can cut an answer short and notes what was asked."""

    served: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str | None]] = []
    cut_after: ClassVar[int | None] = None
    encoded: ClassVar[set[str]] = set()
    looping: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        content = self.served.get(self.path)
        self.asked.append(self.headers.get("Range"))
        if any(self.path.startswith(each) for each in self.looping):
            self.send_response(302)
            self.send_header("Location", self.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if content is None:
            self.send_error(404)
            return
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if self.path in self.encoded:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        body = content[start:]
        if Server.cut_after is not None:
            body, Server.cut_after = body[: Server.cut_after], None
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    Server.served, Server.asked, Server.cut_after = {}, [], None
    Server.encoded, Server.looping = set(), set()
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    thread.join()
    running.server_close()


def tiny(sources: tuple[object, ...] | None = None) -> ModelFile:
    return ModelFile(
        id="tiny",
        version="1",
        task="picture",
        runtime="none",
        filename="tiny.bin",
        sha256=digest_of(CONTENT),
        bytes=len(CONTENT),
        licence=Licence(name="CC0-1.0", commercial_use=True, attribution="nobody"),
        sources=sources or (WheelSource(kind="wheel", wheel="tiny", member="tiny/tiny.bin"),),
        mirror=("elsewhere/tiny.bin",),
    )


def manifest(file: ModelFile, wheel_sha256: str = "0" * 64) -> Manifest:
    wheel = Wheel(
        requirement="tiny-models==1.0",
        filename=WHEEL,
        sha256=wheel_sha256,
        bytes=1000,
        python="3.11",
        platform="manylinux_2_28_x86_64",
    )
    return Manifest(
        manifest=1,
        wheels={"tiny": wheel},
        packs={"embedded": Pack(title="tiny", files=("tiny",))},
        models={},
        files=(file,),
    )


def left_over(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != ".lock")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """pip sees no index, only the wheels in the folder that is returned."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def make_wheel(folder: Path, content: bytes = CONTENT) -> str:
    """A wheel that pip accepts; returns its digest."""
    info = "tiny_models-1.0.dist-info"
    with zipfile.ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tiny/tiny.bin", content)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-models\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256((folder / WHEEL).read_bytes()).hexdigest()


@pytest.mark.parametrize("place", ["tiny/tiny.bin", "elsewhere/tiny.bin"])
def test_a_mirror_folder_is_asked_first(tmp_path: Path, offline: Path, place: str) -> None:
    (tmp_path / "mirror" / place).parent.mkdir(parents=True)
    (tmp_path / "mirror" / place).write_bytes(CONTENT)
    reports: list[tuple[str, int, int]] = []
    catalogue = Catalogue(tmp_path / "models", str(tmp_path / "mirror"), manifest(tiny()))
    (path,) = catalogue.fetch(progress=lambda *report: reports.append(report))
    assert path.read_bytes() == CONTENT
    assert reports[-1] == ("tiny", len(CONTENT), len(CONTENT))
    assert left_over(tmp_path / "models") == ["tiny.bin"]


def test_a_fetched_folder_serves_as_a_mirror(tmp_path: Path, offline: Path) -> None:
    digest = make_wheel(offline)
    first = Catalogue(tmp_path / "one", None, manifest(tiny(), digest))
    first.fetch()
    second = Catalogue(tmp_path / "two", str(tmp_path / "one"), manifest(tiny()))
    assert second.fetch()[0].read_bytes() == CONTENT


def test_a_mirror_address_is_asked_first(tmp_path: Path, offline: Path, server: str) -> None:
    Server.served["/m/elsewhere/tiny.bin"] = CONTENT
    catalogue = Catalogue(tmp_path, f"{server}/m/", manifest(tiny()))
    assert catalogue.fetch()[0].read_bytes() == CONTENT


def test_other_bytes_in_the_mirror_are_passed_over(tmp_path: Path, offline: Path) -> None:
    (tmp_path / "mirror" / "tiny").mkdir(parents=True)
    (tmp_path / "mirror" / "tiny" / "tiny.bin").write_bytes(b"x" * len(CONTENT))
    digest = make_wheel(offline)
    catalogue = Catalogue(tmp_path / "models", str(tmp_path / "mirror"), manifest(tiny(), digest))
    assert catalogue.fetch()[0].read_bytes() == CONTENT


def test_pip_fetches_the_wheel_and_nothing_of_it_stays(tmp_path: Path, offline: Path) -> None:
    catalogue = Catalogue(tmp_path / "models", None, manifest(tiny(), make_wheel(offline)))
    assert catalogue.fetch()[0].read_bytes() == CONTENT
    assert left_over(tmp_path / "models") == ["tiny.bin"]


def test_another_wheel_than_the_pinned_one_is_one_line(tmp_path: Path, offline: Path) -> None:
    make_wheel(offline)
    with pytest.raises(FetchFailed, match=f"{WHEEL} has digest") as caught:
        Catalogue(tmp_path / "models", None, manifest(tiny())).fetch()
    assert "\n" not in caught.value.detail
    assert left_over(tmp_path / "models") == []


def test_a_member_of_another_digest_is_never_given_its_name(tmp_path: Path, offline: Path) -> None:
    digest = make_wheel(offline, content=b"something else")
    with pytest.raises(FetchFailed, match=r"tiny\.bin has digest"):
        Catalogue(tmp_path / "models", None, manifest(tiny(), digest)).fetch()
    assert left_over(tmp_path / "models") == []


def test_no_network_is_one_line_that_says_what_to_do(tmp_path: Path, offline: Path) -> None:
    with pytest.raises(FetchFailed, match="PROCTOR_MODELS_MIRROR") as caught:
        Catalogue(tmp_path, None, manifest(tiny())).fetch()
    assert "\n" not in caught.value.detail


def test_a_download_goes_on_where_it_stopped(tmp_path: Path, server: str) -> None:
    Server.served["/tiny.bin"] = CONTENT
    Server.cut_after = 300_000
    target = tmp_path / "tiny.bin"
    reports: list[int] = []
    download(
        f"{server}/tiny.bin",
        tiny(),
        target,
        tmp_path / "parts",
        lambda _name, done, _total: reports.append(done),
        first_wait_s=0.0,
    )
    assert target.read_bytes() == CONTENT
    first, second = Server.asked
    assert first is None
    assert second is not None and second.startswith("bytes=") and second != "bytes=0-"
    assert reports == sorted(reports) and reports[-1] == len(CONTENT)


@pytest.mark.parametrize("content", [b"y" * len(CONTENT), CONTENT + b"more"])
def test_a_download_of_other_bytes_leaves_nothing(
    tmp_path: Path, server: str, content: bytes
) -> None:
    Server.served["/tiny.bin"] = content
    target = tmp_path / "tiny.bin"
    with pytest.raises(FetchFailed):
        download(f"{server}/tiny.bin", tiny(), target, tmp_path / "parts", lambda *_: None)
    assert not target.exists()
    assert all(path.stat().st_size == 0 for path in (tmp_path / "parts").iterdir())


def test_a_part_of_another_file_does_not_spoil_a_download(tmp_path: Path, server: str) -> None:
    Server.served["/tiny.bin"] = CONTENT
    parts, target = tmp_path / "parts", tmp_path / "tiny.bin"
    parts.mkdir()
    part = parts / f"{tiny().sha256[:16]}-tiny.bin.part"
    part.write_bytes(b"z" * (len(CONTENT) + 5))
    download(f"{server}/tiny.bin", tiny(), target, parts, lambda *_: None)
    assert target.read_bytes() == CONTENT


def test_a_missing_address_and_a_closed_port_are_one_line(tmp_path: Path, server: str) -> None:
    for url, said in ((f"{server}/absent", "answers 404"), ("http://127.0.0.1:9/x", "no answer")):
        with pytest.raises(FetchFailed, match=said):
            download(url, tiny(), tmp_path / "t", tmp_path, lambda *_: None, first_wait_s=0.0)


@pytest.mark.parametrize("broken", ["gzip", "loop", "address"])
def test_a_broken_mirror_is_passed_over_for_the_next_source(
    tmp_path: Path, offline: Path, server: str, broken: str
) -> None:
    Server.served["/official.bin"] = CONTENT
    Server.encoded.add("/tiny/tiny.bin")
    Server.served["/tiny/tiny.bin"] = b"no gzip"
    Server.looping.add("/loop/")
    mirror = {"gzip": server, "loop": f"{server}/loop", "address": "http://[::1"}[broken]
    official = HttpsSource.model_construct(kind="https", url=f"{server}/official.bin")
    file = tiny().model_copy(update={"sources": (official,)})
    catalogue = Catalogue(tmp_path / "models", mirror, manifest(file))
    assert [path.read_bytes() for path in catalogue.fetch()] == [CONTENT]
    assert left_over(tmp_path / "models") == ["tiny.bin"]


def test_every_source_that_failed_is_told(tmp_path: Path, offline: Path) -> None:
    file = tiny((HttpsSource(kind="https", url="https://127.0.0.1:9/tiny.bin"),))
    with pytest.raises(FetchFailed, match=r"the mirror has nothing.*; .*no answer"):
        Catalogue(tmp_path / "models", str(tmp_path), manifest(file)).fetch()


def test_an_altered_file_is_noticed_refused_and_fetched_again(
    tmp_path: Path, offline: Path
) -> None:
    catalogue = Catalogue(tmp_path, None, manifest(tiny(), make_wheel(offline)))
    with pytest.raises(ModelFileMissing, match="proctor models fetch"):
        catalogue.read("tiny")
    (path,) = catalogue.fetch()
    path.write_bytes(b"q" * len(CONTENT))
    assert catalogue.verify() == {"tiny": FileState.ALTERED}
    with pytest.raises(ModelFileAltered):
        catalogue.read("tiny")
    catalogue.fetch()
    assert catalogue.read("tiny") == CONTENT
    assert catalogue.verify() == {"tiny": FileState.PRESENT}


def test_what_is_there_is_not_fetched_again(tmp_path: Path, offline: Path) -> None:
    catalogue = Catalogue(tmp_path, None, manifest(tiny(), make_wheel(offline)))
    catalogue.fetch()
    (offline / WHEEL).unlink()
    catalogue.fetch()


def test_several_may_fetch_into_one_folder(tmp_path: Path, server: str, offline: Path) -> None:
    Server.served["/tiny/tiny.bin"] = CONTENT
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            Catalogue(tmp_path, server, manifest(tiny())).fetch()
        except BaseException as error:  # noqa: BLE001 - told by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(Server.asked) == 1
    assert left_over(tmp_path) == ["tiny.bin"]


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there are: embedded"):
        Catalogue(tmp_path, None, manifest(tiny())).files(["giant"])


def test_writing_wrong_bytes_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "tiny.bin"
    target.write_bytes(b"old")
    with pytest.raises(FetchFailed):
        write_verified(b"wrong", target, digest_of(CONTENT))
    assert target.read_bytes() == b"old"
    assert left_over(tmp_path) == ["tiny.bin"]
