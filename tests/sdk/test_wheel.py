"""The wheel by itself: built, installed, and enough for the README's first example."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from proctor_client.errors import ExtraMissing
from proctor_client.frames import frame_of, table_of
from proctor_client.progress import progress_bar
from tests.fakes.api import ROOT, FakeApi
from tests.proctor.api.test_observed import record
from tests.sdk.test_readme import EXAMPLES, ran

AFTERWARDS = """
import sys, proctor_client
ours = {"proctor", "models", "actors", "deployments", "jobs", "bench", "fastapi", "ray"} & set(sys.modules)
assert not ours, ours
print("from", proctor_client.__file__)
"""


def built(folder: Path) -> Path:
    """Where the wheel is unpacked."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT / "sdk", check=True, capture_output=True)
    [wheel] = (folder / "dist").glob("rayproctor_client-*.whl")
    place = folder / "site"
    install = ["pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(place)]
    subprocess.run([sys.executable, "-m", *install, str(wheel)], check=True, capture_output=True)
    return place


async def test_the_wheel_runs_the_first_example_and_loads_nothing_of_the_server(
    api: FakeApi, url: str, tmp_path: Path
) -> None:
    await record(api)
    place = await asyncio.to_thread(built, tmp_path)
    printed = await ran(EXAMPLES[0] + AFTERWARDS, api, url, tmp_path, path=str(place))
    assert "faces_seen" in printed and f"from {place}" in printed
    typed = await asyncio.to_thread((place / "proctor_client" / "py.typed").is_file)
    assert typed


@pytest.mark.parametrize(
    ("gone", "extra", "use"),
    [
        ("pyarrow", "arrow", lambda: table_of(b"")),
        ("pandas", "pandas", lambda: frame_of(None)),  # type: ignore[arg-type]
        ("rich", "progress", lambda: progress_bar("clip").__enter__()),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, gone: str, extra: str, use: Callable[[], object]
) -> None:
    for name in [gone, *(name for name in sys.modules if name.startswith(f"{gone}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExtraMissing, match=re.escape(f"rayproctor-client[{extra}]")):
        use()


def test_a_bar_is_shown_as_bytes_come(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("clip") as advance:
        advance(500, 1_000)
        advance(1_000, 1_000)
    shown = capsys.readouterr().out
    assert "clip" in shown and "1.0/1.0 kB" in shown
