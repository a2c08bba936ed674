"""`ReviewDesk` and `FigureStore` in memory: the plainest way to say what SQL must answer."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from proctor.domain.alerts import Alert, Transition
from proctor.domain.desk import (
    Card,
    IncidentCount,
    IncidentFilter,
    IncidentLine,
    QueueFilter,
    ReviewStatus,
    SessionRecord,
    sums_of,
)
from proctor.domain.errors import NotFound
from proctor.domain.evidence import PieceState
from proctor.domain.figures import CoverageTotal, Lasting, RuleCount, TenantFigures
from proctor.domain.ids import IncidentId, SessionId, TenantId
from proctor.domain.incidents import Incident
from proctor.domain.priority import WITHHELD_RANK
from proctor.domain.sessions import Session, SessionState
from proctor.fusion.grouping import ORDER
from tests.fakes.casework import FakeCaseStore
from tests.fakes.database import FakeRelational
from tests.fakes.review import FakeAllowanceStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FakeReviewDesk(FakeRelational):
    """Lists for reviewers."""

    def _incidents(self, tenant_id: TenantId) -> list[Incident]:
        self._reach()
        return [each for each in self.database.incidents.values() if each.tenant_id == tenant_id]

    def _card(self, session: Session) -> Card:
        whose, priority = self.database.priorities.get(session.session_id, (None, None))
        priority = priority if whose == session.tenant_id else None
        counts = Counter(
            (each.severity, each.verdict)
            for each in self._incidents(session.tenant_id)
            if each.session_id == session.session_id
        )
        decisions = self.database.decisions.get(session.session_id, [])
        sums = sums_of(self.database.coverage.get(session.session_id, ()))
        return Card(
            session=session,
            candidate_ref=self.database.candidates[session.candidate_id].external_ref,
            exam_title=self.database.exams[session.exam_id].title,
            rank=WITHHELD_RANK if priority is None else priority.rank,
            priority=priority,
            coverage=tuple(
                sorted(sums, key=lambda each: (each.modality, each.state, each.reason or ""))
            ),
            counts=tuple(IncidentCount(*kind, counts[kind]) for kind in sorted(counts)),
            decision=decisions[-1] if decisions else None,
        )

    async def queue(
        self,
        tenant_id: TenantId,
        wanted: QueueFilter,
        after: tuple[int, SessionId] | None,
        limit: int,
    ) -> Sequence[Card]:
        self._reach()
        cards = [
            self._card(session)
            for session in self.database.sessions.values()
            if session.tenant_id == tenant_id
        ]
        cards = [card for card in cards if self._is_wanted(card, wanted)]
        if after is not None:
            cards = [card for card in cards if (card.rank, card.session.session_id) < after]
        cards.sort(key=lambda card: (card.rank, card.session.session_id), reverse=True)
        return cards[:limit]

    def _is_wanted(self, card: Card, wanted: QueueFilter) -> bool:
        session = card.session
        status = ReviewStatus(card.decision.word) if card.decision else ReviewStatus.OPEN
        if wanted.asks_incidents and not any(
            each.session_id == session.session_id and _is_kind(each, wanted)
            for each in self._incidents(session.tenant_id)
        ):
            return False
        said = wanted.words.lower() in card.candidate_ref.lower()
        return (
            wanted.exam_id in (None, session.exam_id)
            and wanted.state in (None, session.state)
            and wanted.status in (None, status)
            and (wanted.min_rank is None or card.rank >= wanted.min_rank)
            and (said or wanted.words == session.session_id)
        )

    async def cards(self, tenant_id: TenantId, sessions: Sequence[Session]) -> Sequence[Card]:
        self._reach()
        return [self._card(session) for session in sessions]

    def _line(self, incident: Incident) -> IncidentLine:
        session = self.database.sessions.get(incident.session_id)
        began = EPOCH if session is None else session.started_at or session.created_at
        return IncidentLine(
            incident_id=incident.incident_id,
            exam_id=incident.exam_id,
            session_id=incident.session_id,
            candidate_id=incident.candidate_id,
            rule_id=incident.rule_id,
            policy_id=incident.policy_id,
            policy_version=incident.policy_version,
            category=incident.category,
            severity=incident.severity,
            opened_ms=incident.opened_ms,
            closed_ms=incident.closed_ms,
            opened_at=began + timedelta(milliseconds=incident.opened_ms),
            verdict=incident.verdict,
            evidence=incident.evidence.status,
            suppressed_by=incident.suppressed_by,
        )

    async def incidents(
        self,
        tenant_id: TenantId,
        wanted: IncidentFilter,
        after: tuple[datetime, IncidentId] | None,
        limit: int,
    ) -> Sequence[IncidentLine]:
        lines = [
            self._line(each)
            for each in self._incidents(tenant_id)
            if _is_kind(each, wanted)
            and wanted.exam_id in (None, each.exam_id)
            and wanted.session_id in (None, each.session_id)
        ]
        begin = wanted.opened_from
        lines = [
            line
            for line in lines
            if (begin is None or line.opened_at >= begin)
            and (after is None or (line.opened_at, line.incident_id) < after)
        ]
        return sorted(lines, key=lambda each: (each.opened_at, each.incident_id), reverse=True)[
            :limit
        ]

    async def line(self, tenant_id: TenantId, incident_id: IncidentId) -> IncidentLine:
        for incident in self._incidents(tenant_id):
            if incident.incident_id == incident_id:
                return self._line(incident)
        raise NotFound(f"no incident {incident_id}")

    async def record(
        self, tenant_id: TenantId, session_id: SessionId, incidents: int, detailed: int
    ) -> SessionRecord:
        def weight(each: Incident) -> tuple[int, int, str]:
            length = (1 << 50 if each.closed_ms is None else each.closed_ms) - each.opened_ms
            return -ORDER.index(each.severity), -length, each.incident_id

        found = [each for each in self._incidents(tenant_id) if each.session_id == session_id]
        first = sorted(found, key=weight)[:incidents]
        in_time = sorted(first, key=lambda each: (each.opened_ms, each.incident_id))
        whole = {each.incident_id for each in first[:detailed]}
        verdicts = [
            each
            for each in self.database.verdicts.values()
            if (each.tenant_id, each.session_id) == (tenant_id, session_id)
        ]
        verdicts.sort(key=lambda each: (each.given_at, each.verdict_id))
        session = self.database.sessions.get(session_id)
        is_ours = session is not None and session.tenant_id == tenant_id
        made = self.database.connections.get(session_id, []) if is_ours else []
        cases, allowances = FakeCaseStore(self.database), FakeAllowanceStore(self.database)
        return SessionRecord(
            incidents=tuple(self._line(each) for each in in_time),
            incidents_total=len(found),
            detailed=tuple(each for each in in_time if each.incident_id in whole),
            verdicts=tuple(verdicts[-incidents:]),
            connections=tuple(made[-incidents:]),
            breaks=tuple(await allowances.list_breaks(tenant_id, session_id)),
            decisions=tuple(await cases.decisions(tenant_id, session_id)),
            statements=tuple(await cases.statements(tenant_id, session_id)),
            additions=tuple(await cases.additions(tenant_id, session_id)),
        )

    async def told(self, tenant_id: TenantId, incident_id: IncidentId) -> Sequence[Alert]:
        self._reach()
        found = [
            each
            for each in self.database.alerts.values()
            if (each.tenant_id, each.incident_id) == (tenant_id, incident_id)
        ]
        return sorted(found, key=lambda each: each.seq)

    async def openings(
        self, tenant_id: TenantId, incident_ids: Sequence[IncidentId]
    ) -> Mapping[IncidentId, Alert]:
        found = {}
        for name in incident_ids:
            for alert in await self.told(tenant_id, name):
                if alert.transition in (Transition.OPENED, Transition.ESCALATED):
                    found[name] = alert
        return found


def _is_kind(incident: Incident, wanted: QueueFilter | IncidentFilter) -> bool:
    return (
        wanted.severity in (None, incident.severity)
        and wanted.rule_id in (None, incident.rule_id)
        and wanted.category in (None, incident.category)
        and wanted.verdict in (None, incident.verdict)
    )


class FakeFigureStore(FakeRelational):
    """Sums over a tenant."""

    async def rules(self, tenant_id: TenantId) -> Sequence[RuleCount]:
        self._reach()
        counts = Counter(
            (each.policy_id, each.policy_version, each.rule_id, each.verdict)
            for each in self.database.incidents.values()
            if each.tenant_id == tenant_id
        )
        return [
            RuleCount(
                policy_id=policy, policy_version=version, rule_id=rule, verdict=verdict, count=count
            )
            for (policy, version, rule, verdict), count in sorted(counts.items())
        ]

    async def totals(self, tenant_id: TenantId, alerts: int) -> TenantFigures:
        self._reach()
        sessions = [s for s in self.database.sessions.values() if s.tenant_id == tenant_id]
        feed = self.database.feeds.get(tenant_id, [])
        newest = [item.alert for item in feed[-alerts:]]
        closed: Counter[tuple[object, ...]] = Counter()
        lasting = []
        for session in sessions:
            for each in sums_of(self.database.coverage.get(session.session_id, ())):
                closed[each.modality, each.state, each.reason] += each.closed_ms
                is_live = session.state is SessionState.LIVE
                if is_live and session.started_at and each.open_since_ms is not None:
                    lasting.append(
                        Lasting(
                            modality=each.modality,
                            state=each.state,
                            reason=each.reason,
                            since_ms=each.open_since_ms,
                            started_at=session.started_at,
                        )
                    )
        kinds = sorted(closed, key=lambda kind: tuple(part or "" for part in kind))
        exams = [e for e in self.database.exams.values() if e.tenant_id == tenant_id]
        models = Counter(one for alert in newest for one in alert.producers)
        return TenantFigures(
            sessions={
                state: sum(session.state is state for session in sessions) for state in SessionState
            },
            alerts=len(feed),
            coverage=[
                CoverageTotal(
                    modality=kind[0],  # type: ignore[arg-type]
                    state=kind[1],  # type: ignore[arg-type]
                    reason=kind[2],  # type: ignore[arg-type]
                    closed_ms=closed[kind],
                )
                for kind in kinds
            ],
            lasting=lasting,
            models=models.most_common(),
            models_window=len(newest),
            outbox=sum(each.tenant_id == tenant_id for each in self.database.outbox),
            retention=sorted(Counter(exam.retention_days for exam in exams).items()),
            evidence_bytes=sum(
                piece.ref.size
                for piece, _ in self.database.evidence.values()
                if piece.ref.tenant_id == tenant_id and piece.state is PieceState.STORED
            ),
        )
