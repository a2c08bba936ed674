"""All relational stores over one database."""

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from proctor.adapters.sql.archive import SqlAlertArchive
from proctor.adapters.sql.audit import SqlAuditLog
from proctor.adapters.sql.candidates import SqlCandidateStore
from proctor.adapters.sql.cases import SqlCaseStore
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.deliveries import SqlDeliveryStore
from proctor.adapters.sql.desk import SqlReviewDesk
from proctor.adapters.sql.evidence import SqlEvidenceLedger
from proctor.adapters.sql.evidence_ends import SqlEvidenceEnds
from proctor.adapters.sql.exams import SqlExamStore
from proctor.adapters.sql.feed import SqlAlertFeed
from proctor.adapters.sql.figures import SqlFigureStore
from proctor.adapters.sql.incidents import SqlIncidentStore
from proctor.adapters.sql.policies import SqlPolicyStore
from proctor.adapters.sql.review import SqlAllowanceStore, SqlPriorityStore, SqlVerdictStore
from proctor.adapters.sql.sessions import SqlSessionStore
from proctor.adapters.sql.sinks import SqlSinkStore
from proctor.adapters.sql.tables import REVISION, tenants
from proctor.domain.errors import StateStoreUnavailable


class SqlStores:
    """The stores of one database. `open` before use, `close` after.

    Args:
        database_url: `sqlite:///file` or `postgresql://user:password@host/name`, driver optional.
        patience_s: How long a lock, a connection or an answer is waited for.

    Attributes:
        exams: `ExamStore`.
        policies: `PolicyStore`.
        candidates: `CandidateStore`.
        sessions: `SessionStore`.
        incidents: `IncidentStore`.
        feed: `AlertFeed`.
        archive: `AlertArchive`.
        sinks: `SinkStore`.
        deliveries: `DeliveryStore`.
        allowances: `AllowanceStore`.
        verdicts: `VerdictStore`.
        priorities: `PriorityStore`.
        desk: `ReviewDesk`.
        cases: `CaseStore`.
        figures: `FigureStore`.
        evidence: `EvidenceLedger`.
        evidence_ends: `EvidenceEnds`.
        audit: `AuditLog`.
    """

    def __init__(self, database_url: str, patience_s: float = 5.0) -> None:
        self._database = Database(database_url, patience_s)
        self.exams = SqlExamStore(self._database)
        self.policies = SqlPolicyStore(self._database)
        self.candidates = SqlCandidateStore(self._database)
        self.sessions = SqlSessionStore(self._database)
        self.incidents = SqlIncidentStore(self._database)
        self.feed = SqlAlertFeed(self._database)
        self.archive = SqlAlertArchive(self._database)
        self.sinks = SqlSinkStore(self._database)
        self.deliveries = SqlDeliveryStore(self._database)
        self.allowances = SqlAllowanceStore(self._database)
        self.verdicts = SqlVerdictStore(self._database)
        self.priorities = SqlPriorityStore(self._database)
        self.desk = SqlReviewDesk(self._database)
        self.cases = SqlCaseStore(self._database)
        self.figures = SqlFigureStore(self._database)
        self.evidence = SqlEvidenceLedger(self._database)
        self.evidence_ends = SqlEvidenceEnds(self._database)
        self.audit = SqlAuditLog(self._database)

    async def open(self) -> None:
        """Reach the database. Raises `StateStoreUnavailable` when it is away or not migrated."""
        try:
            async with self._database.reading() as connection:
                found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
        except DBAPIError:
            found = None
        if found != REVISION:
            raise StateStoreUnavailable(
                f"the database is at migration {found or 'none'}, this version needs {REVISION}: "
                "run `proctor migrate`"
            )

    async def check(self) -> None:
        """Ask the database for an answer. Raises `StateStoreUnavailable`."""
        async with self._database.reading() as connection:
            await connection.execute(select(tenants.c.tenant_id).limit(1))

    async def close(self) -> None:
        """Close every connection."""
        await self._database.close()
