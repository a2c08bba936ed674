"""The page that operators read lists every metric as the code has it."""

import re
import subprocess

from opentelemetry.sdk.trace import SpanProcessor

from ops.watching import PAGE, with_table
from proctor.adapters.tracing import OtelTracer
from tests.ops.test_rules import RECORDED
from tests.ops.watched import EXPOSED


def test_the_page_has_every_metric_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run `python -m ops.watching`"


def test_what_the_page_tells_to_ask_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"proctor:[\w:]+\w", page)) <= set(RECORDED)
    for name in re.findall(r"`(?:[^`|]*\()?(proctor_\w+)", page):
        assert name in EXPOSED or f"{name}_bucket" in EXPOSED, name
    for link in re.findall(r"\]\(([^)]+)\)", page):
        assert (PAGE.parent / link).exists(), link


def test_the_command_on_the_page_finds_the_trace_of_an_alert() -> None:
    page = PAGE.read_text(encoding="utf-8")
    [command] = re.findall(r"^\$ (printf .*?) +#", page, re.MULTILINE)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    known = OtelTracer("test", 0, SpanProcessor()).of_alert("alr_1f2e")
    assert known.split("-")[1] == done.stdout.strip()
