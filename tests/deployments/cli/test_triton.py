"""`proctor models export-triton`, as it is typed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("tritonclient.grpc", reason="the extra `triton` is not installed")

from deployments.cli.models import app


def test_weights_that_are_not_here_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROCTOR_MODELS_DIR", str(tmp_path / "none"))
    told = CliRunner().invoke(app, ["export-triton", str(tmp_path / "out")])
    assert told.exit_code == 2
    assert "proctor models fetch" in told.output and told.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.weights
def test_the_chosen_networks_are_written(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["export-triton", str(tmp_path), "--backend", "python"])
    assert told.exit_code == 0, told.output
    home = tmp_path / "proctor-face-embedding"
    assert {each.name for each in (home / "1").iterdir()} == {"model.onnx", "model.py"}
    assert 'backend: "python"' in (home / "config.pbtxt").read_text()
    assert not (tmp_path / "proctor-voice").exists()
