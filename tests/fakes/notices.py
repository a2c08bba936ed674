"""`NoticeStore` in memory, over the database that all relational fakes share."""

from collections.abc import Collection, Mapping, Sequence

from proctor.domain.errors import NotFound
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notices import NoticeAnswer
from proctor.domain.preflights import Preflight
from tests.fakes.database import FakeDatabase, FakeRelational


class FakeNoticeStore(FakeRelational):
    """Answers, texts and pre-flights."""

    def __init__(self, database: FakeDatabase | None = None) -> None:
        super().__init__(database)
        self.answers: list[NoticeAnswer] = []
        self.texts: dict[tuple[TenantId, str], str] = {}

    async def add_answer(self, answer: NoticeAnswer, text: str) -> None:
        self._reach()
        self._require(answer.tenant_id, answer.session_id)
        self.texts.setdefault((answer.tenant_id, answer.text_sha256), text)
        self.answers.append(answer)
        reason = f"{answer.text_version} {answer.text_sha256}"
        whose, action = (answer.tenant_id, answer.candidate_id), f"notice.{answer.choice.value}"
        self.database.audit.append((*whose, action, answer.session_id, reason))

    async def newest_answer(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> NoticeAnswer | None:
        return (await self.newest_answers(tenant_id, [session_id])).get(session_id)

    async def newest_answers(
        self, tenant_id: TenantId, session_ids: Collection[SessionId]
    ) -> Mapping[SessionId, NoticeAnswer]:
        self._reach()
        theirs = [
            each
            for each in self.answers
            if each.tenant_id == tenant_id and each.session_id in session_ids
        ]
        in_order = sorted(theirs, key=lambda each: (each.answered_at, each.answer_id))
        return {each.session_id: each for each in in_order}

    async def text(self, tenant_id: TenantId, sha256: str) -> str | None:
        self._reach()
        return self.texts.get((tenant_id, sha256))

    async def add_preflight(self, preflight: Preflight) -> None:
        self._reach()
        self._require(preflight.tenant_id, preflight.session_id)
        self.database.preflights.append(preflight)

    async def preflights(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Preflight]:
        self._reach()
        whose = (tenant_id, session_id)
        theirs = [
            each for each in self.database.preflights if (each.tenant_id, each.session_id) == whose
        ]
        return sorted(theirs, key=lambda each: each.checked_at, reverse=True)[:50]

    def _require(self, tenant_id: TenantId, session_id: SessionId) -> None:
        session = self.database.sessions.get(session_id)
        if session is None or session.tenant_id != tenant_id:
            raise NotFound(f"no session {session_id}")
        if (tenant_id, session.candidate_id) in self.database.erasures:
            raise NotFound(f"no candidate {session.candidate_id}")
