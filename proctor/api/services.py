"""Everything that the HTTP and WebSocket applications are given; built in the composition root."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from proctor.domain.published import PublishedModel
from proctor.domain.sending import MediaWish
from proctor.ports import Clock, KeyRing, LiveState, Metrics, SessionPlacement, TokenCheck
from proctor.services.accommodations import Accommodations
from proctor.services.alerts import Alerts
from proctor.services.candidates import Candidates
from proctor.services.casework import Casework
from proctor.services.challenges import Challenges
from proctor.services.consents import Consents
from proctor.services.desk import Desk
from proctor.services.enroll import Enroll
from proctor.services.erase import Erase
from proctor.services.evidence.schedule import RetentionSchedule
from proctor.services.evidence.showing import EvidenceDesk
from proctor.services.exams import Exams
from proctor.services.figures import Figures
from proctor.services.ice import IceServers
from proctor.services.join import Join, LiveTickets, SignIn
from proctor.services.news import IncidentNews
from proctor.services.notices import Notices
from proctor.services.observed import ObservedSessions
from proctor.services.own_session import OwnSessions
from proctor.services.policies import Policies
from proctor.services.policy_reader import PolicyReader
from proctor.services.preflights import Preflights
from proctor.services.priorities import Priorities
from proctor.services.proof.export import Export
from proctor.services.sessions import Connections, Sessions
from proctor.services.sinks import Sinks
from proctor.services.verify import Verify
from proctor.services.what_if import WhatIfs


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Use cases, and the few ports that the API uses itself.

    Attributes:
        exams: Exams.
        policies: Policies.
        candidates: Candidates.
        consents: Consent and erasure of templates.
        challenges: Challenges of enrolments.
        enroll: Enrolment.
        verify: Verification.
        sessions: Sessions.
        connections: WHIP.
        accommodations: What candidates are allowed, and breaks.
        news: Verdicts and other late news of incidents.
        evidence: Evidence before human eyes.
        retention: What is kept, and for how long.
        priorities: In which order sessions are worth a look.
        desk: What reviewers look at.
        casework: What people add to sessions.
        figures: Sums for administrators.
        what_ifs: Policies tried on recorded sessions.
        reader: Policies, read once.
        notices: What candidates are told and answer.
        preflights: Trials of camera, microphone and line.
        own: What candidates may know of their own session.
        observed: Observations for data frames.
        join: Join tickets.
        sign_in: Sign-in tickets of staff.
        live_tickets: Tickets for WebSockets.
        alerts: The alert feed.
        sinks: Where alerts are pushed to.
        ice: STUN and TURN for a session.
        media: What pages are asked to send at first.
        placement: Where events of a candidate's page go.
        tokens: Believes bearer tokens.
        live: Rate limits, revocations, kept answers, channels.
        keys: Seals kept answers.
        clock: Time.
        metrics: Numbers for operators.
        render_metrics: Prometheus text of this process and its siblings.
        erase: Erasure of candidates.
        export: Sessions as files that anybody can check.
        proof_key: The public key that checkpoints and exports are signed with, as JWK.
        web: Folder of the pages.
        published: (model, version) -> what is published of it.
        public_url: Where people reach us, without a slash at the end; None: as the request says.
        allowed_origins: Origins that may open WebSockets besides our own pages.
        token_cap: Longest life of a token; how long a revocation must be remembered.
    """

    exams: Exams
    policies: Policies
    candidates: Candidates
    consents: Consents
    challenges: Challenges
    enroll: Enroll
    verify: Verify
    sessions: Sessions
    connections: Connections
    accommodations: Accommodations
    news: IncidentNews
    evidence: EvidenceDesk
    retention: RetentionSchedule
    priorities: Priorities
    desk: Desk
    casework: Casework
    figures: Figures
    what_ifs: WhatIfs
    reader: PolicyReader
    notices: Notices
    preflights: Preflights
    own: OwnSessions
    observed: ObservedSessions
    join: Join
    sign_in: SignIn
    live_tickets: LiveTickets
    alerts: Alerts
    sinks: Sinks
    ice: IceServers
    media: MediaWish
    placement: SessionPlacement
    tokens: TokenCheck
    live: LiveState
    keys: KeyRing
    clock: Clock
    metrics: Metrics
    render_metrics: Callable[[], bytes]
    erase: Erase
    export: Export
    proof_key: Mapping[str, str]
    web: Path
    published: Mapping[tuple[str, str], PublishedModel] = field(default_factory=dict)
    public_url: str | None = None
    allowed_origins: frozenset[str] = frozenset()
    token_cap: timedelta = timedelta(hours=24)
