"""Column types: times that are always aware UTC, and domain dataclasses as exact JSON."""

from datetime import UTC, datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A number that the database counts up; SQLite does so for INTEGER only."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored and given back as UTC to the microsecond. A naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse naive times, else turn to UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite gives back naive times; they are UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


class DomainJson(TypeDecorator[Any]):
    """A frozen dataclass of the domain as JSON text.

    Text and not JSONB: what comes out is byte for byte what went in, on both databases
    (`payload::jsonb` still searches it on PostgreSQL).
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: type) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Dataclass to JSON."""
        return None if value is None else _adapter(self.kind).dump_json(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """JSON to dataclass, validated."""
        return None if value is None else _adapter(self.kind).validate_json(value)
