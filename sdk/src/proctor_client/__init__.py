"""The client of RayProctor. `Client` for threads, `AsyncClient` for coroutines; errors in `errors`."""

from proctor_client.client import AsyncClient, Client
from proctor_client.errors import (
    AnswerNotUnderstood,
    BadRequest,
    ClientError,
    Conflicted,
    ConnectionFailed,
    ExtraMissing,
    IntegrityError,
    Invalid,
    NotAuthenticated,
    NotAvailable,
    NotFound,
    NotPermitted,
    Problem,
    ServerFault,
    TooLarge,
    TooMany,
)
from proctor_client.retries import Retries

__version__ = "0.1.0"
__all__ = [
    "AnswerNotUnderstood",
    "AsyncClient",
    "BadRequest",
    "Client",
    "ClientError",
    "Conflicted",
    "ConnectionFailed",
    "ExtraMissing",
    "IntegrityError",
    "Invalid",
    "NotAuthenticated",
    "NotAvailable",
    "NotFound",
    "NotPermitted",
    "Problem",
    "Retries",
    "ServerFault",
    "TooLarge",
    "TooMany",
]
