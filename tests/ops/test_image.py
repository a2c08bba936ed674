"""The Dockerfile as far as it can be held to without a daemon: lint, sources, user, secrets."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = ROOT / "ops" / "image" / "Dockerfile"
TEXT = DOCKERFILE.read_text()


def test_hadolint_finds_nothing() -> None:
    tool = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [tool, DOCKERFILE], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout


def test_what_is_copied_exists_and_is_let_into_the_context() -> None:
    let_in = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--link --from)(?:--\S+ )?(\S+) \S+$", TEXT, re.MULTILINE)
    assert "requirements/image.lock" in copied
    for source in copied:
        if source == ".":
            continue
        assert (ROOT / source).exists()
        assert any(source == each or source.startswith(f"{each}/") for each in let_in), source


def test_the_rooms_of_the_product_are_in_the_context() -> None:
    let_in = (ROOT / ".dockerignore").read_text()
    for room in ("actors", "deployments", "models", "policies", "proctor", "web", "bench"):
        assert (ROOT / room).is_dir()
        assert f"!{room}\n" in let_in
    assert "\n*\n" in let_in, "a file that nobody named stays out"


def test_both_targets_run_as_nobody_and_hold_no_secret() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", TEXT, re.MULTILINE)
    assert stages[-2:] == ["cuda", "cpu"], "without a target the CPU image is built"
    assert TEXT.count("\nUSER ") == 1
    assert "USER 10001:10001" in TEXT.split(" AS base\n")[1].split("\nFROM ")[0]
    assert not re.search(r"(?i)(password|secret|token)\s*=", TEXT)


def test_every_package_is_pinned_by_its_hash() -> None:
    for line in re.findall(r"pip install[^\n]*", TEXT):
        assert "--require-hashes" in line
    for lock in ("image.lock", "gpu.lock", "cpu.lock"):
        text = (ROOT / "requirements" / lock).read_text()
        pins = re.findall(r"^[A-Za-z0-9._-]+==", text, re.MULTILINE)
        hashed = re.findall(r"^[A-Za-z0-9._-]+==[^\n]*\\\n    --hash=sha256:", text, re.MULTILINE)
        assert len(pins) == len(hashed) > 50


def test_the_image_holds_no_tool_of_tests() -> None:
    text = (ROOT / "requirements" / "image.lock").read_text()
    for tool in ("pytest", "moto", "playwright", "mypy"):
        assert not re.search(rf"^{tool}==", text, re.MULTILINE)
    gpu = (ROOT / "requirements" / "gpu.lock").read_text()
    assert not re.search(r"^onnxruntime==", gpu, re.MULTILINE), "both own one module"
    assert re.search(r"^nvidia-cudnn-cu13==", gpu, re.MULTILINE)
