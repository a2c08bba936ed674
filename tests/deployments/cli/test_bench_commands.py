"""`proctor bench plan` from a file to a plan; what cannot be done is one line and exit code 2."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.cli import app
from tests.bench.test_plan import sweep

RUN = CliRunner()


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    file = tmp_path / "sweep.json"
    file.write_text(sweep().model_dump_json())
    return file


def test_a_plan_is_printed_with_formulae_and_written(measured: Path, tmp_path: Path) -> None:
    written = tmp_path / "plan.json"
    asked = ["bench", "plan", "--sessions", "50000", "--gpu", "h200", "--from", str(measured)]
    done = RUN.invoke(app, [*asked, "--check", str(measured), "--json", str(written)])
    assert done.exit_code == 0, done.stderr
    assert "ceil(S / sessions a host)" in done.stdout and "by sweep.json" in done.stdout
    told = json.loads(written.read_text())
    values = {step["name"]: step["value"] for step in told["steps"]}
    assert values["session hosts (one core each)"] == -(-50_000 // 70)  # 10 ms each at 0.7
    assert values["GPUs"] > 0 and not told["inputs"]["gpu_rate_face"]["is_measured"]
    assert {row["sessions"] for row in told["check"]} == {10, 20}


def test_a_sweep_alone_is_predicted_from_its_other_points(measured: Path) -> None:
    done = RUN.invoke(app, ["bench", "plan", "--check", str(measured)])
    assert done.exit_code == 0 and "each from the others" in done.stdout


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["plan", "--gpu", "abacus"], "there are none, h200, l4"),
        (["plan", "--from", "pyproject.toml"], "no JSON of `proctor bench load`"),
        (["plan", "--sessions", "0"], "--sessions"),
        (["load", "--sweep", "1,many"], "such as 1,10,25"),
        (["load", "--sweep", "0,10"], "numbers from 1 to 500"),
        (["load", "--plot", "x.png"], "--sweep"),
        (["load", "--event-every-s", "5"], "--event-every-s"),
        (["soak", "--hours", "0"], "--hours"),
        (["delivery", "--ways", "pigeon"], "there are websocket, sse, grpc, kafka"),
        (["delivery", "--rates", "1,many"], "such as 1,100,1000"),
        (["delivery", "--rates", "0"], "above 0"),
    ],
)
def test_what_cannot_be_done_is_one_line(asked: list[str], said: str) -> None:
    done = RUN.invoke(app, ["bench", *asked])
    assert done.exit_code == 2
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1
