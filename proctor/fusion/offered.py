"""Which of a policy's signals an installation can give: those whose models are there.

Faces, bodies and speech are always looked for; the other model groups exist only where a model was
chosen for them. A rule on a signal of a group that is off never holds, so whoever makes the exam is told.
"""

from collections.abc import Collection, Mapping

from proctor.domain.candidates import ConsentScope
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


CONSENT_TO: Mapping[SignalKind, ConsentScope] = {SignalKind.OTHER_VOICE: ConsentScope.VOICE}
"""What the candidate must have agreed to before a signal exists in their session."""


def signals_off(
    policy: Policy, groups: Collection[str], scopes: Collection[ConsentScope] | None = None
) -> tuple[SignalKind, ...]:
    """The signals that rules of the policy name and that do not exist here.

    Args:
        policy: Whose rules.
        groups: The model groups that are served, and the tasks that are on.
        scopes: What the candidate of a session agreed to; None when no session is asked about.
    """

    def is_off(kind: SignalKind) -> bool:
        if kind in GROUP_OF and GROUP_OF[kind] not in groups:
            return True
        return scopes is not None and kind in CONSENT_TO and CONSENT_TO[kind] not in scopes

    named = policy.signals()
    return tuple(kind for kind in SignalKind if kind in named and is_off(kind))
