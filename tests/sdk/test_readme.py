"""What sdk/README.md says is run: each of its examples, against a server on a real socket."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from proctor_client import errors
from tests.fakes.api import ROOT, FakeApi
from tests.proctor.api.test_evidence import Case
from tests.proctor.api.test_live import alert_of, raise_alerts
from tests.proctor.api.test_observed import record
from tests.sdk.both import Both

README = (ROOT / "sdk" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)


async def ran(
    code: str, api: FakeApi, url: str, folder: Path, path: str = str(ROOT / "sdk" / "src")
) -> str:
    """What a program prints, in a process of its own that knows nothing of the server's code."""
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        "PROCTOR_URL": url,
        "PROCTOR_TOKEN": api.token(),
        "PYTHONPATH": path,
        "TMPDIR": str(folder),
    }
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_data_frame_takes_less_than_ten_lines() -> None:
    assert len(EXAMPLES) >= 5
    assert "to_pandas" in EXAMPLES[0] and len(EXAMPLES[0].strip().splitlines()) < 10


@pytest.mark.parametrize(
    ("number", "said"), list(enumerate(["faces_seen", "looking_away", "Looking", "created", ""]))
)
async def test_an_example_runs_as_it_stands(
    api: FakeApi, url: str, tmp_path: Path, number: int, said: str
) -> None:
    if number == 4:
        case = await Case(api).build()
    else:
        await record(api)
    await raise_alerts(api, alert_of(api, 1), alert_of(api, 2))
    printed = await ran(EXAMPLES[number], api, url, tmp_path)
    assert said in printed
    if number == 4:
        assert len(case.views()) == 1
    if number == 0:
        assert re.search(r"speech_heard\s+1\s+1040\s+1040", printed), printed


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"([A-Z]\w+)", (errors.__doc__ or "").split("\n\n")[1])
    there = {name for name, each in vars(errors).items() if isinstance(each, type)}
    there = {name for name in there if issubclass(getattr(errors, name), errors.ClientError)}
    assert there <= set(drawn)


async def test_frames_are_typed_and_their_values_read(api: FakeApi, both: Both) -> None:
    session_id = await record(api)
    frame = await both.call(lambda c: c.sessions.observations(session_id).to_pandas())
    assert (
        list(frame.kind)[:2] == ["faces_seen", "gaze_seen"] and frame.observed_ms.dtype == "int64"
    )
    assert frame["values"][1]["gaze"]["yaw_deg"] == 12.5
    assert frame.probability.dropna().tolist() == [0.875, 0.5]
    table = await both.call(lambda c: c.sessions.observations(session_id).to_arrow())
    assert table.num_rows == 5 and table.schema.metadata == {
        b"format": b"rayproctor-observations/1"
    }
