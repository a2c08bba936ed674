"""Candidates, their consent and their enrolment."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.perception import Embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A person who sits exams. `external_ref` is the integrator's own name for them."""

    candidate_id: CandidateId
    tenant_id: TenantId
    external_ref: str
    created_at: datetime


class ConsentScope(StrEnum):
    """What a consent is to: a template of the face, a template of the voice for one session."""

    FACE = "face"
    VOICE = "voice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What a candidate agreed to; without a live one no template is made of anything.

    The newest live record says all that is agreed to, so a narrower one takes the rest back.

    Attributes:
        consent_id: Its name.
        tenant_id: Whose data.
        candidate_id: Who agreed.
        text_version: Version of the text that was shown.
        text_sha256: Digest of the very text that was shown.
        locale: Language it was shown in (BCP 47).
        method: How it was given (`checkbox`, `e-signature`, `paper`).
        given_at: When.
        withdrawn_at: When it was taken back; None while it holds.
        scopes: What it is to, each once; records of before there were scopes are to the face.
    """

    consent_id: str
    tenant_id: TenantId
    candidate_id: CandidateId
    text_version: str
    text_sha256: str
    locale: str
    method: str
    given_at: datetime
    withdrawn_at: datetime | None = None
    scopes: tuple[ConsentScope, ...] = (ConsentScope.FACE,)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """Which embedding model made a vector. Vectors of different refs are never compared."""

    model: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FaceTemplate:
    """The enrolled face: several embeddings of one person, as stored (sealed at rest).

    Attributes:
        tenant_id: Whose data.
        candidate_id: Whose face.
        version: 1, 2, ... per candidate; a new enrolment replaces the old.
        model: Which embedding model and version made it.
        embeddings: (n, d) float32, n >= 3.
        created_at: When.
    """

    tenant_id: TenantId
    candidate_id: CandidateId
    version: int
    model: ModelRef
    embeddings: Embedding
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """That a face was enrolled, without the face: the template itself is in the face index.

    Attributes:
        tenant_id: Whose data.
        candidate_id: Whose face.
        version: The template's version, 1, 2, ... per candidate, never given twice.
        model: Which embedding model and version made it.
        pictures: How many pictures it rests on.
        created_at: When.
        erased_at: When the template was erased or replaced; None while it serves.
    """

    tenant_id: TenantId
    candidate_id: CandidateId
    version: int
    model: ModelRef
    pictures: int
    created_at: datetime
    erased_at: datetime | None = None


class QualityReason(StrEnum):
    """Why a picture cannot serve for enrolment or verification."""

    NONE = "none"
    SEVERAL = "several"
    TOO_SMALL = "too_small"
    BLURRED = "blurred"
    DARK = "dark"
    TURNED_AWAY = "turned_away"
    INCONSISTENT_SET = "inconsistent_set"
    TOO_FEW = "too_few"
    UNREADABLE = "unreadable"
    DUPLICATE = "duplicate"


class Decision(StrEnum):
    """What a verification may answer."""

    MATCH = "match"
    NO_MATCH = "no_match"
    CANNOT_TELL = "cannot_tell"
