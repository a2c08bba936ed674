"""Everything that can go wrong, as one tree.

ClientError
├── ConnectionFailed          no answer: refused, cut, timed out
├── AnswerNotUnderstood       an answer came that is none of the API's
├── IntegrityError            bytes arrived that are not what the server says they are
├── ExtraMissing              a part of the client that needs `pip install rayproctor-client[...]`
└── Problem                   the server said no, and why (RFC 9457)
    ├── BadRequest            400, and other 4xx
    │   └── Invalid           422: `faults` names the fields
    ├── NotAuthenticated      401
    ├── NotPermitted          403
    ├── NotFound              404
    ├── Conflicted            409, 412
    ├── TooLarge              413
    ├── TooMany               429: `retry_after_s`
    └── ServerFault           5xx
        └── NotAvailable      503: `retry_after_s`
"""

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """Root of all errors of this package. `advice` says what to do."""

    advice: str = ""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class ConnectionFailed(ClientError):
    """No whole answer came."""

    advice = (
        "Check the address and that the server runs; a call that was not repeated may have worked."
    )


class AnswerNotUnderstood(ClientError):
    """Something answered, and not as the API does."""

    advice = "Check that the address is a RayProctor server's, and that client and server fit."


class IntegrityError(ClientError):
    """What arrived is not what the server lists; nothing of it was kept."""

    advice = "Do not use it; fetch again, and tell the operator when it happens twice."


class ExtraMissing(ClientError):
    """A package that is not installed with the bare client."""

    def __init__(self, extra: str) -> None:
        super().__init__(f"This needs an extra: pip install 'rayproctor-client[{extra}]'.")
        self.extra = extra


class Problem(ClientError):
    """The server's own words about what is wrong.

    Attributes:
        status: HTTP status.
        code: The problem's stable name, such as `auth/expired`.
        detail: What is wrong, for a person.
        request_id: Names this call in the server's log.
        retry_after_s: How long the server asks to wait; None when it does not say.
        members: Further members of the problem, such as `errors`, `faults`, `reasons`.
    """

    advice = "See the problem's code in the server's documentation."

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str = "",
        retry_after_s: float | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.args = (status, code, detail, request_id, retry_after_s, members)  # so that it pickles
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.members: Mapping[str, Any] = members or {}

    def __str__(self) -> str:
        asked = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.message} {self.advice}{asked}"


class BadRequest(Problem):
    """The call cannot be answered as it is."""

    advice = "Change the call; sending it again will not help."


class Invalid(BadRequest):
    """A field is wrong."""

    advice = "Correct the fields that `faults` names."

    @property
    def faults(self) -> Sequence[Mapping[str, str]]:
        """`field` and `problem` of each fault."""
        return list(self.members.get("errors", []))


class NotAuthenticated(Problem):
    """The token is missing, expired, revoked or another server's."""

    advice = "Get a new token."


class NotPermitted(Problem):
    """The token's role may not do this."""

    advice = "Use a token of a role that may."


class NotFound(Problem):
    """There is nothing by this name, or it is another tenant's."""

    advice = "Check the id and the token's tenant."


class Conflicted(Problem):
    """The thing is not in a state that allows this."""

    advice = "Read it again, then decide."


class TooLarge(Problem):
    """More was sent than is taken."""

    advice = "Send less."


class TooMany(Problem):
    """Over the limit of calls in a minute."""

    advice = "Wait for `retry_after_s` seconds."


class ServerFault(Problem):
    """The server failed."""

    advice = "Try again later; give the operator the request's id."


class NotAvailable(ServerFault):
    """The server, or a store behind it, is away for now."""

    advice = "Wait for `retry_after_s` seconds and try again."


_BY_STATUS: Mapping[int, type[Problem]] = {
    401: NotAuthenticated,
    403: NotPermitted,
    404: NotFound,
    409: Conflicted,
    412: Conflicted,
    413: TooLarge,
    422: Invalid,
    429: TooMany,
    503: NotAvailable,
}


def problem_class(status: int) -> type[Problem]:
    """The class of problems with this HTTP status (400 and above)."""
    return _BY_STATUS.get(status, ServerFault if status >= 500 else BadRequest)
