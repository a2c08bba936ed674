"""The notebook is run as a data scientist runs it: against a live product, after a session."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from bench.candidate.person import Candidate
from bench.candidate.pictures import Moved
from bench.candidate.reels import encode
from bench.candidate.scenes import Scene, Script
from bench.candidate.sounds import QuietRoom
from bench.candidate.stills import empty_room
from tests.e2e.support.system import System, new_session, post, replayed_hash, wait_for_alert

pytestmark = pytest.mark.e2e

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "alerts_of_a_session.ipynb"
JUPYTER_EXECUTE = Path(sys.executable).with_name("jupyter-execute")


def run_notebook(system: System, session_id: str, output: Path) -> str:
    """Run it in a kernel of its own, as a person would; everything it showed as plain text."""
    environment = {
        **os.environ,
        "PROCTOR_URL": system.base_url,
        "PROCTOR_TOKEN": system.mint("analyst"),
        "PROCTOR_SESSION": session_id,
    }
    done = subprocess.run(
        [str(JUPYTER_EXECUTE), str(NOTEBOOK), "--output", str(output)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return "".join(
        shown["data"].get("text/plain", "")
        for cell in nbformat.read(output, as_version=4).cells
        for shown in cell.get("outputs", [])
        if "data" in shown
    )


@pytest.mark.parametrize("system", ["50"], indirect=True)
async def test_the_notebook_explains_an_empty_room(system: System, tmp_path: Path) -> None:
    scene = Scene(name="empty", start_s=0, picture=Moved(empty_room(1)), sound=QuietRoom(1))
    async with system.client() as client:
        session_id, join_url = await new_session(client, "notebook")
        candidate = Candidate(system.base_url, encode(Script([scene], 30)))
        await candidate.join(join_url.partition("#ticket=")[2])
        await wait_for_alert(client, session_id, "no_face", 20)
        await post(client, f"/v1/sessions/{session_id}/end", {})
        await candidate.close()
        await replayed_hash(system, client, session_id)

    shown = await asyncio.to_thread(run_notebook, system, session_id, tmp_path / "run.ipynb")
    assert "no_face" in shown
    assert "judged picture, sha256:" in shown
