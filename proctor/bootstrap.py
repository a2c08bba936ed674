"""Settings in, working stores and services out: the one place that knows which adapter is behind a port.

Imports are inside the functions, so that a process pays only for what it opens.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from proctor.bootstrap_evidence import open_recordings
from proctor.bootstrap_proof import build_erase, build_export, open_seal
from proctor.bootstrap_stores import Stores, open_secrets_ring
from proctor.domain.errors import InvalidInput
from proctor.services.no_tracing import OFF
from proctor.settings import Settings

if TYPE_CHECKING:
    from proctor.adapters.sinks.registry import SinkRegistry
    from proctor.adapters.sql.stores import SqlStores
    from proctor.adapters.tokens import TokenIssuer, TokenVerifier
    from proctor.api.services import Services as Services
    from proctor.domain.candidates import ModelRef
    from proctor.domain.published import PublishedModel
    from proctor.domain.sending import MediaWish
    from proctor.identity.matching import MatchCalibration
    from proctor.ports import (
        LiveState,
        Perception,
        SessionJudges,
        SessionPlacement,
        Tracer,
    )
    from proctor.services.delivering_crew import DeliveryCrew
    from proctor.services.figures import SeeHosts
    from proctor.services.notices import ModelInUse
    from proctor.services.what_if import JudgeAgain


def open_sinks(settings: Settings) -> "SinkRegistry":
    """What turns stored sinks into ones that send. Raises `InvalidInput` for an unusable setting."""
    from proctor.adapters.clock import SystemClock
    from proctor.adapters.sinks.registry import Broker, SinkRegistry

    return SinkRegistry(
        clock=SystemClock(),
        allow=settings.webhook_allow,
        ca=settings.webhook_ca,
        brokers={
            name: Broker(
                bootstrap=one.bootstrap,
                topic=one.topic,
                options={key: value.get_secret_value() for key, value in one.options.items()},
                tenants=frozenset(one.tenants),
            )
            for name, one in settings.kafka_clusters.items()
        },
    )


def build_deliveries(
    settings: Settings, sql: "SqlStores", live: "LiveState", tracer: "Tracer" = OFF
) -> "DeliveryCrew":
    """The loop that works for every tenant's sinks."""
    import os
    import socket
    from functools import partial

    from proctor.adapters.clock import SystemClock
    from proctor.adapters.metrics import PrometheusMetrics
    from proctor.domain.ids import new_id
    from proctor.services.delivering_crew import DeliveryCrew
    from proctor.services.delivery_desk import Desk
    from proctor.services.live_readers import caught_up

    known = settings.resolved()
    desk = Desk(
        owner=f"{socket.gethostname()}:{os.getpid()}:{new_id('dsp')}",
        sinks=sql.sinks,
        deliveries=sql.deliveries,
        feed=sql.feed,
        caught_up=partial(caught_up, live),
        clock=SystemClock(),
        metrics=PrometheusMetrics(),
        tracer=tracer,
    )
    return DeliveryCrew(desk, open_secrets_ring(known), open_sinks(known))


