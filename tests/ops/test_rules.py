"""Alerting rules: real promtool checks and tests them, each has its page, each names what is exposed."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.ops.watched import EXPOSED, wrong_in

FOLDER = ROOT / "ops" / "prometheus"
PAGES = ROOT / "docs" / "runbook"
PARTS = ("What it means.", "What people notice.", "Look here.", "Do this.", "When it goes away.")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDED = {rule["record"]: rule["expr"] for rule in rules() if "record" in rule}
ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules_and_the_example() -> None:
    assert f"{len(RECORDED) + len(ALERTS)} rules found" in promtool(
        "check", "rules", FOLDER / "rules.yaml"
    )
    promtool("check", "config", FOLDER / "prometheus.yml")


def test_promtool_runs_the_tests_of_the_rules() -> None:
    assert "SUCCESS" in promtool("test", "rules", FOLDER / "rules.test.yaml")


def test_a_rule_that_is_wrong_is_found(tmp_path: Path) -> None:
    text = (FOLDER / "rules.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(text.replace("blind_by_fault_ratio > 0.2", "x > 0.99"))
    (tmp_path / "t.yaml").write_text((FOLDER / "rules.test.yaml").read_text())
    done = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "t.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "ProctorSessionsBlind" in done.stdout + done.stderr


def test_every_alert_is_seen_to_come_and_to_keep_quiet() -> None:
    tests = yaml.safe_load((FOLDER / "rules.test.yaml").read_text())["tests"]
    seen: dict[str, set[bool]] = {}
    for each in tests:
        for case in each["alert_rule_test"]:
            seen.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert seen == {name: {True, False} for name in ALERTS}


@pytest.mark.parametrize("name", [*RECORDED, *ALERTS])
def test_a_rule_asks_for_nothing_that_is_not_exposed(name: str) -> None:
    query = RECORDED.get(name) or ALERTS[name]["expr"]
    assert wrong_in(query) == []
    assert set(re.findall(r"proctor:[\w:]+", query)) <= set(RECORDED)


def test_what_is_not_exposed_would_be_found() -> None:
    assert wrong_in('sum(proctor_host_sessionz{a="b"})') == ["proctor_host_sessionz"]
    assert wrong_in('proctor_hosts{colour="red"}') == ["proctor_hosts{colour}"]
    assert wrong_in("sum by (session) (proctor_hosts)") == ["by (session)"]
    assert wrong_in("proctor_host_calls") == ["proctor_host_calls"]  # exposed as ..._total


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook/{name}.md"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("name", ALERTS)
def test_a_page_says_all_that_is_needed_and_leads_somewhere(name: str) -> None:
    text = (PAGES / f"{name}.md").read_text()
    places = [text.index(f"**{part}**") for part in PARTS]
    assert places == sorted(places)
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (PAGES / link).is_file(), link
    for metric in re.findall(r"`(proctor_\w+)", text):
        assert metric in EXPOSED or f"{metric}_bucket" in EXPOSED, metric
    assert set(re.findall(r"\bProctor[A-Z]\w+", text)) <= set(ALERTS)
