"""No page names a command, an option, a setting, a file or a figure's command that is not there."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from deployments.cli import app
from proctor.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("sdk/*.md")])
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
CODE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(
    r"(?:^|(?<=[ (]))(?:\.venv/bin/)?"
    r"(proctor|make|pytest|python -m (?:bench|proctor|deployments)[\w.]*)(?= |$)(.*)"
)
OTHERS = {
    "PROCTOR_MEDIA", "PROCTOR_E2E_PEOPLE", "PROCTOR_PYTRITON", "PROCTOR_SHOTS", "PROCTOR_NODE_OFFERS",
    "PROCTOR_TOKEN", "PROCTOR_URL",
}  # fmt: skip
"""Variables that tests, benches, the start of a node and the client read."""


def commands(page: Path) -> Iterator[tuple[str, str]]:
    """What to type, as (command, rest), out of code spans, code blocks and indented lines."""
    text = page.read_text(encoding="utf-8")
    blocks = [line for found in CODE.finditer(text) for line in found.group(0).splitlines()]
    indented = [line for line in text.splitlines() if line.startswith("    ")]
    for line in [*blocks, *indented]:
        typed = line.strip().removeprefix("$ ").split("  #")[0].split(" # ")[0]
        typed = re.sub(r"^([A-Z_]+=\S+ )+", "", typed)
        if found := COMMAND.match(typed):
            yield found.group(1), found.group(2).strip()
    for span in INLINE.findall(CODE.sub("", text)):
        typed = re.sub(r"^([A-Z_]+=\S+ )+", "", span)
        if found := COMMAND.match(typed):
            yield found.group(1), found.group(2).strip()


CALLS = [
    pytest.param(command, rest, id=f"{page.relative_to(ROOT)}: {command} {rest}")
    for page in PAGES
    for command, rest in dict.fromkeys(commands(page))
]


def words(rest: str) -> list[str]:
    """The words of a line; what stands in brackets may be left out and is checked all the same."""
    return shlex.split(re.split(r" [|>&]", rest.replace("[", "").replace("]", ""))[0])


def check_proctor(rest: str) -> None:
    here: Any = typer.main.get_command(app)
    path = ["proctor"]
    for word in words(rest):
        if word.startswith("--"):
            known = {name for each in here.params for name in (*each.opts, *each.secondary_opts)}
            assert word.split("=")[0] in known | {"--help"}, f"{' '.join(path)} has no {word}"
        elif getattr(here, "commands", None):
            assert word in here.commands, f"{' '.join(path)} has no command {word}"
            here = here.commands[word]
            path.append(word)


def check_module(name: str, rest: str) -> None:
    found = importlib.util.find_spec(name)
    assert found is not None, f"there is no module {name}"
    assert found.origin is not None
    folder = Path(found.origin).parent
    texts = [Path(found.origin), *folder.glob("*.py")]
    source = "".join(each.read_text(encoding="utf-8") for each in texts)
    for word in words(rest):
        if word.startswith("--"):
            assert f'"{word.split("=")[0]}"' in source, f"{name} has no {word}"


def test_the_pages_name_commands() -> None:
    assert len(CALLS) > 80, "nothing would be checked otherwise"


@pytest.mark.parametrize(("command", "rest"), CALLS)
def test_a_command_on_a_page_is_there(command: str, rest: str) -> None:
    if command == "proctor":
        check_proctor(rest)
    elif command == "make":
        assert {word for word in words(rest) if "=" not in word} <= TARGETS
    elif command == "pytest":
        paths = [word.split("::")[0] for word in words(rest) if word.startswith("tests/")]
        assert all((ROOT / path).exists() for path in paths)
    else:
        check_module(command.removeprefix("python -m "), rest)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_link_leads_somewhere(page: Path) -> None:
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not target.startswith("mailto:"):
            assert (page.parent / target).exists(), f"{target} is not there"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_setting_on_a_page_is_a_setting(page: Path) -> None:
    known = {f"PROCTOR_{name.upper()}" for name in Settings.model_fields} | OTHERS
    for name in set(re.findall(r"PROCTOR_[A-Z0-9]+(?:_[A-Z0-9]+)*", page.read_text())):
        assert name in known, f"{name} is no setting"


def test_every_code_of_an_error_is_explained() -> None:
    raised = re.compile(
        r"(?:code(?:: ClassVar\[str\])? = |code=|[(,] ?|^ +|return |: \()"
        r"\"((?:auth|authz|biometric|config|consent|cursor|delivery|disk|erasure|event|evidence|export|face|"
        r"idempotency|internal|keys|media|message|models|notice|perception|policy|preflight|proof|rate|request|"
        r"resource|review|service|session|sessions|settings|shard|sink|sinks|state-store|webhook|webrtc)"
        r"/[a-z-]+)\"",
        re.MULTILINE,
    )
    explained = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    found = {
        code
        for room in ("proctor", "deployments", "models", "actors")
        for file in (ROOT / room).rglob("*.py")
        for code in raised.findall(file.read_text(encoding="utf-8"))
    }
    assert len(found) > 100
    assert [code for code in sorted(found) if f"`{code}`" not in explained] == []
