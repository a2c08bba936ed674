"""Late news of incidents: a reviewer's verdict, the state of the evidence. Each becomes an alert, once.

While the session is judged its shard tells the news, so that they are numbered and recorded with all
else; once it is over they are told here, under the same uniqueness of numbers. A verdict is stored first:
what could not be told is owed, and `tell_owed` tells it. Nothing but a record and an alert follows.
"""

from datetime import timedelta

import structlog

from proctor.domain.errors import (
    Conflict,
    InvalidInput,
    ProctorError,
    StateStoreUnavailable,
    Unavailable,
)
from proctor.domain.ids import IncidentId, TenantId, derive_id, new_id
from proctor.domain.incidents import EvidenceStatus, Incident, Verdict
from proctor.domain.notes import IncidentNote, VerdictGiven
from proctor.domain.sessions import Session, SessionState
from proctor.fusion.news import note_alert, noted
from proctor.fusion.policy import parse_policy
from proctor.ports import (
    Clock,
    ExamStore,
    IncidentStore,
    Judged,
    SessionJudges,
    SessionStore,
    VerdictStore,
)

OWED_AFTER = timedelta(seconds=15)
"""A verdict that is being told is told by then, or its teller has given up (a shard is waited for 10 s)."""
NUMBER_TRIES = 10
TELL_AT_ONCE = 100
_log = structlog.get_logger(__name__)


class IncidentNews:
    """Tells what becomes known of incidents after they were told."""

    def __init__(
        self,
        incidents: IncidentStore,
        verdicts: VerdictStore,
        sessions: SessionStore,
        exams: ExamStore,
        judges: SessionJudges,
        clock: Clock,
    ) -> None:
        self._incidents = incidents
        self._verdicts = verdicts
        self._sessions = sessions
        self._exams = exams
        self._judges = judges
        self._clock = clock

    async def verdict(
        self,
        tenant_id: TenantId,
        incident_id: IncidentId,
        verdict: Verdict,
        reviewer: str,
        reason: str,
    ) -> VerdictGiven:
        """Keep what a reviewer says, with an audit row, and tell that it was said.

        Args:
            tenant_id: Whose.
            incident_id: Of which incident.
            verdict: Confirmed or dismissed.
            reviewer: Who; never empty.
            reason: Why, in their words; it stays among those who review.

        Returns:
            The verdict; `told_at` is None while the alert about it is owed.

        Raises:
            NotFound: No such incident.
            InvalidInput: Nobody says so.
        """
        if not reviewer.strip():
            raise InvalidInput("A verdict needs a reviewer.")
        incident = await self._incidents.get_incident(tenant_id, incident_id)
        given = VerdictGiven(
            verdict_id=new_id("ver"),
            tenant_id=tenant_id,
            session_id=incident.session_id,
            incident_id=incident_id,
            verdict=verdict,
            reviewer=reviewer,
            reason=reason,
            given_at=self._clock.now(),
        )
        await self._verdicts.add(given)
        try:
            return await self._tell_verdict(given)
        except (Unavailable, Conflict) as error:
            _log.warning("verdict is stored and not told yet", code=error.code)
            return given

    async def verdicts(self, tenant_id: TenantId, incident_id: IncidentId) -> list[VerdictGiven]:
        """Every word of a reviewer, oldest first. Raises `NotFound`."""
        await self._incidents.get_incident(tenant_id, incident_id)
        return list(await self._verdicts.list(tenant_id, incident_id))

    async def evidence(
        self, tenant_id: TenantId, incident_id: IncidentId, status: EvidenceStatus
    ) -> None:
        """Tell where an incident's evidence stands; each state of it once.

        Raises:
            NotFound: No such incident.
            Unavailable: It could not be told: call again.
        """
        incident = await self._incidents.get_incident(tenant_id, incident_id)
        if incident.evidence.status is not status:
            note_id = derive_id("evi", incident_id, status)
            await self._tell(IncidentNote(note_id=note_id, incident=incident, evidence=status))

    async def tell_owed(self) -> int:
        """Tell verdicts whose telling failed. Returns how many are still owed."""
        before, after, failed = self._clock.now() - OWED_AFTER, None, 0
        while batch := await self._verdicts.owed(before, after, TELL_AT_ONCE):
            after = (batch[-1].given_at, batch[-1].verdict_id)
            for given in batch:
                try:
                    await self._tell_verdict(given)
                except ProctorError as error:  # one that cannot be told must not hold up the others
                    failed += 1
                    _log.warning("verdict is still not told", code=error.code)
        return failed

    async def _tell_verdict(self, given: VerdictGiven) -> VerdictGiven:
        """Tell it, and before it those of the incident that were given before it and are owed."""
        incident = await self._incidents.get_incident(given.tenant_id, given.incident_id)
        for each in await self._verdicts.list(given.tenant_id, given.incident_id):
            if each.told_at is None:
                note = IncidentNote(
                    note_id=each.verdict_id, incident=incident, verdict=each.verdict
                )
                await self._tell(note)
                await self._verdicts.told(each.tenant_id, each.verdict_id, self._clock.now())
            if each.verdict_id == given.verdict_id:
                break
        known = await self._verdicts.list(given.tenant_id, given.incident_id)
        return next(each for each in known if each.verdict_id == given.verdict_id)

    async def _tell(self, note: IncidentNote) -> None:
        incident = note.incident
        session = await self._sessions.get(incident.tenant_id, incident.session_id)
        if session.settled_at is None and await self._judges.annotate(note):
            return
        if session.state is not SessionState.ENDED:
            raise Unavailable("The session is not judged by any shard now; try again.")
        await self._tell_afterwards(note, session)

    async def _tell_afterwards(self, note: IncidentNote, session: Session) -> None:
        """The session is over: nobody else numbers its alerts but those who tell news of it."""
        title, language = await self._title(session, note.incident)
        for _ in range(NUMBER_TRIES):
            # The number first: what changes the incident after it takes the number, so we conflict.
            seq = await self._incidents.last_seq(session.session_id) + 1
            newest = await self._incidents.get_incident(
                session.tenant_id, note.incident.incident_id
            )
            incident = noted(newest, note)
            alert = note_alert(incident, note, seq, title, language, self._clock.now())
            told = Judged(
                tenant_id=session.tenant_id,
                session_id=session.session_id,
                alerts=(alert,),
                incidents=(incident,),
                coverage=None,
            )
            try:
                await self._incidents.commit([told])
            except Conflict:
                continue  # somebody told other news meanwhile: the next number
            return
        raise StateStoreUnavailable("the news found no number: tell them again")

    async def _title(self, session: Session, incident: Incident) -> tuple[str, str]:
        """What the incident's rule is called, and in which language; its id when it is gone."""
        exam = await self._exams.get_exam(session.tenant_id, session.exam_id)
        try:
            policy = parse_policy(exam.policy_text)
        except InvalidInput:
            return incident.rule_id, "en"
        titles = {rule.id: rule.title[policy.language] for rule in policy.rules}
        return titles.get(incident.rule_id, incident.rule_id), policy.language
