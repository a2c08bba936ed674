"""Signals of which nobody has measured here how often they are wrong.

A rule above severity `info` that rests on one has to say so (`unmeasured: accept`): whoever makes the
exam decides with open eyes. Where each is stated: models/manifest.yaml, docs/liveness.md,
docs/decisions/0005-whose-voice.md, docs/object-detector.md.
"""

from collections.abc import Iterator, Mapping

from proctor.domain.incidents import Severity
from proctor.domain.signals import SignalKind
from proctor.fusion.policy import Policy, Rule

UNMEASURED: Mapping[SignalKind, str] = {
    SignalKind.WHISPER: "only synthetic whispers were measured",
    SignalKind.NOT_LIVE: "no attack was ever measured",
    SignalKind.OBJECT_SEEN: "the detector is the operator's own",
    SignalKind.STEADY_BEAT: "no real camera was measured",
}
"""With what is missing. A signal leaves this table when its figures stand in docs/accuracy.md."""


def unmeasured_in(rule: Rule) -> tuple[SignalKind, ...]:
    """The unmeasured signals that may make the rule hold; () where it says that it accepts them."""
    if rule.unmeasured == "accept" or rule.top is Severity.INFO:
        return ()
    return tuple(sorted(frozenset().union(*rule.when.ways()) & UNMEASURED.keys()))


def wrong_measure(policy: Policy) -> Iterator[tuple[int, str]]:
    """(index of the rule, one sentence) for every rule that does not say what it rests on."""
    for index, rule in enumerate(policy.rules):
        for kind in unmeasured_in(rule):
            yield (
                index,
                f"rule {rule.id} rests on {kind}, which is unmeasured ({UNMEASURED[kind]}): say "
                "`unmeasured: accept`, or make it info",
            )
