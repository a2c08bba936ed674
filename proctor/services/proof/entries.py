"""How a chain is linked: canonical JSON, hashes, and commitments to what may have to be erased.

An entry is JSON in the form of RFC 8785, so that anybody can hash it again: who, number, kind, source,
a body in clear, a commitment to the rest, and the hash of the entry before. Erasing what a commitment
opens with (its salt) leaves the chain whole and says nothing any more.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import rfc8785

from proctor.domain.errors import InvalidInput
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.proof import ChainHead, Entry, Fact, FactKind

FIRST = "0" * 64
"""What the first entry of every chain follows."""

VERSION = 1
SALT_BYTES = 32
_COMMITMENT = b"rayproctor commitment v1\n"
_FIELDS = frozenset(
    {"v", "tenant", "session", "n", "kind", "source", "body", "commitment", "before"}
)


def canonical(value: Any) -> bytes:
    """JSON as RFC 8785 writes it. Raises `InvalidInput` for what it cannot write (NaN, huge integers)."""
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise InvalidInput(f"no canonical JSON: {error}", "proof/not-canonical") from None


def commitment(secret: Any, salt: bytes) -> str:
    """What an entry says of a secret: nothing, until the salt is shown."""
    return hashlib.sha256(_COMMITMENT + salt + canonical(secret)).hexdigest()


def empty_head(tenant_id: TenantId, session_id: SessionId) -> ChainHead:
    """A chain of no entries."""
    return ChainHead(
        session_id=session_id,
        tenant_id=tenant_id,
        size=0,
        head=FIRST,
        alert_seq=0,
        signed_size=0,
        is_open=True,
    )


def link(
    before: ChainHead,
    facts: Sequence[Fact],
    new_salt: Callable[[int], bytes] = secrets.token_bytes,
) -> list[Entry]:
    """The entries that put these facts behind a chain's end."""
    entries: list[Entry] = []
    size, head = before.size, before.head
    for fact in facts:
        size += 1
        salt = None if fact.secret is None else new_salt(SALT_BYTES)
        text = canonical(
            {
                "v": VERSION,
                "tenant": before.tenant_id,
                "session": before.session_id,
                "n": size,
                "kind": fact.kind.value,
                "source": fact.source_id,
                "body": dict(fact.body),
                "commitment": None if salt is None else commitment(fact.secret, salt),
                "before": head,
            }
        )
        head = hashlib.sha256(text).hexdigest()
        entries.append(
            Entry(
                session_id=before.session_id,
                tenant_id=before.tenant_id,
                number=size,
                kind=fact.kind,
                source_id=fact.source_id,
                text=text.decode(),
                sha256=head,
                salt=salt,
            )
        )
    return entries


def read_entry(text: str) -> dict[str, Any]:
    """The fields of an entry. Raises `InvalidInput` when the text is not one, byte for byte."""
    try:
        fields = json.loads(text)
        is_one = (
            isinstance(fields, dict)
            and fields.keys() == _FIELDS
            and fields["v"] == VERSION
            and canonical(fields) == text.encode()
        )
        if is_one:
            FactKind(fields["kind"])
    except (ValueError, RecursionError, UnicodeError):
        is_one = False
    if not is_one:
        raise InvalidInput("this is no entry of a chain", "proof/no-entry")
    found: dict[str, Any] = fields
    return found
