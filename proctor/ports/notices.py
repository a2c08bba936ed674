"""What candidates answered to the notice, and how their equipment did before the exam."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notices import NoticeAnswer
from proctor.domain.preflights import Preflight


class NoticeStore(Protocol):
    """Answers to notices, the texts they were given to, and pre-flights."""

    async def add_answer(self, answer: NoticeAnswer, text: str) -> None:
        """Store it with an audit row, and the very text once per digest. Raises `NotFound`."""
        ...

    async def newest_answer(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> NoticeAnswer | None:
        """What holds in a session; None when nothing was answered."""
        ...

    async def newest_answers(
        self, tenant_id: TenantId, session_ids: Collection[SessionId]
    ) -> Mapping[SessionId, NoticeAnswer]:
        """The same of several sessions; those without an answer are left out."""
        ...

    async def text(self, tenant_id: TenantId, sha256: str) -> str | None:
        """The text with this digest that a candidate of the tenant was shown."""
        ...

    async def add_preflight(self, preflight: Preflight) -> None:
        """Store it. Raises `NotFound` when the session is not the tenant's."""
        ...

    async def preflights(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Preflight]:
        """Newest first, fifty at most."""
        ...
