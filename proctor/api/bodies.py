"""Reading what a request carries: within a size, within a time, and only what is understood.

Pictures stay in memory on purpose: a face never lies in a temporary file.
"""

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from proctor.api.access import Takes
from proctor.api.problems import Malformed, TooLarge, WrongMediaType
from proctor.domain.errors import InvalidInput

KIB = 1024
MAX_TEXT_BYTES = 64 * KIB
MAX_PICTURE_BYTES = 8 * KIB * KIB
MAX_PICTURES = 8
MAX_FORM_BYTES = MAX_PICTURES * (MAX_PICTURE_BYTES + 4 * KIB)  # 4 KiB for each part's headers
DEADLINE_S = 30.0


@dataclass(frozen=True, slots=True)
class Body:
    """What was read.

    Attributes:
        digest: sha256 of what was said, the same however it was wrapped.
        raw: The bytes of a JSON, SDP or fragment body.
        json: The value of a JSON body.
        pictures: The parts of a picture form, in order.
    """

    digest: str = hashlib.sha256(b"").hexdigest()
    raw: bytes = b""
    json: Any = None
    pictures: tuple[bytes, ...] = ()


class PreparedRequest(Request):
    """A request whose body has been read already; FastAPI takes it from here."""

    def __init__(self, request: Request, body: Body) -> None:
        super().__init__(request.scope, request.receive)
        self._prepared = body

    async def body(self) -> bytes:
        """The bytes that were read."""
        return self._prepared.raw

    async def json(self) -> Any:
        """The value that was read, without duplicate keys."""
        return self._prepared.json


async def read_body(request: Request, takes: Takes) -> Body:
    """Read what the route takes.

    Raises:
        WrongMediaType: The content is of another kind.
        TooLarge: More than the route takes, declared or sent.
        Malformed: It cannot be read.
        InvalidInput: It did not arrive in time (408), or a form holds something but pictures (422).
    """
    if takes is Takes.NOTHING:
        return Body()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != takes.value:
        raise WrongMediaType(f"Send this as {takes.value}.")
    try:
        async with asyncio.timeout(DEADLINE_S):
            if takes is Takes.PICTURES:
                return await _read_pictures(request)
            raw = b"".join([chunk async for chunk in _limited(request, MAX_TEXT_BYTES)])
    except TimeoutError:
        raise InvalidInput(
            "The request did not arrive in time; send it again.", "request/timeout", 408
        ) from None
    value = parse_json(raw) if takes is Takes.JSON else None
    return Body(hashlib.sha256(raw).hexdigest(), raw, value)


def parse_json(raw: bytes) -> Any:
    """The value of strict JSON in UTF-8.

    Raises:
        Malformed: Not JSON, a key twice in one object, or nested beyond reading.
    """

    def pairs(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(members)
        if len(found) != len(members):
            raise Malformed("An object of the JSON names one key twice.")
        return found

    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        raise Malformed("The body is no JSON in UTF-8 that can be read.") from None


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    declared = request.headers.get("content-length")
    if declared is not None and (not declared.isdecimal() or int(declared[:18]) > limit):
        raise TooLarge(f"This address takes at most {limit // KIB} KiB.")
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"This address takes at most {limit // KIB} KiB.")
        yield chunk


class _PictureForm(MultiPartParser):
    spool_max_size = MAX_FORM_BYTES + 1  # never reached: nothing rolls over to disk


async def _read_pictures(request: Request) -> Body:
    stream = _limited(request, MAX_FORM_BYTES)
    parser = _PictureForm(request.headers, stream, max_files=MAX_PICTURES, max_fields=0)
    try:
        form = await parser.parse()
    except MultiPartException:
        raise Malformed(
            f"Send a form with 1 to {MAX_PICTURES} files named `images`, and nothing else."
        ) from None
    finally:
        await stream.aclose()
    pictures: list[bytes] = []
    try:
        for name, part in form.multi_items():
            if name != "images" or not isinstance(part, UploadFile):
                raise InvalidInput("Every part of the form must be a file named `images`.")
            if (part.size or 0) > MAX_PICTURE_BYTES:
                raise TooLarge(f"A picture may have at most {MAX_PICTURE_BYTES // KIB} KiB.")
            pictures.append(await part.read())
    finally:
        await form.close()
    if not pictures:
        raise InvalidInput("Send at least one picture, as a file named `images`.")
    digest = hashlib.sha256(b"".join(hashlib.sha256(picture).digest() for picture in pictures))
    return Body(digest.hexdigest(), pictures=tuple(pictures))
