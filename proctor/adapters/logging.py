"""JSON logs, one object per line: ours and every library's, with session and request ids.

What must never be logged is taken out here once more, whoever logged it: values under names that hold
biometrics or secrets, arrays, bytes and long rows of numbers whatever their name, tokens in any text.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.types import Processor

REDACTED = "[redacted]"

_SECRET_NAMES = frozenset(
    {
        *("authorization", "cookie", "passphrase", "password", "secret", "sdp"),
        *("ticket", "tickets", "token", "tokens"),
        *("embedding", "embeddings", "landmarks", "template", "templates", "vector", "vectors"),
        *("image", "images", "jpeg", "picture", "pictures", "pixels", "samples", "sealed"),
        *("transcript", "transcripts", "words"),
    }
)
_ROW_OF_NUMBERS = 16  # longer than any list of figures worth logging, shorter than any embedding
_DEPTH = 4
_IN_TEXT = (
    re.compile(r"eyJ[\w-]{8,}\.[\w-]*\.?[\w-]*"),  # a JSON web token
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]+"),
    re.compile(r"(?<=://)[^\s/@]*(?=@)"),  # user and password of a URL
    re.compile(r"(?i)(?<=ticket=)[\w.~+/=-]+"),
    re.compile(r"\b[jls]t_[A-Za-z0-9_-]{27}"),  # a ticket by itself
    re.compile(
        r"\[[^\[\]]*(?:-?\d+\.\d*(?:e[-+]?\d+)?[,\s]+){15}[^\[\]]*\]?"
    ),  # numbers as a list prints
)
_QUIET = (
    "aioice",
    "aiortc",
    "alembic",
    "aiosqlite",
    "asyncio",
    "httpx",
    "httpcore",
    "uvicorn.access",
)


def configure(level: str, process: str, stream: TextIO | None = None) -> None:
    """Send every log of this process as JSON to `stream` (stderr). May be called again.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        process: What this process is (`gateway`, `host-0`), said in every line.
        stream: Where to, instead of stderr.
    """

    def name_process(_log: object, _method: str, event: MutableMapping[str, Any]) -> Any:
        event["process"] = process
        return event

    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        name_process,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_clean_arguments)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*shared, ExtraAdder()],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,  # without local variables: they hold pictures
                redact,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def redact(_log: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The structlog processor that takes out what must not be logged."""
    for name, value in list(event.items()):
        event[name] = _clean_named(name, value, _DEPTH)
    return event


def _clean_named(name: str, value: Any, depth: int) -> Any:
    is_number = value is None or isinstance(value, bool | int | float)  # `pictures=5` says nothing
    return REDACTED if _is_secret(name) and not is_number else _clean(value, depth)


def _is_secret(name: str) -> bool:
    """Whether the last word of the name says so: `join_ticket` does, `template_version` does not."""
    return name.lower().rpartition("_")[2] in _SECRET_NAMES


def _clean(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return _clean_text(value)
    if isinstance(value, Mapping) and depth:
        return {str(key): _clean_named(str(key), item, depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth:
        items = list(value)
        numbers = sum(isinstance(item, float) for item in items)
        return REDACTED if numbers >= _ROW_OF_NUMBERS else [_clean(i, depth - 1) for i in items]
    if isinstance(value, BaseException):
        return _clean_text(f"{type(value).__name__}: {value}")
    return f"[{type(value).__name__}]"  # arrays, bytes, dataclasses with who knows what in them


def _clean_text(text: str) -> str:
    for pattern in _IN_TEXT:
        text = pattern.sub(REDACTED, text)
    return text


def _clean_arguments(record: logging.LogRecord) -> bool:
    """A library's `%s` arguments, before they become text."""
    if isinstance(record.args, tuple):
        record.args = tuple(_printable(argument) for argument in record.args)
    elif isinstance(record.args, Mapping):
        record.args = {name: _printable(argument) for name, argument in record.args.items()}
    return True


def _printable(argument: object) -> object:
    """Objects that are printed by libraries stay; arrays and bytes do not."""
    is_array = hasattr(argument, "__array__") or isinstance(
        argument, bytes | bytearray | memoryview
    )
    return _clean(argument, _DEPTH) if is_array or isinstance(argument, list | dict) else argument
