"""`Recordings` in a folder or an object store, by URL: `file:///srv/recordings`, `s3://bucket/recordings`.

    sessions/<tenant>/<exam>/<session>/<take>-<number>.arrow
    closed/<tenant>/<exam>/<session>.json

Credentials come from the environment, as for every tool of the store: AWS_ACCESS_KEY_ID, AWS_REGION,
AWS_ENDPOINT_URL. One without TLS is spoken to only as `s3+http://bucket/recordings`.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import structlog
from pydantic import TypeAdapter

from proctor.adapters.recordings.arrow import read_arrow, write_arrow
from proctor.domain.errors import InvalidInput, NotFound, StateStoreUnavailable
from proctor.domain.ids import ExamId, SessionId, TenantId
from proctor.domain.recordings import (
    Footer,
    Recording,
    RecordingKey,
    Row,
    Segment,
    take_began_at,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_log = structlog.get_logger(__name__)
SEGMENTS, CLOSED = "sessions", "closed"
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,127}")
_PATIENCE: dict[str, Any] = {
    "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
    "client_options": {"timeout": "20s", "connect_timeout": "3s"},
}


class ObjectRecordings:
    """Recordings of every tenant under one URL.

    Args:
        url: `file://`, `s3://`, `s3+http://`, `gs://` or `az://`.

    Raises:
        InvalidInput: The URL names no store.
    """

    def __init__(self, url: str) -> None:
        import pyarrow  # noqa: F401  # loaded now: the first segment must not wait for it
        from obstore.exceptions import BaseError

        try:
            self._store = _open(url)
        except (BaseError, ValueError) as error:
            told = " ".join(str(error).split())[:200]
            shown = url.rpartition("@")[2]  # never what may be a password before it
            raise InvalidInput(f"recordings_url {shown!r} cannot be used: {told}") from error

    async def put(self, segment: Segment) -> None:
        """Store a segment; the same take and number again replaces it."""
        import obstore

        about = {
            "tenant_id": segment.key.tenant_id,
            "exam_id": segment.key.exam_id,
            "session_id": segment.key.session_id,
            "take": segment.take,
            "segment": str(segment.number),
        }
        name = f"{_folder(segment.key)}/{segment.take}-{segment.number:06d}.arrow"
        with _told_as_ours():
            await obstore.put_async(self._store, name, write_arrow(segment.rows, about))

    async def close_with(self, footer: Footer) -> None:
        """The session is over; a later footer replaces this one."""
        import obstore

        with _told_as_ours():
            await obstore.put_async(
                self._store, _footer_name(footer.key), _footers().dump_json(footer, indent=2)
            )

    async def read(self, key: RecordingKey) -> Recording:
        """Everything that is stored of a session. Raises `NotFound` when that is nothing."""
        takes: dict[str, list[Row]] = {}
        names = await self._names(_folder(key))
        for take, name in sorted((_take_of(name), name) for name in names):
            takes.setdefault(take, []).extend(read_arrow(await self._get(name)))
        footer = await self.footer(key)
        if not takes and footer is None:
            raise NotFound(f"no recording of session {key.session_id}")
        return Recording(key=key, takes=tuple(map(tuple, takes.values())), footer=footer)

    async def footer(self, key: RecordingKey) -> Footer | None:
        """What closed a session's recording; None while it is open."""
        return await self._footer(_footer_name(key))

    async def sessions(self, tenant_id: TenantId, exam_id: ExamId) -> Sequence[SessionId]:
        """The exam's sessions that left a recording, by id."""
        import obstore

        folder = f"{SEGMENTS}/{_part(tenant_id)}/{_part(exam_id)}/"
        with _told_as_ours():
            found = await obstore.list_with_delimiter_async(self._store, folder)
        names = [prefix.rstrip("/").rpartition("/")[2] for prefix in found["common_prefixes"]]
        return [SessionId(name) for name in sorted(names)]

    async def footers(self) -> AsyncIterator[Footer]:
        """Of every closed recording; one that cannot be read is logged and passed over."""
        for name in await self._names(CLOSED):
            try:
                footer = await self._footer(name)
            except InvalidInput as error:  # one that is damaged must not keep the others for ever
                _log.error("a recording's footer cannot be read", name=name, code=error.code)
                continue
            if footer is not None:
                yield footer

    async def unclosed(self) -> AsyncIterator[tuple[RecordingKey, datetime]]:
        """Recordings without a footer, and when their first take began, by the names of objects.

        One whose tenant or exam has a name that makes no path is passed over: it cannot be named.
        """
        closed = {
            name.partition("/")[2].removesuffix(".json") for name in await self._names(CLOSED)
        }
        first: dict[str, str] = {}
        for name in await self._names(SEGMENTS):
            folder = name.partition("/")[2].rpartition("/")[0]
            if folder not in closed:
                first[folder] = min(first.get(folder, _take_of(name)), _take_of(name))
        for folder, take in sorted(first.items()):
            parts, began_at = folder.split("/"), take_began_at(take)
            if len(parts) != 3 or folder.startswith("-") or "/-" in folder or began_at is None:
                continue
            tenant, exam, session = parts
            key = RecordingKey(
                tenant_id=TenantId(tenant), exam_id=ExamId(exam), session_id=SessionId(session)
            )
            yield key, began_at

    async def erase(self, key: RecordingKey) -> None:
        """Delete everything of a session, the footer last: what breaks off is begun again by it."""
        import obstore

        for names in (await self._names(_folder(key)), [_footer_name(key)]):
            with _told_as_ours():
                try:
                    if names:
                        await obstore.delete_async(self._store, names)
                except FileNotFoundError:
                    pass  # somebody else was faster

    async def _names(self, folder: str) -> list[str]:
        import obstore

        found: list[str] = []
        with _told_as_ours():
            try:
                async for some in obstore.list(self._store, folder + "/"):
                    found += [each["path"] for each in some]
            except FileNotFoundError:
                return []
        return found

    async def _get(self, name: str) -> bytes:
        import obstore

        with _told_as_ours():
            answer = await obstore.get_async(self._store, name)
            return bytes(await answer.bytes_async())

    async def _footer(self, name: str) -> Footer | None:
        try:
            return _footers().validate_json(await self._get(name))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InvalidInput(f"{name} is no footer", "recording/unreadable") from error


