"""What a database may raise, as errors of ours. Values of rows never reach a message."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from proctor.domain.errors import Conflict, NotFound, StateStoreUnavailable

_FOREIGN_KEY = ("23503", "SQLITE_CONSTRAINT_FOREIGNKEY")
_DUPLICATE = ("23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY")


@contextmanager
def told_as_ours() -> Iterator[None]:
    """Turn what the driver raises inside into `Conflict`, `NotFound` or `StateStoreUnavailable`.

    Locked, full, unreachable, restarted, too slow: all are `StateStoreUnavailable`, for all of them
    the same call may succeed later. A mistake of ours (wrong SQL, a NULL) is left as it is.
    """
    try:
        yield
    except IntegrityError as error:
        code = _code_of(error)
        if code in _DUPLICATE:
            raise Conflict("this exists already") from None
        if code in _FOREIGN_KEY:
            raise NotFound("what this refers to does not exist") from None
        raise
    except (DBAPIError, PoolTimeout, OSError) as error:  # OSError holds TimeoutError
        if isinstance(error, DBAPIError) and _is_ours(error):
            raise
        raise StateStoreUnavailable(f"the database does not answer ({_name_of(error)})") from error


def _code_of(error: DBAPIError) -> str:
    origin = error.orig
    return str(getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", ""))


def _name_of(error: Exception) -> str:
    return (_code_of(error) if isinstance(error, DBAPIError) else "") or type(error).__name__


def _is_ours(error: DBAPIError) -> bool:
    """Whether the statement itself was wrong (SQLSTATE class 22 and 42, SQLITE_ERROR, misuse)."""
    return _code_of(error).startswith(("22", "42", "SQLITE_ERROR", "SQLITE_MISMATCH"))
