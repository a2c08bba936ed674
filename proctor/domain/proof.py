"""Proof that what a reviewer relies on is what was written down: facts, entries and checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from proctor.domain.ids import SessionId, TenantId


class FactKind(StrEnum):
    """What an entry of a chain is about."""

    BEGUN = "begun"
    ALERT = "alert"
    EVIDENCE = "evidence"
    VERDICT = "verdict"
    DECISION = "decision"
    ADDED = "added"
    """An incident that a person added."""
    COVERAGE = "coverage"
    """The session is over: what could be seen of it, and how many alerts it has."""
    RECORDING = "recording"
    ERASED = "erased"
    """The candidate was erased: what entries before it commit to is gone, and that is no tampering."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that a reviewer relies on, on its way into the chain.

    Attributes:
        kind: What it is about.
        source_id: Its name among those of its kind in the session; it enters the chain once.
        body: What the entry says in clear, JSON; nothing that may have to be erased.
        secret: What the entry only commits to, JSON: it can be erased, and the chain stays whole.
    """

    kind: FactKind
    source_id: str
    body: Mapping[str, Any]
    secret: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A link of a session's chain.

    Attributes:
        session_id: Whose.
        tenant_id: Whose.
        number: 1, 2, 3 ... within the session, no holes.
        kind: What it is about.
        source_id: Of what.
        text: The canonical JSON (RFC 8785) that is hashed; it holds the hash of the entry before.
        sha256: Of the text, in hex.
        salt: Opens the entry's commitment; None when it has none, or the candidate was erased.
    """

    session_id: SessionId
    tenant_id: TenantId
    number: int
    kind: FactKind
    source_id: str
    text: str
    sha256: str
    salt: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """Where a chain ends.

    Attributes:
        session_id: Whose.
        tenant_id: Whose.
        size: How many entries.
        head: The hash of the last one; `FIRST` of an empty chain.
        alert_seq: The number of the last alert in it.
        signed_size: How many entries the newest signed checkpoint covers.
        is_open: False once the session's end is in it.
    """

    session_id: SessionId
    tenant_id: TenantId
    size: int
    head: str
    alert_seq: int
    signed_size: int
    is_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """What a chain was at a moment, as it is signed and kept elsewhere.

    Attributes:
        session_id: Whose.
        tenant_id: Whose.
        size: How many entries it had.
        head: The hash of the last of them.
        at: When.
    """

    session_id: SessionId
    tenant_id: TenantId
    size: int
    head: str
    at: datetime
