"""The composition root of every process of the cluster: settings in, working objects out.

Each function runs in the process that needs its result, reads the settings there and opens
connections of its own; imports are inside, so that no process pays for what it does not use.
"""

import hashlib
import os
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from actors.directory import ActorJudges, ActorPlacement, shard_name
from actors.mailbox import Mailboxes, MailboxSpec
from deployments.environment import ROOT, environment_of
from proctor.adapters.clock import SystemClock
from proctor.settings import Settings, WebRtcSettings

if TYPE_CHECKING:
    from deployments.keeper import Loops
    from deployments.reconciler import Reconciler
    from models.in_process import InProcessPerception
    from proctor.api.services import Services
    from proctor.domain.candidates import ModelRef
    from proctor.identity.matching import MatchCalibration
    from proctor.identity.voices import VoiceCalibration
    from proctor.ports import Perception, Tracer
    from proctor.services.host.session_host import SessionHost
    from proctor.services.judge_sessions import JudgeShard
    from proctor.services.notices import ModelInUse

APPLICATION = "proctor"
HOST_ASKS_WITHIN_S = 8.0
"""The longest of a host's own deadlines: those of most groups are shorter and cut their calls."""

DOOR_ASKS_WITHIN_S = 20.0
HOST_CPUS = 0.1
LONE_HOST_CPUS = 0.01
SHARD_CPUS = 0.1


async def open_services(process: str, deployments: Mapping[str, str]) -> "Services":
    """Everything behind the HTTP door and the WebSockets."""
    from functools import partial

    from deployments.certificate import tell_certificate
    from deployments.shown import published_models, see_hosts
    from proctor.adapters.metrics import PrometheusMetrics
    from proctor.bootstrap import build_services
    from proctor.bootstrap_stores import open_stores
    from proctor.replaying import judge_again

    settings = begin(process)
    tell_certificate(settings, PrometheusMetrics())
    tracer = tracer_of(settings, process)
    embedding, calibration = identity_of(settings)
    stores = await open_stores(settings)
    return build_services(
        settings,
        stores,
        perception=_perception(deployments, DOOR_ASKS_WITHIN_S, tracer),
        placement=ActorPlacement(
            Mailboxes(tracer=tracer), stores.live, SystemClock(), PrometheusMetrics()
        ),
        tracer=tracer,
        judges=_judges(settings),
        calibrations={embedding: calibration},
        embedding=embedding,
        groups=offers_of(deployments, settings),
        hosts=see_hosts(stores.live),
        published=published_models(),
        judge_again=partial(judge_again, settings),
        models=models_of(deployments, settings),
    )


async def build_host(spec: MailboxSpec) -> "SessionHost":
    """A session host; runs in its actor's process."""
    import cv2

    from proctor.adapters.metrics import PrometheusMetrics
    from proctor.adapters.sql.stores import SqlStores
    from proctor.adapters.webrtc.clips import Remuxer
    from proctor.adapters.webrtc.peer import LeanPeers
    from proctor.bootstrap import usual_media
    from proctor.bootstrap_evidence import build_evidence_keeper
    from proctor.bootstrap_proof import open_subject_keys
    from proctor.bootstrap_stores import open_faces, open_live_state
    from proctor.services.host.evidence_box import KeepingLimits
    from proctor.services.host.pages import Pages
    from proctor.services.host.session_host import SessionHost

    cv2.setNumThreads(1)  # one event loop: OpenCV's own threads would only contend with it
    settings = begin(spec.name)
    assert settings.database_url is not None
    clock, metrics, stores = SystemClock(), PrometheusMetrics(), SqlStores(settings.database_url)
    embedding, calibration = identity_of(settings)
    tracer = tracer_of(settings, spec.name)
    return SessionHost(
        name=spec.name,
        capacity=settings.sessions_per_host,
        tick_ms=settings.tick_ms,
        perception=_perception(dict(spec.models), HOST_ASKS_WITHIN_S, tracer),
        groups=dict(spec.models).keys(),
        judges=_judges(settings),
        faces=open_faces(settings),
        calibrations={embedding: calibration},
        likeness=likeness_of(settings),
        peers=LeanPeers(settings.webrtc, clock, metrics),
        keeper=build_evidence_keeper(
            settings, stores.evidence, open_subject_keys(settings, stores), clock, metrics
        ),
        clips=Remuxer(),
        keeping=KeepingLimits.of(settings.evidence_memory_mb),
        pages=Pages(live=open_live_state(settings), usual=usual_media(settings), clock=clock),
        clock=clock,
        metrics=metrics,
        tracer=tracer,
    )


