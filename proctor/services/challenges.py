"""Challenges at enrolment: given out, tried once, and not too often.

A nonce lives in the live state under tenant and candidate, so it is of no use to anybody else. It is
taken when it is tried, whatever comes of the try: nobody learns by trying the same one again.
"""

import json
import random
import secrets
from datetime import datetime, timedelta

from proctor.domain.challenges import Challenge, ChallengeReason, Step
from proctor.domain.errors import ChallengeRefused, TooManyAttempts
from proctor.domain.ids import CandidateId, ExamId, SessionId, TenantId, new_id
from proctor.domain.sessions import SessionState
from proctor.fusion.policy import parse_policy
from proctor.ports import CandidateStore, Clock, ExamStore, LiveState, SessionStore
from proctor.services.consents import require_consent
from proctor.services.join import SessionEnded

STEPS = 3
LIFETIME = timedelta(minutes=3)
TRIES_PER_HOUR = 8
HOUR_S = 3600
PAGE = 200


class Challenges:
    """Gives out challenges and takes them back."""

    def __init__(
        self,
        candidates: CandidateStore,
        sessions: SessionStore,
        exams: ExamStore,
        live: LiveState,
        clock: Clock,
        choice: random.Random | None = None,
    ) -> None:
        """`choice` picks the steps; the system's own randomness unless a test gives another."""
        self._candidates = candidates
        self._sessions = sessions
        self._exams = exams
        self._live = live
        self._clock = clock
        self._choice = choice or secrets.SystemRandom()

    async def issue(
        self, tenant_id: TenantId, candidate_id: CandidateId, *, by_staff: bool = False
    ) -> Challenge:
        """A new challenge of three different steps in random order.

        Staff do not use up what the candidate may ask for: the route's own limit holds for them.

        Raises:
            NotFound: No such candidate.
            ConsentRequired: No live consent: there would be nothing to enrol.
            TooManyAttempts: The candidate asked for more than eight within an hour.
        """
        await require_consent(self._candidates, tenant_id, candidate_id)
        if not by_staff:
            await self._hold_back(tenant_id, candidate_id)
        challenge = Challenge(
            nonce=new_id("cha"),
            steps=tuple(self._choice.sample(list(Step), STEPS)),
            expires_at=self._clock.now() + LIFETIME,
        )
        kept = {"steps": challenge.steps, "expires_at": challenge.expires_at.isoformat()}
        key = _key(tenant_id, candidate_id, challenge.nonce)
        await self._live.put(key, json.dumps(kept), HOUR_S)
        return challenge

    async def redeem(
        self, tenant_id: TenantId, candidate_id: CandidateId, nonce: str
    ) -> tuple[Step, ...]:
        """The steps of a challenge that is tried now; afterwards it is used.

        Raises:
            ChallengeRefused: Used already, expired, or none of this candidate's.
        """
        key = _key(tenant_id, candidate_id, nonce)
        kept = await self._live.take(key)
        if kept is None:
            is_used = await self._live.get(f"{key}:used") is not None
            reason = ChallengeReason.USED if is_used else ChallengeReason.UNKNOWN
            raise ChallengeRefused("This challenge cannot be tried; ask for a new one.", (reason,))
        await self._live.put(f"{key}:used", "1", HOUR_S)
        facts = json.loads(kept)
        if self._clock.now() >= datetime.fromisoformat(facts["expires_at"]):
            raise ChallengeRefused(
                "The challenge took too long; ask for a new one.", (ChallengeReason.EXPIRED,)
            )
        return tuple(Step(step) for step in facts["steps"])

    async def is_required(
        self, tenant_id: TenantId, candidate_id: CandidateId, session_id: SessionId | None
    ) -> bool:
        """Whether the exam of any session of the candidate that has not ended asks for one.

        The template serves them all, so an exam that does not ask is no way round one that does. Staff
        enrol without a session: they see for themselves whom they enrol.

        Raises:
            NotFound: No such session.
            SessionEnded: The candidate's own session is over, so nothing is enrolled through it.
        """
        if session_id is None:
            return False
        session = await self._sessions.get(tenant_id, session_id)
        if session.state is SessionState.ENDED:
            raise SessionEnded("The session has ended.")
        exam_ids = {session.exam_id} | await self._open_exams(tenant_id, candidate_id)
        for exam_id in exam_ids:
            exam = await self._exams.get_exam(tenant_id, exam_id)
            if parse_policy(exam.policy_text).enrolment.challenge == "required":
                return True
        return False

    async def _open_exams(self, tenant_id: TenantId, candidate_id: CandidateId) -> set[ExamId]:
        found: set[ExamId] = set()
        after: SessionId | None = None
        while page := await self._sessions.list(tenant_id, None, None, after, PAGE, candidate_id):
            found.update(each.exam_id for each in page if each.state is not SessionState.ENDED)
            after = page[-1].session_id
        return found

    async def _hold_back(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        counted, since = live_keys(tenant_id, candidate_id)
        now = self._clock.now()
        await self._live.put_once(since, now.isoformat(), HOUR_S)
        if await self._live.count(counted, HOUR_S) <= TRIES_PER_HOUR:
            return
        began = datetime.fromisoformat(await self._live.get(since) or now.isoformat())
        wait_s = HOUR_S - int((now - began).total_seconds())
        raise TooManyAttempts(
            f"More than {TRIES_PER_HOUR} challenges within an hour; wait, or ask the exam office.",
            max(1, wait_s),
        )


def live_keys(tenant_id: TenantId, candidate_id: CandidateId) -> tuple[str, str]:
    """What is remembered of a candidate's challenges for an hour: how many, and since when."""
    first, second = (f"challenge-{what}:{tenant_id}:{candidate_id}" for what in ("n", "since"))
    return first, second


def _key(tenant_id: TenantId, candidate_id: CandidateId, nonce: str) -> str:
    return f"challenge:{tenant_id}:{candidate_id}:{nonce}"
