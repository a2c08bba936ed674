"""`Recordings` in a folder or an object store, by URL: `file:///srv/recordings`, `s3://bucket/recordings`.

    sessions/<tenant>/<exam>/<session>/<take>-<number>.arrow
    closed/<tenant>/<exam>/<session>.json

Credentials come from the environment, as for every tool of the store: AWS_ACCESS_KEY_ID, AWS_REGION,
AWS_ENDPOINT_URL. One without TLS is spoken to only as `s3+http://bucket/recordings`.
"""

from collections.abc import AsyncIterator, Sequence
from functools import cache, partial

import structlog
from pydantic import TypeAdapter

from proctor.adapters.object_urls import names_under, open_url, told_as_ours
from proctor.adapters.recordings.arrow import read_arrow, write_arrow
from proctor.domain.errors import InvalidInput, NotFound
from proctor.domain.ids import ExamId, SessionId, TenantId, path_part
from proctor.domain.recordings import Footer, Recording, RecordingKey, Row, Segment

_log = structlog.get_logger(__name__)
SEGMENTS, CLOSED = "sessions", "closed"
_told_as_ours = partial(told_as_ours, "recordings")


class ObjectRecordings:
    """Recordings of every tenant under one URL.

    Args:
        url: `file://`, `s3://`, `s3+http://`, `gs://` or `az://`.

    Raises:
        InvalidInput: The URL names no store.
    """

    def __init__(self, url: str) -> None:
        import pyarrow  # noqa: F401  # loaded now: the first segment must not wait for it

        self._store = open_url("recordings_url", url)

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

        folder = f"{SEGMENTS}/{path_part(tenant_id)}/{path_part(exam_id)}/"
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
        with _told_as_ours():
            return await names_under(self._store, folder)

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


@cache
def _footers() -> TypeAdapter[Footer]:
    return TypeAdapter(Footer)


def _take_of(name: str) -> str:
    """Not sorted by whole names: of two takes of one moment the second is called like the first and `+`."""
    return name.rpartition("/")[2].rpartition("-")[0]


def _folder(key: RecordingKey) -> str:
    parts = (key.tenant_id, key.exam_id, key.session_id)
    return "/".join([SEGMENTS, *map(path_part, parts)])


def _footer_name(key: RecordingKey) -> str:
    return f"{CLOSED}/{path_part(key.tenant_id)}/{path_part(key.exam_id)}/{path_part(key.session_id)}.json"
