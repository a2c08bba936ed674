"""Reading what a request carries: within a size, within a time, and only what is understood.

Pictures stay in memory on purpose: a face never lies in a temporary file.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from proctor.api.access import Takes
from proctor.api.problems import Malformed, TooLarge, WrongMediaType
from proctor.domain.errors import InvalidInput
from proctor.identity.challenge import MOST_PICTURES_PER_STEP

KIB = 1024
MAX_TEXT_BYTES = 64 * KIB
MAX_POLICY_BYTES = KIB * KIB
MAX_PICTURE_BYTES = 8 * KIB * KIB
MAX_PICTURES = 8
MAX_FORM_BYTES = MAX_PICTURES * (MAX_PICTURE_BYTES + 4 * KIB)  # 4 KiB for each part's headers
DEADLINE_S = 30.0
_STEPS = ("step_1", "step_2", "step_3")
_NONCE = re.compile(r"[a-z]{3}_[0-9a-f]{20}")


@dataclass(frozen=True, slots=True)
class Body:
    """What was read.

    Attributes:
        digest: sha256 of what was said, the same however it was wrapped.
        raw: The bytes of a JSON, SDP or fragment body.
        json: The value of a JSON body.
        pictures: The parts of a picture form, in order.
        challenge: The challenge that the form answers; None without one.
        steps: The pictures of its steps, in order.
    """

    digest: str = hashlib.sha256(b"").hexdigest()
    raw: bytes = b""
    json: Any = None
    pictures: tuple[bytes, ...] = ()
    challenge: str | None = None
    steps: tuple[tuple[bytes, ...], ...] = ()


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
    wanted = takes.value.partition(";")[0]
    if kind != wanted:
        raise WrongMediaType(f"Send this as {wanted}.")
    try:
        async with asyncio.timeout(DEADLINE_S):
            if takes in (Takes.PICTURES, Takes.CHALLENGED_PICTURES):
                return await _read_pictures(request, takes is Takes.CHALLENGED_PICTURES)
            limit = MAX_POLICY_BYTES if takes is Takes.POLICY else MAX_TEXT_BYTES
            raw = b"".join([chunk async for chunk in _limited(request, limit)])
    except TimeoutError:
        raise InvalidInput(
            "The request did not arrive in time; send it again.", "request/timeout", 408
        ) from None
    value = parse_json(raw) if takes in (Takes.JSON, Takes.POLICY) else None
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


async def _read_pictures(request: Request, with_steps: bool) -> Body:
    stream = _limited(request, MAX_FORM_BYTES)
    most = MAX_PICTURES + (len(_STEPS) * MOST_PICTURES_PER_STEP if with_steps else 0)
    parser = _PictureForm(request.headers, stream, max_files=most, max_fields=int(with_steps))
    try:
        form = await parser.parse()
    except MultiPartException:
        more = ", `challenge` and its `step_1` to `step_3`" if with_steps else ""
        raise Malformed(
            f"Send a form with 1 to {MAX_PICTURES} files named `images`{more}, and nothing else."
        ) from None
    finally:
        await stream.aclose()
    try:
        body = await _sorted(form.multi_items(), with_steps)
    finally:
        await form.close()
    if not body.pictures:
        raise InvalidInput("Send at least one picture, as a file named `images`.")
    return body


async def _sorted(parts: Sequence[tuple[str, UploadFile | str]], with_steps: bool) -> Body:
    """The parts of a form by what they are for."""
    challenge: str | None = None
    files: dict[str, list[bytes]] = {name: [] for name in ("images", *_STEPS)}
    digest = hashlib.sha256()
    for name, part in parts:
        if name == "challenge" and with_steps and isinstance(part, str):
            if not _NONCE.fullmatch(part):
                raise InvalidInput("The form's `challenge` is no name of a challenge.")
            challenge = part
            digest.update(part.encode())
            continue
        if not isinstance(part, UploadFile):
            raise Malformed("The form holds text that is not its `challenge`.")
        if name != "images" and not (with_steps and name in _STEPS):
            raise InvalidInput("Every part of the form must be a file named `images`.")
        if (part.size or 0) > MAX_PICTURE_BYTES:
            raise TooLarge(f"A picture may have at most {MAX_PICTURE_BYTES // KIB} KiB.")
        picture = await part.read()
        files[name].append(picture)
        digest.update(
            (b"" if name == "images" else name.encode()) + hashlib.sha256(picture).digest()
        )
    images, *steps = files.values()
    most = max(len(step) for step in steps)
    if len(images) > MAX_PICTURES or most > MOST_PICTURES_PER_STEP:
        raise Malformed(
            f"Send at most {MAX_PICTURES} `images` and {MOST_PICTURES_PER_STEP} files of each step."
        )
    if most and challenge is None:
        raise InvalidInput("The form has steps of a challenge and no `challenge`.")
    return Body(
        digest.hexdigest(),
        pictures=tuple(images),
        challenge=challenge,
        steps=tuple(tuple(step) for step in steps) if challenge is not None else (),
    )