def _open(url: str) -> "ObjectStore":
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    if parts.scheme == "file":
        folder = Path(unquote(parts.path))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(folder, automatic_cleanup=True)
    if parts.scheme not in ("s3", "s3+http", "gs", "az") or not parts.netloc:
        raise ValueError("use file://, s3://, gs:// or az:// and a name")
    client = {**_PATIENCE["client_options"], "allow_http": parts.scheme == "s3+http"}
    url = url.replace("s3+http://", "s3://", 1)
    return from_url(url, **{**_PATIENCE, "client_options": client})


@contextmanager
def _told_as_ours() -> Iterator[None]:
    """What is not there stays a `FileNotFoundError`; everything else means that the store is away."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StateStoreUnavailable(f"recordings are away ({type(error).__name__})") from error


@cache
def _footers() -> TypeAdapter[Footer]:
    return TypeAdapter(Footer)


def _take_of(name: str) -> str:
    """Not sorted by whole names: of two takes of one moment the second is called like the first and `+`."""
    return name.rpartition("/")[2].rpartition("-")[0]


def _folder(key: RecordingKey) -> str:
    parts = (key.tenant_id, key.exam_id, key.session_id)
    return "/".join([SEGMENTS, *map(_part, parts)])


def _footer_name(key: RecordingKey) -> str:
    return f"{CLOSED}/{_part(key.tenant_id)}/{_part(key.exam_id)}/{_part(key.session_id)}.json"


def _part(name: str) -> str:
    """A part of a path; names that other systems chose may hold anything."""
    if _PLAIN.fullmatch(name):
        return name
    return "-" + hashlib.sha256(name.encode()).hexdigest()[:40]
