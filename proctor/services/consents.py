"""Consent: given before anything biometric is computed, taken back even while a session runs."""

import json
from dataclasses import dataclass

import structlog

from proctor.domain.candidates import Consent, ConsentScope
from proctor.domain.errors import ConsentRequired, InvalidInput, Unavailable
from proctor.domain.ids import CandidateId, SessionId, TenantId, new_id
from proctor.domain.sessions import SessionState
from proctor.ports import (
    CandidateStore,
    Clock,
    FaceIndex,
    LiveState,
    SessionPlacement,
    SessionStore,
)
from proctor.services.judging.page_news import session_channel

_PAGE = 200
_log = structlog.get_logger(__name__)


async def require_consent(
    store: CandidateStore,
    tenant_id: TenantId,
    candidate_id: CandidateId,
    scope: ConsentScope = ConsentScope.FACE,
) -> None:
    """Raise `ConsentRequired` unless the candidate (`NotFound` if none) has a live consent to it."""
    await store.get_candidate(tenant_id, candidate_id)
    if scope not in scopes_of(await store.live_consent(tenant_id, candidate_id)):
        raise ConsentRequired("Record the candidate's consent first; nothing was computed.")


def scopes_of(consent: Consent | None) -> tuple[ConsentScope, ...]:
    """What the newest live record says is agreed to; nothing without one."""
    return () if consent is None else consent.scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What the candidate was shown and how they agreed; fields as in `Consent`."""

    text_version: str
    text_sha256: str
    locale: str
    method: str
    scopes: tuple[ConsentScope, ...] = (ConsentScope.FACE,)


class Consents:
    """Records consent, and undoes what rested on it."""

    def __init__(
        self,
        store: CandidateStore,
        faces: FaceIndex,
        sessions: SessionStore,
        placement: SessionPlacement,
        live: LiveState,
        clock: Clock,
    ) -> None:
        self._store = store
        self._faces = faces
        self._sessions = sessions
        self._placement = placement
        self._live = live
        self._clock = clock

    async def give(
        self, tenant_id: TenantId, candidate_id: CandidateId, agreement: Agreement
    ) -> Consent:
        """Record a consent. What an earlier one held and this one does not is taken back with it.

        Session hosts learn the scopes when a connection begins, so running ones begin anew.

        Raises:
            NotFound: There is no such candidate.
            InvalidInput: It is to nothing.
        """
        await self._store.get_candidate(tenant_id, candidate_id)
        if not agreement.scopes:
            raise InvalidInput("A consent is to something: name its scopes.")
        before = scopes_of(await self._store.live_consent(tenant_id, candidate_id))
        consent = Consent(
            consent_id=new_id("con"),
            tenant_id=tenant_id,
            candidate_id=candidate_id,
            text_version=agreement.text_version,
            text_sha256=agreement.text_sha256,
            locale=agreement.locale,
            method=agreement.method,
            given_at=self._clock.now(),
            scopes=tuple(dict.fromkeys(agreement.scopes)),
        )
        await self._store.add_consent(consent)
        lost = set(before) - set(consent.scopes)
        if ConsentScope.FACE in lost:
            await self.erase(tenant_id, candidate_id)
        elif lost or set(consent.scopes) - set(before) - {ConsentScope.FACE}:
            await self._let_go(tenant_id, candidate_id, "consent_changed")
        return consent

    async def withdraw(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Take every consent back: the template is erased, and no running session keeps a copy.

        A session host holds the template in memory from join on, so live sessions of the candidate
        are disconnected; their page comes back by itself and is watched without a template.
        Repeating it changes nothing.
        """
        await self._store.get_candidate(tenant_id, candidate_id)
        await self._store.withdraw_consent(tenant_id, candidate_id, self._clock.now())
        await self.erase(tenant_id, candidate_id)
        _log.info("consent withdrawn", candidate_id=candidate_id)

    async def erase(self, tenant_id: TenantId, candidate_id: CandidateId) -> None:
        """Erase the template wherever it is. Raises `NotFound` when there is no such candidate."""
        await self._store.get_candidate(tenant_id, candidate_id)
        await self._faces.erase(tenant_id, candidate_id)
        await self._store.erase_enrolments(tenant_id, candidate_id, self._clock.now())
        await self._let_go(tenant_id, candidate_id, "enrolment_erased")

    async def _let_go(self, tenant_id: TenantId, candidate_id: CandidateId, reason: str) -> None:
        after: SessionId | None = None
        failed: Unavailable | None = None
        while True:
            page = await self._sessions.list(tenant_id, None, SessionState.LIVE, after, _PAGE)
            for session in page:
                if session.candidate_id != candidate_id:
                    continue
                try:
                    await self._placement.leave(session.session_id, session.epoch)
                except Unavailable as error:
                    failed = error
                message = json.dumps({"type": "reconnect", "reason": reason})
                await self._live.publish(session_channel(session.session_id), message)
            if len(page) < _PAGE:
                break
            after = page[-1].session_id
        if failed is not None:
            raise failed  # not all copies are known to be gone: the caller repeats the call