def build_services(
    settings: Settings,
    stores: Stores,
    *,
    perception: "Perception",
    placement: "SessionPlacement",
    judges: "SessionJudges",
    calibrations: "Mapping[ModelRef, MatchCalibration]",
    embedding: "ModelRef",
    groups: Collection[str] = (),
    hosts: "SeeHosts | None" = None,
    published: "Mapping[tuple[str, str], PublishedModel] | None" = None,
    judge_again: "JudgeAgain | None" = None,
    models: "Sequence[ModelInUse]" = (),
    tracer: "Tracer" = OFF,
) -> "Services":
    """The use cases that the gateway and the live deployment serve.

    Args:
        settings: As read; the token keys must have been made (`tokens.make_keys`).
        stores: Open ones; they stay the caller's to close.
        perception: The models.
        placement: Where sessions are hosted.
        judges: The fusion shards.
        calibrations: How distances of each embedding model are read.
        embedding: The embedding model that enrols and verifies now.
        groups: The model groups that are served; the others' signals do not exist.
        hosts: Sees the session hosts; None: their load is not known.
        published: What is published of models, by model and version.
        judge_again: Judges recordings by another policy; None: nobody does here.
        models: The models that run here, for the notice.
        tracer: Traces offers.

    Raises:
        InvalidInput: A key, a policy or a setting cannot be used.
    """
    from proctor.adapters.clock import SystemClock
    from proctor.adapters.metrics import PrometheusMetrics, render
    from proctor.adapters.notice_texts import load_notices
    from proctor.adapters.recordings.observed_arrow import write_observed
    from proctor.adapters.tokens import MAX_LIFETIME
    from proctor.api.services import Services
    from proctor.bootstrap_evidence import build_evidence_desk, build_retention
    from proctor.services.accommodations import Accommodations
    from proctor.services.alerts import Alerts
    from proctor.services.candidates import Candidates
    from proctor.services.casework import Casework
    from proctor.services.challenges import Challenges
    from proctor.services.consents import Consents
    from proctor.services.desk import Desk
    from proctor.services.enroll import Enroll
    from proctor.services.exams import Exams
    from proctor.services.figures import Figures
    from proctor.services.ice import IceServers
    from proctor.services.join import Join, LiveTickets, SignIn
    from proctor.services.looking import FaceLook
    from proctor.services.news import IncidentNews
    from proctor.services.notices import Notices
    from proctor.services.observed import ObservedSessions
    from proctor.services.own_session import OwnSessions
    from proctor.services.pictures import PictureDesk
    from proctor.services.policies import Policies
    from proctor.services.policy_cases import run_cases
    from proctor.services.policy_reader import PolicyReader
    from proctor.services.preflights import Preflights
    from proctor.services.priorities import Priorities
    from proctor.services.sessions import Connections, Sessions
    from proctor.services.sinks import Sinks
    from proctor.services.tickets import Tickets
    from proctor.services.verify import Verify
    from proctor.services.what_if import WhatIfs

    known = settings.resolved()
    if embedding not in calibrations:
        raise InvalidInput(
            f"the embedding model {embedding.model} {embedding.version} has no calibration",
            "settings/no-calibration",
        )
    clock, metrics, webrtc = SystemClock(), PrometheusMetrics(), known.webrtc
    issuer, verifier = open_tokens(known)
    tickets = Tickets(stores.live)
    look = FaceLook(perception, PictureDesk(), embedding)
    calibration = calibrations[embedding]
    policies = Policies(stores.policies, stores.exams, _presets(known), clock, run_cases)
    challenges = Challenges(stores.candidates, stores.sessions, stores.exams, stores.live, clock)
    consents = Consents(
        stores.candidates, stores.faces, stores.sessions, placement, stores.live, clock
    )
    secret = webrtc.turn_secret
    keys, reader = open_secrets_ring(known), PolicyReader()
    recordings = open_recordings(known)
    sessions = Sessions(
        stores.sessions,
        stores.exams,
        stores.candidates,
        stores.incidents,
        placement,
        judges,
        clock,
        groups,
        recordings,
    )
    return Services(
        exams=Exams(stores.exams, policies, clock, groups),
        policies=policies,
        candidates=Candidates(stores.candidates, stores.exams, clock),
        consents=consents,
        challenges=challenges,
        enroll=Enroll(
            stores.candidates, stores.faces, look, embedding, calibration, clock, challenges
        ),
        verify=Verify(stores.candidates, stores.faces, look, embedding, calibration, stores.live),
        sessions=sessions,
        connections=Connections(
            stores.sessions,
            stores.exams,
            stores.candidates,
            placement,
            clock,
            stores.incidents,
            stores.notices,
            tracer,
        ),
        notices=Notices(
            load_notices(),
            models,
            stores.notices,
            stores.sessions,
            stores.exams,
            consents,
            placement,
            clock,
            groups,
        ),
        preflights=Preflights(
            stores.notices, stores.sessions, stores.exams, placement, stores.live, clock
        ),
        own=OwnSessions(
            stores.sessions,
            stores.exams,
            stores.candidates,
            stores.incidents,
            stores.notices,
            clock,
        ),
        observed=ObservedSessions(stores.sessions, recordings, stores.audit, clock, write_observed),
        accommodations=Accommodations(
            stores.allowances, stores.candidates, stores.exams, stores.sessions, judges, clock
        ),
        news=IncidentNews(
            stores.incidents, stores.verdicts, stores.sessions, stores.exams, judges, clock
        ),
        evidence=build_evidence_desk(
            known,
            ledger=stores.evidence,
            subject_keys=stores.keys,
            keys=keys,
            audit=stores.audit,
            incidents=stores.incidents,
            sessions=stores.sessions,
            exams=stores.exams,
            live=stores.live,
            clock=clock,
        ),
        retention=build_retention(known, stores.evidence_ends),
        priorities=Priorities(stores.priorities, stores.exams),
        desk=Desk(
            stores.desk,
            stores.cases,
            stores.sessions,
            stores.exams,
            stores.candidates,
            stores.incidents,
            stores.verdicts,
            reader,
            clock,
        ),
        casework=Casework(stores.cases, stores.sessions, clock),
        figures=Figures(stores.figures, stores.sinks, stores.deliveries, hosts, clock),
        what_ifs=WhatIfs(
            judge_again,
            policies,
            recordings,
            stores.sessions,
            stores.exams,
            stores.desk,
            stores.live,
        ),
        reader=reader,
        join=Join(tickets, issuer, stores.sessions, stores.exams),
        sign_in=SignIn(tickets, issuer, clock),
        live_tickets=LiveTickets(tickets),
        alerts=Alerts(stores.feed),
        sinks=Sinks(stores.sinks, stores.deliveries, stores.feed, open_sinks(known), keys, clock),
        ice=IceServers(
            webrtc.stun_urls,
            webrtc.turn_urls,
            secret.get_secret_value() if secret is not None else None,
            webrtc.turn_ttl_s,
            clock,
        ),
        media=usual_media(known),
        placement=placement,
        tokens=verifier,
        live=stores.live,
        keys=keys,
        clock=clock,
        metrics=metrics,
        render_metrics=render,
        erase=build_erase(
            known, stores, keys=stores.keys, faces=stores.faces, ends=sessions, live=stores.live
        ),
        export=build_export(known, stores, stores.keys),
        proof_key=open_seal(known).as_jwk(),
        web=known.web_dir,
        published=published or {},
        public_url=known.public_url,
        allowed_origins=frozenset(known.allowed_origins),
        token_cap=MAX_LIFETIME,
    )


