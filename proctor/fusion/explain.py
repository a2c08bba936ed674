"""Why an alert was raised: its rule, its numbers, and the same judgement made again from the recording."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from proctor.domain.alerts import Alert
from proctor.domain.errors import InvalidInput
from proctor.domain.recordings import Row
from proctor.fusion.alert_log import line_of
from proctor.fusion.plain_yaml import PlainLoader
from proctor.fusion.replay import replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An alert and what can be had from the recording about it.

    Attributes:
        alert: As it was committed.
        rule_text: Its rule, as the recorded policy says it (YAML).
        recomputed: The same alert judged again; None when the replay does not raise it.
        differences: A line for each field that differs; empty when it is the same.
        is_beyond: Whether the alert's number is above all that is recorded so far: it is news of after
            the session's end, or its rows are not stored yet.
    """

    alert: Alert
    rule_text: str
    recomputed: Alert | None
    differences: tuple[str, ...]
    is_beyond: bool = False

    @property
    def is_same(self) -> bool:
        """Whether the recording gives exactly this alert again."""
        return self.recomputed is not None and not self.differences


def explain(alert: Alert, takes: Sequence[Iterable[Row]]) -> Explanation:
    """Judge the recording again up to the alert and compare.

    Raises:
        InvalidInput: The recording cannot be read.
    """
    again = replay(takes, until=alert.alert_id)
    recomputed = next((one for one in again.alerts if one.alert_id == alert.alert_id), None)
    return Explanation(
        alert=alert,
        rule_text=rule_text(again.spec.policy_text, alert.rule_id),
        recomputed=recomputed,
        differences=() if recomputed is None else tuple(_differences(alert, recomputed)),
        is_beyond=alert.seq > again.last_seq,
    )


def sentences(alert: Alert, rule: str | None) -> list[str]:
    """An alert at length, a line for each thing it rests on.

    Args:
        alert: As it was committed.
        rule: Its rule as YAML; None where it is not known.
    """
    lines = [
        f"{alert.alert_id}: {alert.title}, {alert.transition} at {alert.occurred_ms / 1000:.1f} s, "
        f"severity {alert.severity}",
        alert.reason,
        f"rule {alert.rule_id} of policy {alert.policy_id} version {alert.policy_version}:",
        *(f"  {line}" for line in (rule or "(not known any more)").splitlines()),
    ]
    for signal in alert.signals:
        until = "open" if signal.ended_ms is None else f"{signal.ended_ms / 1000:.1f} s"
        lines.append(
            f"signal {signal.kind} from {signal.started_ms / 1000:.1f} s to {until}, "
            f"probability {signal.probability:.3f}, {signal.support.observations} readings"
        )
        lines += [f"  {name} {value:g}" for name, value in signal.support.numbers]
        if signal.support.labels:
            lines.append(f"  seen: {', '.join(signal.support.labels)}")
    lines += [f"model {one.model} {one.version} sha256 {one.digest}" for one in alert.producers]
    lines.append(f"frame sha256 {alert.frame_digest or 'none: it rests on no picture'}")
    if alert.suppressed_by:
        lines.append(f"not delivered: {alert.suppressed_by}")
    return lines


def rule_texts(policy_text: str) -> dict[str, str]:
    """Every rule of a policy as YAML, by id."""
    tree: dict[str, Any] = yaml.load(policy_text, Loader=PlainLoader)
    return {rule["id"]: _dumped(rule) for rule in tree["rules"]}


def _dumped(rule: dict[str, Any]) -> str:
    return yaml.safe_dump(rule, sort_keys=False, allow_unicode=True, width=100).rstrip()


def rule_text(policy_text: str, rule_id: str) -> str:
    """One rule of a policy as YAML. Raises `InvalidInput` when it has none of this name."""
    tree: dict[str, Any] = yaml.load(policy_text, Loader=PlainLoader)
    for rule in tree["rules"]:
        if rule["id"] == rule_id:
            return _dumped(rule)
    raise InvalidInput(f"the recorded policy has no rule {rule_id}", "recording/other-policy")


def _differences(stored: Alert, again: Alert) -> Iterable[str]:
    one: dict[str, object] = json.loads(line_of(stored))
    other: dict[str, object] = json.loads(line_of(again))
    for name in one:
        if one[name] != other[name]:
            yield f"{name}: stored {json.dumps(one[name])}, again {json.dumps(other[name])}"
