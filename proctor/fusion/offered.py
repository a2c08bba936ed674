"""Which of a policy's signals an installation can give: those whose models are there.

Faces, bodies and speech are always looked for; everything else is an offer: a model group that is
served, or something that a chosen model can do. A rule on a signal that needs what is not offered never
holds, so whoever makes the exam is told.
"""

from collections.abc import Collection, Mapping

from proctor.domain.candidates import ConsentScope
from proctor.domain.signals import SignalKind
from proctor.fusion.policy import Policy

OBJECTS = "objects"
"""The group of the object detector is served."""
SPEAKERS = "speakers"
"""The group that tells voices apart is served."""
LIKENESS = "likeness"
"""It is, and how alike two of its vectors are is calibrated."""
LIVENESS = "liveness"
"""The face group has a model of liveness."""

NEEDS: Mapping[SignalKind, str] = {
    SignalKind.OBJECT_SEEN: OBJECTS,
    SignalKind.SEVERAL_VOICES: SPEAKERS,
    SignalKind.OTHER_VOICE: LIKENESS,
    SignalKind.NOT_LIVE: LIVENESS,
}
"""The offer that a signal needs besides what is always there."""

CONSENT_TO: Mapping[SignalKind, ConsentScope] = {
    SignalKind.DIFFERENT_PERSON: ConsentScope.FACE,
    SignalKind.IDENTITY_UNVERIFIED: ConsentScope.FACE,
    SignalKind.NOT_LIVE: ConsentScope.FACE,
    SignalKind.OTHER_VOICE: ConsentScope.VOICE,
}
"""What the candidate must have agreed to before a signal exists in their session."""


def signals_off(
    policy: Policy, offers: Collection[str], scopes: Collection[ConsentScope] | None = None
) -> tuple[SignalKind, ...]:
    """The signals that rules of the policy name and that do not exist here.

    Args:
        policy: Whose rules.
        offers: What the installation has (`OBJECTS`, `SPEAKERS`, `LIKENESS`, `LIVENESS`).
        scopes: What the candidate of a session agreed to; None when no session is asked about.
    """

    def is_off(kind: SignalKind) -> bool:
        if kind in NEEDS and NEEDS[kind] not in offers:
            return True
        return scopes is not None and kind in CONSENT_TO and CONSENT_TO[kind] not in scopes

    named = policy.signals()
    return tuple(kind for kind in SignalKind if kind in named and is_off(kind))
