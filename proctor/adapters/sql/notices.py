"""`NoticeStore` in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, select

from proctor.adapters.sql.audit import write_audit
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.erasures import hold_session
from proctor.adapters.sql.notice_tables import notice_answers, notice_texts, preflights
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.notices import NoticeAnswer, NoticeChoice
from proctor.domain.preflights import Preflight

MOST_PREFLIGHTS = 50


class SqlNoticeStore:
    """Answers, texts and pre-flights."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_answer(self, answer: NoticeAnswer, text: str) -> None:
        """Store it with an audit row, and the very text once per digest. Raises `NotFound`."""
        async with self._database.writing() as connection:
            await hold_session(connection, answer.tenant_id, answer.session_id)
            shown = {
                "tenant_id": answer.tenant_id,
                "text_sha256": answer.text_sha256,
                "text": text,
            }
            put = self._database.insert(notice_texts).on_conflict_do_nothing()
            await connection.execute(put, [shown])
            row = {
                "answer_id": answer.answer_id,
                "candidate_id": answer.candidate_id,
                "session_id": answer.session_id,
                "tenant_id": answer.tenant_id,
                "choice": answer.choice.value,
                "scopes": answer.scopes,
                "text_version": answer.text_version,
                "text_sha256": answer.text_sha256,
                "locale": answer.locale,
                "answered_at": answer.answered_at,
            }
            await connection.execute(insert(notice_answers).values(row))
            await write_audit(
                connection,
                answer.tenant_id,
                at=answer.answered_at,
                actor=answer.candidate_id,
                action=f"notice.{answer.choice.value}",
                subject=answer.session_id,
                reason=f"{answer.text_version} {answer.text_sha256}",
            )

    async def newest_answer(
        self, tenant_id: TenantId, session_id: SessionId
    ) -> NoticeAnswer | None:
        """What holds in a session; None when nothing was answered."""
        return (await self.newest_answers(tenant_id, [session_id])).get(session_id)

    async def newest_answers(
        self, tenant_id: TenantId, session_ids: Collection[SessionId]
    ) -> Mapping[SessionId, NoticeAnswer]:
        """The same of several sessions; those without an answer are left out."""
        wanted = select(notice_answers).where(
            notice_answers.c.tenant_id == tenant_id,
            notice_answers.c.session_id.in_(list(session_ids)),
        )
        in_order = wanted.order_by(notice_answers.c.answered_at, notice_answers.c.answer_id)
        async with self._database.reading() as connection:
            rows = await connection.execute(in_order)
            return {row.session_id: _answer(row) for row in rows}  # the last one stays

    async def text(self, tenant_id: TenantId, sha256: str) -> str | None:
        """The text with this digest that a candidate of the tenant was shown."""
        wanted = select(notice_texts.c.text).where(
            notice_texts.c.tenant_id == tenant_id, notice_texts.c.text_sha256 == sha256
        )
        async with self._database.reading() as connection:
            return (await connection.execute(wanted)).scalar_one_or_none()

    async def add_preflight(self, preflight: Preflight) -> None:
        """Store it. Raises `NotFound` when the session is not the tenant's."""
        async with self._database.writing() as connection:
            await hold_session(connection, preflight.tenant_id, preflight.session_id)
            row = {
                "preflight_id": preflight.preflight_id,
                "tenant_id": preflight.tenant_id,
                "session_id": preflight.session_id,
                "checked_at": preflight.checked_at,
                "payload": preflight,
            }
            await connection.execute(insert(preflights).values(row))

    async def preflights(self, tenant_id: TenantId, session_id: SessionId) -> Sequence[Preflight]:
        """Newest first, fifty at most."""
        wanted = select(preflights.c.payload).where(
            preflights.c.tenant_id == tenant_id, preflights.c.session_id == session_id
        )
        newest = wanted.order_by(preflights.c.checked_at.desc(), preflights.c.preflight_id)
        async with self._database.reading() as connection:
            return list((await connection.execute(newest.limit(MOST_PREFLIGHTS))).scalars())


def _answer(row: Row[Any]) -> NoticeAnswer:
    return NoticeAnswer(**{**row._mapping, "choice": NoticeChoice(row.choice)})
