"""What reviewers and candidates send: decisions, statements, incidents that no rule found."""

import unicodedata
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from proctor.api.schemas import FORBIDDEN, Id, OwnPolicy, PlainText, Sent, Word
from proctor.fusion.plain_yaml import DIRECTION_CHARS

MOST_SESSIONS = 200
_MS = Annotated[int, Field(ge=0, le=1 << 40)]


def _paragraphs(text: str) -> str:
    """Text of several lines that shows what it says."""
    if any(
        char != "\n" and (char in DIRECTION_CHARS or unicodedata.category(char) in FORBIDDEN)
        for char in text
    ):
        raise ValueError("control and direction characters are not taken, but for line breaks")
    if text != text.strip() or not text:
        raise ValueError("must not be empty nor begin or end with a space")
    return text


Paragraphs = AfterValidator(_paragraphs)


class NewDecision(Sent):
    """How a session is left. None of the words is a finding against anybody."""

    word: Literal["reviewed", "follow_up_needed", "cannot_tell"]
    notes: Annotated[str, StringConstraints(min_length=1, max_length=4000), Paragraphs]


class NewStatement(Sent):
    """A candidate's own words."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=4000), Paragraphs]
    incident_id: Id | None = Field(
        default=None, description="About one incident; null for the session as a whole."
    )


class NewIncident(Sent):
    """What no rule found and a reviewer saw."""

    words: Annotated[str, StringConstraints(min_length=1, max_length=1000), PlainText]
    opened_ms: _MS
    closed_ms: _MS
    category: Literal["conduct", "identity", "coverage", "integrity"] = "conduct"
    severity: Literal["info", "low", "medium", "high"] = "medium"


class PolicyToCheck(Sent):
    """A policy's text."""

    text: str = Field(min_length=1, max_length=65_536)


class NewWhatIf(Sent):
    """Another policy, and the recorded sessions that it is tried on."""

    text: str | None = Field(
        default=None, min_length=1, max_length=65_536, description="The policy itself (YAML)."
    )
    policy: OwnPolicy | Word | None = Field(
        default=None, description="Or a version of your own policy, or a preset."
    )
    exam_id: Id | None = Field(
        default=None,
        description=f"Its recorded sessions; of more than {MOST_SESSIONS} those of highest priority.",
    )
    session_ids: list[Id] | None = Field(default=None, min_length=1, max_length=MOST_SESSIONS)

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.text is None) == (self.policy is None):
            raise ValueError("say `text` or `policy`")
        if (self.exam_id is None) == (self.session_ids is None):
            raise ValueError("say `exam_id` or `session_ids`")
        return self
