"""Which of a policy's signals an installation can give: those whose models are there.

Faces, bodies and speech are always looked for; the other model groups exist only where a model was
chosen for them. A rule on a signal of a group that is off never holds, so whoever makes the exam is told.
"""

from collections.abc import Collection, Mapping

from proctor.domain.signals import SignalKind
from proctor.fusion.policy import Policy

GROUP_OF: Mapping[SignalKind, str] = {
    SignalKind.OBJECT_SEEN: "objects",
    SignalKind.OTHER_VOICE: "speakers",
    SignalKind.SEVERAL_VOICES: "speakers",
    SignalKind.NOT_LIVE: "liveness",
}
"""The model group that a signal needs besides those that are always there; for liveness, a task of faces
that may be off, the task."""


def signals_off(policy: Policy, groups: Collection[str]) -> tuple[SignalKind, ...]:
    """The signals that rules of the policy name and that do not exist here.

    Args:
        policy: Whose rules.
        groups: The model groups that are served, and the tasks that are on.
    """
    named = policy.signals()
    return tuple(
        kind
        for kind in SignalKind
        if kind in named and kind in GROUP_OF and GROUP_OF[kind] not in groups
    )