async def build_shard(spec: MailboxSpec) -> "JudgeShard":
    """A fusion shard that has taken over its checkpoints; runs in its actor's process."""
    from proctor.adapters.metrics import PrometheusMetrics
    from proctor.adapters.sql.stores import SqlStores
    from proctor.bootstrap import preset_rules
    from proctor.bootstrap_evidence import open_recordings
    from proctor.bootstrap_stores import open_checkpoints, open_live_state
    from proctor.services.judge_sessions import JudgeShard
    from proctor.services.judging.recorder import Recorder

    settings = begin(spec.name)
    assert settings.database_url is not None
    stores, checkpoints = SqlStores(settings.database_url), open_checkpoints(settings)
    clock, metrics = SystemClock(), PrometheusMetrics()
    shard = JudgeShard(
        name=spec.name,
        incidents=stores.incidents,
        checkpoints=checkpoints,
        live=open_live_state(settings),
        clock=clock,
        metrics=metrics,
        rules=preset_rules(settings),
        tracer=tracer_of(settings, spec.name),
        recorder=Recorder(
            name=spec.name,
            recordings=open_recordings(settings),
            archive=stores.archive,
            checkpoints=checkpoints,
            clock=clock,
            metrics=metrics,
        ),
    )
    await shard.start()
    return shard


async def build_dispatcher() -> "Loops":
    """From outbox to feed, and whatever else is owed to those who read the database."""
    from deployments.chainer import Chainer
    from deployments.dispatcher import Dispatcher
    from deployments.eraser import Eraser
    from deployments.keeper import Loops
    from deployments.retainer import Retainer
    from deployments.settler import Settler
    from proctor.adapters.metrics import PrometheusMetrics
    from proctor.adapters.sql.stores import SqlStores
    from proctor.bootstrap import build_deliveries
    from proctor.bootstrap_evidence import build_evidence_end, open_recordings
    from proctor.bootstrap_proof import build_chain_keeper, build_erase, open_subject_keys
    from proctor.bootstrap_stores import open_faces, open_live_state
    from proctor.services.evidence.telling import EvidenceNews
    from proctor.services.news import IncidentNews
    from proctor.services.retain import Retain
    from proctor.services.sessions import Sessions

    settings = begin("dispatcher")
    assert settings.database_url is not None
    stores, live = SqlStores(settings.database_url), open_live_state(settings)
    clock, metrics = SystemClock(), PrometheusMetrics()
    sessions = Sessions(
        stores.sessions,
        stores.exams,
        stores.candidates,
        stores.incidents,
        ActorPlacement(Mailboxes(), live, clock, metrics),
        _judges(settings),
        clock,
    )
    news = IncidentNews(
        stores.incidents, stores.verdicts, stores.sessions, stores.exams, _judges(settings), clock
    )
    end_evidence = build_evidence_end(settings, stores.evidence_ends)
    evidence_news = EvidenceNews(stores.evidence, news, clock)
    return Loops(
        Dispatcher(feed=stores.feed, live=live, clock=clock, metrics=metrics),
        Settler(sessions.settle_ended, clock=clock, metrics=metrics),
        Retainer(
            Retain(open_recordings(settings), clock, stores.exams).erase_due,
            clock=clock,
            metrics=metrics,
        ),
        build_deliveries(settings, stores, live, tracer_of(settings, "dispatcher")),
        Settler(news.tell_owed, clock=clock, metrics=metrics, gauge="verdicts_untold"),
        Settler(evidence_news.settle, clock=clock, metrics=metrics, gauge="evidence_untold"),
        Retainer(end_evidence.erase_due, clock=clock, metrics=metrics, counter="evidence_erased"),
        Chainer(partial(build_chain_keeper, settings, stores), clock=clock, metrics=metrics),
        Eraser(
            lambda: build_erase(
                settings,
                stores,
                keys=open_subject_keys(settings, stores),
                faces=open_faces(settings),
                ends=sessions,
                live=live,
            ),
            clock=clock,
            metrics=metrics,
        ),
    )


async def build_reconciler(deployments: Mapping[str, str], source: str) -> "Reconciler":
    """The loop that keeps the set of actors; `source` is what was deployed, also after a restart."""
    from deployments.nodes import count_nodes, require_shared_stores
    from deployments.reconciler import CrewSize, Reconciler
    from deployments.yard import RayYard
    from proctor.adapters.metrics import PrometheusMetrics
    from proctor.bootstrap_stores import open_live_state

    settings = begin("reconciler")
    nodes = count_nodes()
    require_shared_stores(settings, nodes)
    is_lone = settings.sessions_per_host == 1
    return Reconciler(
        yard=RayYard(
            host_factory=build_host,
            shard_factory=build_shard,
            host_cpus=LONE_HOST_CPUS if is_lone else HOST_CPUS,
            shard_cpus=SHARD_CPUS,
        ),
        mailboxes=Mailboxes(),
        live=open_live_state(settings),
        clock=SystemClock(),
        metrics=PrometheusMetrics(),
        size=CrewSize(
            hosts=settings.hosts,
            shards=settings.shards,
            sessions_per_host=settings.sessions_per_host,
            hosts_max=settings.hosts_max if is_lone or nodes > 1 else os.cpu_count() or 1,
        ),
        models=tuple(sorted(deployments.items())),
        version=version_of(source, settings),
    )


