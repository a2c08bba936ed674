"""The errors of the product, one tree. Each says what to do next.

ProctorError
+-- InvalidInput           the caller sent something that cannot be used   (4xx, exit 2)
|   +-- Unauthorized
|   +-- NotFound
|   +-- Conflict
|   +-- Forbidden
|   +-- ConsentRequired
|   +-- QualityRefused
|   +-- ChallengeRefused
|   +-- PolicyRefused
|   +-- TooManyAttempts
|       +-- BiometricLocked
+-- Unavailable            try again later; `retryable` is True            (503)
    +-- NoCapacity
    +-- StateStoreUnavailable
    |   +-- KeysUnavailable
    +-- PerceptionUnavailable
    +-- NoRoom

Every argument is positional and goes to super().__init__, so that errors survive Ray's pickling.
"""

from typing import ClassVar


class ProctorError(Exception):
    """Root of everything this product raises on purpose.

    Attributes:
        code: Stable, machine-readable name, `area/what`; the last part of the problem's type.
        status: HTTP status when it reaches the API.
        retryable: Whether the same call may succeed later.
        detail: One sentence for a person: what is wrong and what to do next. No secrets, no biometrics.
    """

    code: ClassVar[str] = "internal/error"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class InvalidInput(ProctorError):
    """The caller sent something that cannot be used."""

    code = "request/invalid"
    status = 422

    def __init__(self, detail: str, code: str = "", status: int = 0) -> None:
        Exception.__init__(self, detail, code, status)
        self.detail = detail
        if code:
            self.code = code  # type: ignore[misc]  # a more exact name than the class's
        if status:
            self.status = status  # type: ignore[misc]


class Unauthorized(InvalidInput):
    """The caller is not known: no token, or one that cannot be believed (`auth/...` says why)."""

    code = "auth/invalid-token"
    status = 401


class NotFound(InvalidInput):
    """Nothing of this name exists, or it is another tenant's: the two are told alike."""

    code = "resource/not-found"
    status = 404


class Conflict(InvalidInput):
    """The thing is in a state that does not allow this."""

    code = "resource/conflict"
    status = 409


class Forbidden(InvalidInput):
    """The caller is known but may not do this."""

    code = "authz/forbidden"
    status = 403


class ConsentRequired(Forbidden):
    """No live consent record, so nothing biometric is computed."""

    code = "consent/required"


class QualityRefused(InvalidInput):
    """The pictures cannot serve.

    Attributes:
        reasons: Every reason that stands against the set, once each.
        pictures: The reasons of each picture, in the order they came; () for a good one.
    """

    code = "face/quality"

    def __init__(
        self, detail: str, reasons: tuple[str, ...], pictures: tuple[tuple[str, ...], ...] = ()
    ) -> None:
        Exception.__init__(self, detail, reasons, pictures)
        self.detail = detail
        self.reasons = reasons
        self.pictures = pictures


class ChallengeRefused(InvalidInput):
    """The challenge of an enrolment was not passed; it is used, and another one must be asked for.

    Attributes:
        reasons: Every reason that stands against it, once each.
        steps: The reasons of each step, in the order asked; () for one that was followed.
    """

    code = "face/challenge"

    def __init__(
        self, detail: str, reasons: tuple[str, ...], steps: tuple[tuple[str, ...], ...] = ()
    ) -> None:
        Exception.__init__(self, detail, reasons, steps)
        self.detail = detail
        self.reasons = reasons
        self.steps = steps


class PolicyRefused(InvalidInput):
    """A policy cannot serve (`policy/invalid`, `policy/tests-failed`, `detector/...` says why).

    Attributes:
        faults: Everything that stands against it, one line each.
    """

    code = "policy/invalid"

    def __init__(self, detail: str, code: str, faults: tuple[str, ...]) -> None:
        Exception.__init__(self, detail, code, faults)
        self.detail = detail
        self.code = code  # type: ignore[misc]  # a more exact name than the class's
        self.faults = faults


class TooManyAttempts(InvalidInput):
    """A limit was reached; wait `retry_after_s`."""

    code = "rate/limited"
    status = 429

    def __init__(self, detail: str, retry_after_s: int) -> None:
        Exception.__init__(self, detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s


class BiometricLocked(TooManyAttempts):
    """Too many verifications of one candidate failed in a row; wait `retry_after_s`."""

    code = "biometric/locked"


class Unavailable(ProctorError):
    """Something that is needed is away; the same call may succeed after `retry_after_s`."""

    code = "service/unavailable"
    status = 503
    retryable = True

    def __init__(self, detail: str, retry_after_s: int = 2) -> None:
        Exception.__init__(self, detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s


class NoCapacity(Unavailable):
    """Every session host is at its measured load."""

    code = "sessions/no-capacity"


class StateStoreUnavailable(Unavailable):
    """Redis or the database does not answer."""

    code = "state-store/unavailable"


class NotAllErased(StateStoreUnavailable):
    """Some of what outlived its retention could not be deleted.

    Attributes:
        erased: How many sessions' data were.
        left: How many could not be.
    """

    def __init__(self, detail: str, erased: int, left: int) -> None:
        Exception.__init__(self, detail, erased, left)
        self.detail = detail
        self.retry_after_s = 2
        self.erased = erased
        self.left = left


class KeysUnavailable(StateStoreUnavailable):
    """The vault or KMS that holds the keys does not answer, or refuses to."""

    code = "keys/unavailable"


class PerceptionUnavailable(Unavailable):
    """No model replica answered in time."""

    code = "perception/unavailable"


class NoRoom(Unavailable):
    """The disk is full."""

    code = "disk/full"
