"""Cursor paging: a page ends with the id that the next one begins after."""

import re
from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from proctor.domain.errors import InvalidInput

MAX_LIMIT = 200
_CURSOR = re.compile(r"[a-z]{2,8}_[A-Za-z0-9]{1,40}")
Item = TypeVar("Item")

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")]
Cursor = Annotated[str | None, Query(description="`next` of the page before.")]


def bad_cursor() -> InvalidInput:
    """What is told of a cursor that is none."""
    return InvalidInput("This is no cursor of ours; begin without one.", "request/bad-cursor", 400)


def checked(cursor: str | None) -> str | None:
    """The cursor, once it has the form of one. Lists are the tenant's own, wherever they begin.

    Raises `InvalidInput` (400 request/bad-cursor).
    """
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise bad_cursor()
    return cursor


def cut(items: Sequence[Item], limit: int, key: str) -> tuple[Sequence[Item], str | None]:
    """(the page, the next cursor) of up to `limit + 1` items; `key` names the id's attribute."""
    if len(items) <= limit:
        return items, None
    page = items[:limit]
    return page, str(getattr(page[-1], key))
