"""What callers may send, to the last field and type: nothing is guessed, nothing extra is taken."""

import unicodedata
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from proctor.fusion.overrides import NOTHING, Overrides
from proctor.fusion.plain_yaml import DIRECTION_CHARS

FORBIDDEN = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})


def _plain(text: str) -> str:
    """Text that shows what it says: no control or direction characters, no broken code points."""
    if any(char in DIRECTION_CHARS or unicodedata.category(char) in FORBIDDEN for char in text):
        raise ValueError("control and direction characters are not taken")
    if text != text.strip() or not text:
        raise ValueError("must not be empty nor begin or end with a space")
    return text


PlainText = AfterValidator(_plain)
Title = Annotated[str, StringConstraints(min_length=1, max_length=200), PlainText]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=128), PlainText]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Ticket = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Sent(BaseModel):
    """Root of everything that is sent to us."""

    model_config = ConfigDict(
        strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class OwnPolicy(Sent):
    """One version of a policy that was sent before."""

    id: Word
    version: int = Field(ge=1, le=1_000_000)


def _choice(value: object) -> str:
    return "preset" if isinstance(value, str) else "own"


class NewPolicy(Sent):
    """A policy, or the next version of one."""

    text: str = Field(
        min_length=1, max_length=65_536, description="YAML; its `id` and `version` count."
    )
    tests: list[Annotated[str, StringConstraints(min_length=1, max_length=16_384)]] = Field(
        default=[],
        max_length=20,
        description="Test cases (YAML), all of which pass before an exam takes the policy.",
    )


class NewExam(Sent):
    """An exam to be made."""

    title: Title
    policy: Annotated[
        Annotated[Word, Tag("preset")] | Annotated[OwnPolicy, Tag("own")], Discriminator(_choice)
    ] = Field(description="A preset (`standard` and its like), or a version of your own policy.")
    overrides: Overrides = Field(
        default=NOTHING, description="What this exam changes of it; never to something more urgent."
    )
    language: str | None = Field(
        default=None,
        pattern=r"^[a-z]{2}(-[A-Z]{2})?$",
        description="The language of titles and reasons; one that the policy speaks.",
    )
    retention_days: int = Field(
        ge=1, le=1095, description="How long evidence lives after a session's end."
    )


class NewCandidate(Sent):
    """A candidate to be made."""

    external_ref: Reference = Field(description="Your own name for them; a pseudonym will do.")


class NewConsent(Sent):
    """What a candidate agreed to."""

    text_version: Word
    text_sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="Digest of the very text shown."
    )
    locale: str = Field(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$", max_length=35)
    method: Word = Field(description="`checkbox`, `e-signature`, `paper`.")
    scopes: list[Literal["face", "voice"]] = Field(
        default=["face"],
        min_length=1,
        max_length=2,
        description="What it is to: a template of the face; one of the voice, kept for one session only.",
    )


class NewSession(Sent):
    """A session to be made."""

    exam_id: Id
    candidate_id: Id


class NewAccommodations(Sent):
    """What a candidate is allowed: all of it, in place of what was said before."""

    accommodations: list[
        Literal[
            "may_look_away",
            "may_speak",
            "reader_present",
            "screen_reader",
            "may_leave_seat",
            "may_use_things",
        ]
    ] = Field(max_length=6)
    exam_id: Id | None = Field(
        default=None, description="In this exam, whatever holds in others; null for every exam."
    )


class NewBreak(Sent):
    """A break, in milliseconds of session time."""

    start_ms: Annotated[int, Field(ge=0, le=1 << 40)] | None = Field(
        default=None, description="Null: now."
    )
    end_ms: Annotated[int, Field(ge=0, le=1 << 40)] | None = Field(
        default=None, description="Null: until it is ended."
    )


class NewVerdict(Sent):
    """What a reviewer says of an incident."""

    verdict: Literal["confirm", "dismiss"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=1000), PlainText]


class NewEvidenceLink(Sent):
    """Why somebody wants to see a piece of evidence; it is written down with every view."""

    reason: Annotated[str, StringConstraints(min_length=3, max_length=500), PlainText]


class TicketSent(Sent):
    """A one-time ticket to be redeemed."""

    ticket: Ticket


class Revocation(Sent):
    """A token that is no longer to be accepted."""

    token_id: Id = Field(description="The token's `jti`.")
