"""A tenant's own policies: versions that never change once they are stored."""

from dataclasses import dataclass
from datetime import datetime

from proctor.domain.ids import TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPolicy:
    """One version of one policy.

    Attributes:
        tenant_id: Whose policy.
        policy_id: Its name, as its text says.
        version: 1, 2, 3 ... without holes, as its text says.
        text: The policy itself (YAML), byte for byte as it was sent.
        tests: Its test cases (YAML); all must pass before it is attached to an exam.
        created_at: When it was stored.
        retired_at: Since when no new exam takes any version of it; None while exams may.
    """

    tenant_id: TenantId
    policy_id: str
    version: int
    text: str
    tests: tuple[str, ...]
    created_at: datetime
    retired_at: datetime | None = None
