"""Which alert goes to which sink."""

from dataclasses import replace

import pytest

from proctor.alerting.audience import wants
from proctor.domain.alerts import Transition
from proctor.domain.incidents import Category, Severity
from proctor.domain.sinks import SinkFilter
from tests.contract.samples import alert

ALERT = replace(alert(), severity=Severity.MEDIUM)


@pytest.mark.parametrize(
    ("wanted", "is_taken"),
    [
        (SinkFilter(), True),
        (SinkFilter(exam_ids=("exm_1", "exm_2")), True),
        (SinkFilter(exam_ids=("exm_2",)), False),
        (SinkFilter(session_ids=("ses_1",)), True),
        (SinkFilter(session_ids=("ses_2",)), False),
        (SinkFilter(rule_ids=("looking_away",)), True),
        (SinkFilter(rule_ids=("no_face",)), False),
        (SinkFilter(categories=(Category.CONDUCT,)), True),
        (SinkFilter(categories=(Category.COVERAGE, Category.IDENTITY)), False),
        (SinkFilter(transitions=(Transition.OPENED,)), True),
        (SinkFilter(transitions=(Transition.CLOSED,)), False),
        (SinkFilter(severity_at_least=Severity.LOW), True),
        (SinkFilter(severity_at_least=Severity.MEDIUM), True),
        (SinkFilter(severity_at_least=Severity.HIGH), False),
        (SinkFilter(exam_ids=("exm_1",), rule_ids=("no_face",)), False),
    ],
)
def test_everything_that_is_set_must_hold(wanted: SinkFilter, is_taken: bool) -> None:
    assert wants(wanted, ALERT) == is_taken


def test_severities_stand_in_their_order() -> None:
    assert list(Severity) == [Severity.INFO, Severity.LOW, Severity.MEDIUM, Severity.HIGH]
    for lowest, limit in enumerate(Severity):
        taken = [
            wants(SinkFilter(severity_at_least=limit), replace(ALERT, severity=one))
            for one in Severity
        ]
        assert taken == [rank >= lowest for rank in range(len(Severity))]


def test_a_suppressed_alert_is_for_nobody() -> None:
    assert not wants(SinkFilter(), replace(ALERT, suppressed_by="break"))
