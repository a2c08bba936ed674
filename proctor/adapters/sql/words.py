"""What people wrote about a candidate, and what a candidate's equipment told: how it ends."""

from sqlalchemy import Select, delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from proctor.adapters.sql.notice_tables import preflights
from proctor.adapters.sql.review_tables import additions, decisions, statements
from proctor.adapters.sql.tables import verdicts
from proctor.domain.ids import TenantId

WITH_WORDS = (statements, decisions, additions, preflights, verdicts)
"""The tables that are cleaned up after `erase_words`."""


async def erase_words(
    connection: AsyncConnection, tenant_id: TenantId, sessions: Select[tuple[str]]
) -> None:
    """Take the words out of what was said about some of a tenant's sessions; twice is once.

    Statements and pre-flights go whole: that a statement was made, and by whom, stands in the audit
    log. That a verdict was given, a decision made and an incident added, by whom and when, stays
    without its words.
    """
    for table in (statements, preflights):
        of_theirs = (table.c.tenant_id == tenant_id, table.c.session_id.in_(sessions))
        await connection.execute(delete(table).where(*of_theirs))
    for words in (decisions.c.notes, additions.c.words, verdicts.c.reason):
        table = words.table
        of_theirs = (table.c.tenant_id == tenant_id, table.c.session_id.in_(sessions))
        blank = update(table).where(*of_theirs, words != "")
        await connection.execute(blank.values({words: ""}))