def usual_media(settings: Settings) -> "MediaWish":
    """What a page sends while nothing is going on."""
    from proctor.domain.sending import MediaWish

    return MediaWish(fps=settings.webrtc.video_fps, max_kbps=settings.webrtc.video_max_kbps)


def open_tokens(settings: Settings) -> "tuple[TokenIssuer, TokenVerifier]":
    """What signs our tokens and what believes them. Raises `InvalidInput` for an unusable key."""
    from proctor.adapters.clock import SystemClock
    from proctor.adapters.tokens import TokenIssuer, TokenVerifier

    known = settings.resolved()
    assert known.token_keys is not None
    folder, clock = known.token_keys, SystemClock()
    iss, aud = known.token_issuer, known.token_audience
    return (
        TokenIssuer(folder, issuer=iss, audience=aud, clock=clock),
        TokenVerifier(folder, issuer=iss, audience=aud, clock=clock),
    )


def preset_rules(settings: Settings) -> frozenset[str]:
    """Ids of every rule of the presets: what may be a label of a metric."""
    from proctor.fusion.policy import parse_policy

    presets = _presets(settings.resolved()).values()
    return frozenset(rule.id for text in presets for rule in parse_policy(text).rules)


def _presets(settings: Settings) -> dict[str, str]:
    """Policies by name: every `NAME.yaml` of the policies folder."""
    return {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted(settings.policies_dir.glob("*.yaml"))
    }
