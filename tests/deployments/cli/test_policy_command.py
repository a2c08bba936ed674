"""`proctor policy`: a right policy is named, a wrong one is one line and exit code 2."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def proctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_standard_policy_is_valid() -> None:
    done = proctor("policy", "check", "policies/standard.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("standard version 1: 21 rules")


def test_a_wrong_one_is_one_line_that_names_the_field(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "standard.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace("face_hz: 1.0", "face_hz: .nan"), encoding="utf-8")
    done = proctor("policy", "check", str(wrong))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "sampling.face_hz" in done.stderr


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_bytes(b"\xff\xfe\x00")
    done = proctor("policy", "check", str(wrong))
    assert done.returncode == 2
    assert done.stderr.strip() == f"proctor: {wrong} is no UTF-8 text"


def test_everything_that_is_wrong_is_told_a_line_each(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "standard.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.yaml"
    text = text.replace("version: 1\n", "version: 0\n").replace("face_hz: 1.0", "face_hz: .nan")
    wrong.write_text(text.replace("severity: info  ", "severity: grave"), encoding="utf-8")
    done = proctor("policy", "check", str(wrong))
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    for line, field in zip(lines, ("version", "sampling.face_hz", "severity"), strict=True):
        assert line.startswith(f"{wrong}: line ") and f"{field}: " in line


def test_the_schema_is_printed_as_it_is_committed() -> None:
    done = proctor("policy", "schema")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / "policies" / "policy.schema.json").read_text(encoding="utf-8")


def test_the_standard_policy_passes_its_cases() -> None:
    done = proctor("policy", "test", "policies/tests")
    assert (done.returncode, done.stderr) == (0, "")
    assert "all as expected" in done.stdout


def test_a_policy_that_breaks_a_rule_fails_with_the_rule_s_name(tmp_path: Path) -> None:
    text = (ROOT / "policies" / "standard.yaml").read_text(encoding="utf-8")
    late = tmp_path / "late.yaml"
    late.write_text(text.replace("for_ms: 3000", "for_ms: 30000", 1), encoding="utf-8")
    done = proctor("policy", "test", "policies/tests", "--policy", str(late))
    assert done.returncode == 1
    assert (
        "standard.yaml: nobody is in the picture for ten seconds: rule no_face: "
        "expected at 10 s, did not come"
    ) in done.stdout
    assert "rule speech" not in done.stdout


def test_cases_that_cannot_be_read_are_one_line_that_names_the_file(tmp_path: Path) -> None:
    for name, text, told in (
        ("a.yaml", "cases: [", "YAML"),
        ("b.yaml", "cases: [{name: x, incidents: []}]", "seen"),
        ("c.yaml", "cases: [{name: x, incidents: [], recording: r.arrow}]", "names no policy"),
    ):
        folder = tmp_path / name.removesuffix(".yaml")
        folder.mkdir()
        (folder / name).write_text(text, encoding="utf-8")
        done = proctor("policy", "test", str(folder))
        assert done.returncode == 2
        assert name in done.stderr and told in done.stderr and done.stderr.count("\n") == 1
    assert proctor("policy", "test", str(tmp_path)).returncode == 2