def perception_in_process(groups: frozenset[str]) -> "InProcessPerception":
    """The models themselves, in this process."""
    from models.in_process import InProcessPerception
    from models.runtimes.placement import Placement
    from models.selection import select
    from proctor.adapters.metrics import PrometheusMetrics

    settings = begin("perception")
    assert settings.models_dir is not None
    return InProcessPerception(
        settings.models_dir,
        groups,
        select(settings.pack, settings.models),
        threads=settings.perception_threads,
        placement=Placement(
            device=settings.device,
            engines=settings.models_dir / ".engines",
            triton_url=settings.triton_url,
        ),
        metrics=PrometheusMetrics(),
    )


def identity_of(settings: Settings) -> "tuple[ModelRef, MatchCalibration]":
    """The embedding model that was chosen, and how its distances are read. Raises `ModelFileError`."""
    from models.catalogue import Catalogue, match_calibration
    from models.selection import select

    assert settings.models_dir is not None
    chosen = select(settings.pack, settings.models)
    return match_calibration(chosen, Catalogue(settings.models_dir))


def offers_of(deployments: Mapping[str, str], settings: Settings) -> frozenset[str]:
    """What signals beyond the usual may need: groups that are served and have a model, and more."""
    from models.selection import select
    from proctor.fusion.offered import LIKENESS, LIVENESS, SPEAKERS

    chosen = select(settings.pack, settings.models)
    offers = set(deployments) & set(chosen.groups())
    if chosen.model("liveness") is not None:
        offers.add(LIVENESS)
    if SPEAKERS in offers and likeness_of(settings) is not None:
        offers.add(LIKENESS)
    return frozenset(offers)


def models_of(deployments: Mapping[str, str], settings: Settings) -> "tuple[ModelInUse, ...]":
    """The models of the groups that are served, for the notice to candidates."""
    from models.selection import GROUP_TASKS, select
    from proctor.services.notices import ModelInUse

    chosen = select(settings.pack, settings.models)
    tasks = [task for group in GROUP_TASKS if group in deployments for task in GROUP_TASKS[group]]
    found = [(task, chosen.model(task)) for task in tasks]
    return tuple(ModelInUse(task=task, title=each.title) for task, each in found if each)


def likeness_of(settings: Settings) -> "VoiceCalibration | None":
    """How the likeness of two voices is read, by the speakers model that was chosen; None: unknown."""
    from models.catalogue import Catalogue
    from models.selection import select
    from models.sound.likeness import voice_likeness

    assert settings.models_dir is not None
    chosen = select(settings.pack, settings.models)
    return voice_likeness(chosen, Catalogue(settings.models_dir))


def begin(process: str) -> Settings:
    """Read the settings and begin this process's JSON log and its numbers, in home where it exists.

    The variable for the numbers is set here and not by the launcher: Ray's own processes use the same
    library, and their numbers would be counted among ours.
    """
    from proctor.adapters.logging import configure

    settings = Settings().resolved()
    if (settings.home / "run" / "metrics").is_dir():
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(settings.home / "run" / "metrics")
    folder = settings.home / "logs"
    stream = (folder / f"{process}.jsonl").open("a", buffering=1) if folder.is_dir() else sys.stderr
    configure(settings.log_level, process, stream)
    return settings


def source_digest() -> str:
    """Of our own source: what a deployment was made from."""
    digest = hashlib.sha256()
    for package in ("proctor", "models", "actors", "deployments"):
        for path in sorted((ROOT / package).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def version_of(source: str, settings: Settings) -> str:
    """What must be the same for an actor to stay: the source and every setting.

    A node's own media addresses are left out: the reconciler moves between nodes, and the hosts that
    it finds elsewhere are none the older for that.
    """
    anywhere = WebRtcSettings()
    here = {"bind_address": anywhere.bind_address, "advertised_address": None}
    common = settings.model_copy(update={"webrtc": settings.webrtc.model_copy(update=here)})
    told = repr((source, sorted(environment_of(common).items())))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def tracer_of(settings: Settings, process: str) -> "Tracer":
    """The tracer of this process; one that does nothing where no endpoint is set."""
    from proctor.services.no_tracing import OFF

    if settings.otlp_endpoint is None:
        return OFF
    from proctor.adapters.tracing import open_tracer

    return open_tracer(settings.otlp_endpoint, settings.otlp_ratio, process)


def _perception(deployments: Mapping[str, str], within_s: float, tracer: "Tracer") -> "Perception":
    from actors.perception import ServePerception, serve_handle

    handles = {name: serve_handle(name, APPLICATION) for name in set(deployments.values())}
    return ServePerception(
        {group: handles[name] for group, name in deployments.items()},
        within_s=within_s,
        tracer=tracer,
    )


def _judges(settings: Settings) -> ActorJudges:
    names = [shard_name(index) for index in range(settings.shards)]
    return ActorJudges(Mailboxes(), names, SystemClock())
