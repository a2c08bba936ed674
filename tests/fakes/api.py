"""The whole API over fakes: what a test of the door needs in one object."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, MutableMapping, Sequence
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from PIL import Image

from proctor.adapters.keys import FileKeyRing
from proctor.adapters.notice_texts import load_notices
from proctor.adapters.recordings.arrow import write_arrow
from proctor.adapters.recordings.observed_arrow import write_observed
from proctor.adapters.seal import FileSeal, make_proof_key
from proctor.adapters.tokens import TokenIssuer, TokenVerifier, make_keys
from proctor.api.app import create_app
from proctor.api.live import create_live_app
from proctor.api.services import Services
from proctor.api.sockets import SocketLimits
from proctor.domain.ids import SessionId, TenantId
from proctor.domain.recordings import RecordingKey
from proctor.domain.roles import Role
from proctor.domain.sending import MediaWish
from proctor.identity.matching import MatchCalibration
from proctor.ports import EvidenceObjects
from proctor.services.accommodations import Accommodations
from proctor.services.alerts import Alerts
from proctor.services.candidates import Candidates
from proctor.services.casework import Casework
from proctor.services.challenges import Challenges
from proctor.services.consents import Consents
from proctor.services.desk import Desk
from proctor.services.enroll import Enroll
from proctor.services.erase import Erase
from proctor.services.evidence.schedule import Places, RetentionSchedule
from proctor.services.evidence.showing import EvidenceDesk
from proctor.services.exams import Exams
from proctor.services.figures import Figures
from proctor.services.ice import IceServers
from proctor.services.join import Join, LiveTickets, SignIn
from proctor.services.looking import FaceLook
from proctor.services.news import IncidentNews
from proctor.services.notices import ModelInUse, Notices
from proctor.services.observed import ObservedSessions
from proctor.services.own_session import OwnSessions
from proctor.services.pictures import PictureDesk
from proctor.services.policies import Policies
from proctor.services.policy_reader import PolicyReader
from proctor.services.preflights import Preflights
from proctor.services.priorities import Priorities
from proctor.services.proof.export import Export
from proctor.services.proof.keep import ChainKeeper
from proctor.services.sessions import Connections, Sessions
from proctor.services.sinks import Sinks
from proctor.services.tickets import Tickets
from proctor.services.verify import Verify
from proctor.services.what_if import Rejudged, Skipped, WhatIfs
from tests.fakes.casework import FakeCaseStore
from tests.fakes.clock import FakeClock
from tests.fakes.deliveries import FakeDeliveryStore, FakeSinkStore
from tests.fakes.desk import FakeFigureStore, FakeReviewDesk
from tests.fakes.evidence import (
    FakeAuditLog,
    FakeEvidenceEnds,
    FakeEvidenceLedger,
    FakeEvidenceObjects,
)
from tests.fakes.faces import FakeFaceIndex
from tests.fakes.judges import FakeJudges
from tests.fakes.live_state import FakeLiveState
from tests.fakes.metrics import FakeMetrics
from tests.fakes.notices import FakeNoticeStore
from tests.fakes.perception import EMBEDDING, FakePerception
from tests.fakes.placement import FakePlacement
from tests.fakes.policies import FakePolicyStore
from tests.fakes.proof import FakeChainStore, FakeElsewhere, FakeErasureStore
from tests.fakes.recordings import FakeAlertArchive, FakeRecordings
from tests.fakes.sinks import FakeSinkMaker
from tests.fakes.stores import (
    FakeAlertFeed,
    FakeAllowanceStore,
    FakeCandidateStore,
    FakeDatabase,
    FakeExamStore,
    FakeIncidentStore,
    FakePriorityStore,
    FakeSessionStore,
    FakeVerdictStore,
)
from tests.fakes.subject_keys import FakeSubjectKeys

ROOT = Path(__file__).resolve().parents[2]
ORIGIN = "http://test"
CALIBRATION = MatchCalibration(
    metric="l2", slope=10.0, midpoint=0.7, match_above=0.9, no_match_below=0.1, fmr=1e-3
)
MODELS = (
    ModelInUse(task="face_detection", title="A finder of faces"),
    ModelInUse(task="face_embedding", title="A comparer of faces"),
    ModelInUse(task="speakers", title="A teller of voices"),
)
OFFER = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    "a=fingerprint:sha-256 AA:BB\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
)
CONSENT = {"text_version": "1", "text_sha256": "a" * 64, "locale": "en-GB", "method": "checkbox"}
QUICK = SocketLimits(hello_s=1.5, say_s=1.5, look_s=0.02, ping_s=15.0, page=3)


def picture(seed: int = 0, size: tuple[int, int] = (160, 120), kind: str = "JPEG") -> bytes:
    """A picture file; another seed is another picture."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    out = BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def images(*files: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    """Files as httpx sends them in the form of enrolment and verification."""
    return [("images", (f"{i}.jpg", data, "image/jpeg")) for i, data in enumerate(files)]


class FakeApi:
    """Services over fakes, both applications, tokens of any role and tenant."""

    def __init__(
        self,
        folder: Path,
        placement: FakePlacement | None = None,
        store: EvidenceObjects | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.database = FakeDatabase()
        self.live = FakeLiveState(self.clock)
        self.faces = FakeFaceIndex()
        self.perception = FakePerception(self.clock)
        self.placement = placement or FakePlacement()
        self.judges = FakeJudges()
        self.metrics = FakeMetrics()
        self.exams = FakeExamStore(self.database)
        self.policies = FakePolicyStore(self.database)
        self.cases = FakeCases()
        self.candidates = FakeCandidateStore(self.database)
        self.sessions = FakeSessionStore(self.database)
        self.incidents = FakeIncidentStore(self.database)
        self.notices = FakeNoticeStore(self.database)
        self.recordings = FakeRecordings()
        self.feed = FakeAlertFeed(self.database)
        self.sinks = FakeSinkStore(self.database)
        self.deliveries = FakeDeliveryStore(self.database)
        self.maker = FakeSinkMaker()
        self.evidence = FakeEvidenceLedger(self.database)
        self.objects = FakeEvidenceObjects()
        self.store: EvidenceObjects = store or self.objects
        self.subject_keys = FakeSubjectKeys()
        self.audit = FakeAuditLog(self.database)
        self.chain = FakeChainStore(self.database)
        self.erasures = FakeErasureStore(self.database)
        self.elsewhere = FakeElsewhere()
        self.subject_keys = FakeSubjectKeys()
        make_proof_key(folder / "proof-key.pem")
        self.seal = FileSeal(folder / "proof-key.pem")
        self.desk = FakeReviewDesk(self.database)
        self.again = FakeJudgeAgain()
        make_keys(folder / "tokens")
        self.issuer = TokenIssuer(folder / "tokens", issuer="us", audience="us", clock=self.clock)
        self.services = self._services(folder)
        self.app: FastAPI = create_app(self.services)
        self.live_app: FastAPI = create_live_app(self.services, QUICK)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://test"
        )
        self.live_client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.live_app, root_path="/v1/live"),
            base_url="http://test",
        )

    def _services(self, folder: Path) -> Services:
        clock, live, tickets = self.clock, self.live, Tickets(self.live)
        look = FaceLook(self.perception, PictureDesk(), EMBEDDING)
        keys, reader = FileKeyRing(folder / "keys.json"), PolicyReader()
        presets = {"standard": standard_policy()}
        policies = Policies(self.policies, self.exams, presets, clock, self.cases)
        consents = Consents(self.candidates, self.faces, self.sessions, self.placement, live, clock)
        challenges = Challenges(self.candidates, self.sessions, self.exams, live, clock)
        sessions = Sessions(
            self.sessions,
            self.exams,
            self.candidates,
            self.incidents,
            self.placement,
            self.judges,
            clock,
            recordings=self.recordings,
        )
        return Services(
            exams=Exams(self.exams, policies, clock),
            policies=policies,
            candidates=Candidates(self.candidates, self.exams, clock),
            consents=consents,
            challenges=challenges,
            enroll=Enroll(
                self.candidates, self.faces, look, EMBEDDING, CALIBRATION, clock, challenges
            ),
            verify=Verify(self.candidates, self.faces, look, EMBEDDING, CALIBRATION, live),
            sessions=sessions,
            erase=self._erase(sessions),
            export=self._export(),
            proof_key=self.seal.as_jwk(),
            connections=Connections(
                self.sessions,
                self.exams,
                self.candidates,
                self.placement,
                clock,
                self.incidents,
                self.notices,
            ),
            notices=Notices(
                load_notices(),
                MODELS,
                self.notices,
                self.sessions,
                self.exams,
                consents,
                self.placement,
                clock,
            ),
            preflights=Preflights(
                self.notices, self.sessions, self.exams, self.placement, live, clock
            ),
            own=OwnSessions(
                self.sessions, self.exams, self.candidates, self.incidents, self.notices, clock
            ),
            observed=ObservedSessions(
                self.sessions, self.recordings, self.audit, clock, write_observed
            ),
            accommodations=Accommodations(
                FakeAllowanceStore(self.database),
                self.candidates,
                self.exams,
                self.sessions,
                self.judges,
                clock,
            ),
            news=IncidentNews(
                self.incidents,
                FakeVerdictStore(self.database),
                self.sessions,
                self.exams,
                self.judges,
                clock,
            ),
            evidence=EvidenceDesk(
                ledger=self.evidence,
                objects=self.store,
                subject_keys=self.subject_keys,
                keys=keys,
                audit=self.audit,
                incidents=self.incidents,
                sessions=self.sessions,
                exams=self.exams,
                live=live,
                clock=clock,
            ),
            retention=RetentionSchedule(
                FakeEvidenceEnds(self.database), Places("SQLite", "a folder", "S3", "S3")
            ),
            priorities=Priorities(FakePriorityStore(self.database), self.exams),
            desk=Desk(
                self.desk,
                FakeCaseStore(self.database),
                self.sessions,
                self.exams,
                self.candidates,
                self.incidents,
                FakeVerdictStore(self.database),
                reader,
                clock,
            ),
            casework=Casework(FakeCaseStore(self.database), self.sessions, clock),
            figures=Figures(
                FakeFigureStore(self.database), self.sinks, self.deliveries, None, clock
            ),
            what_ifs=WhatIfs(
                self.again,
                policies,
                self.recordings,
                self.sessions,
                self.exams,
                self.desk,
                live,
            ),
            reader=reader,
            join=Join(tickets, self.issuer, self.sessions, self.exams),
            sign_in=SignIn(tickets, self.issuer, clock),
            live_tickets=LiveTickets(tickets),
            alerts=Alerts(self.feed),
            sinks=Sinks(self.sinks, self.deliveries, self.feed, self.maker, keys, clock),
            ice=IceServers(["stun:stun.example:3478"], ["turn:turn.example"], "s3", 600, clock),
            media=MediaWish(),
            placement=self.placement,
            tokens=TokenVerifier(folder / "tokens", issuer="us", audience="us", clock=clock),
            live=live,
            keys=keys,
            clock=clock,
            metrics=self.metrics,
            render_metrics=lambda: b"proctor_up 1\n",
            web=ROOT / "web" / "dist",
            allowed_origins=frozenset({"https://desk.example"}),
        )

    def _keeper(self) -> ChainKeeper:
        return ChainKeeper(
            chain=self.chain,
            sessions=self.sessions,
            exams=self.exams,
            alerts=FakeAlertArchive(self.database),
            erasures=self.erasures,
            recordings=self.recordings,
            elsewhere=self.elsewhere,
            seal=self.seal,
            clock=self.clock,
            cases=FakeCaseStore(self.database),
            incidents=self.incidents,
        )

    def _export(self) -> Export:
        return Export(
            keeper=self._keeper(),
            chain=self.chain,
            sessions=self.sessions,
            exams=self.exams,
            incidents=self.incidents,
            alerts=FakeAlertArchive(self.database),
            recordings=self.recordings,
            elsewhere=self.elsewhere,
            seal=self.seal,
            clock=self.clock,
            to_arrow=write_arrow,
            cases=FakeCaseStore(self.database),
            keys=self.subject_keys,
        )

    def _erase(self, sessions: Sessions) -> Erase:
        return Erase(
            erasures=self.erasures,
            candidates=self.candidates,
            sessions=self.sessions,
            keys=self.subject_keys,
            faces=self.faces,
            recordings=self.recordings,
            elsewhere=self.elsewhere,
            seal=self.seal,
            keeper=self._keeper(),
            clock=self.clock,
            ends=sessions,
            live=self.live,
        )

    def token(self, role: Role = Role.ADMIN, tenant: str = "acme", subject: str = "ada") -> str:
        """A staff token of an hour."""
        return self.issuer.mint(subject, TenantId(tenant), role, timedelta(hours=1))

    def candidate_token(self, candidate_id: str, session_id: str, tenant: str = "acme") -> str:
        """A candidate's token, as a join would give it."""
        session = SessionId(session_id)
        hour = timedelta(hours=1)
        return self.issuer.mint(candidate_id, TenantId(tenant), Role.CANDIDATE, hour, session)

    def as_(
        self, role: Role = Role.ADMIN, tenant: str = "acme", subject: str = "ada"
    ) -> dict[str, str]:
        """Headers of a caller."""
        return {"Authorization": f"Bearer {self.token(role, tenant, subject)}"}

    async def post(self, path: str, json: object = None, **kwargs: Any) -> Any:
        """POST as administrator; the JSON of a success."""
        kwargs.setdefault("headers", self.as_())
        if json is not None:
            kwargs["json"] = json
        answer = await self.client.post(path, **kwargs)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def new_exam(self, tenant: str = "acme") -> str:
        """An exam's id."""
        body = {"title": "Algebra", "policy": "standard", "retention_days": 30}
        headers = self.as_(tenant=tenant)
        made: str = (await self.post("/v1/exams", body, headers=headers))["exam_id"]
        return made

    async def new_candidate(
        self, ref: str = "c-1", tenant: str = "acme", consent: bool = True
    ) -> str:
        """A candidate's id, with consent unless said otherwise."""
        headers = self.as_(tenant=tenant)
        made: str = (await self.post("/v1/candidates", {"external_ref": ref}, headers=headers))[
            "candidate_id"
        ]
        if consent:
            await self.post(f"/v1/candidates/{made}/consents", CONSENT, headers=headers)
        return made

    async def new_session(self, tenant: str = "acme", ref: str = "c-1") -> dict[str, Any]:
        """The answer of POST /v1/sessions."""
        body = {
            "exam_id": await self.new_exam(tenant),
            "candidate_id": await self.new_candidate(ref, tenant),
        }
        made: dict[str, Any] = await self.post(
            "/v1/sessions", body, headers=self.as_(tenant=tenant)
        )
        return made

    async def live_ticket(self, token: str) -> str:
        """A ticket for a socket."""
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.live_client.post("/tickets", headers=headers)
        assert answer.status_code == 201, answer.text
        ticket: str = answer.json()["ticket"]
        return ticket

    def socket(self, path: str, origin: str | None = ORIGIN, query: str = "") -> "FakeSocket":
        """A client for one of the WebSockets; use it with `async with`."""
        return FakeSocket(self.live_app, path, origin, query)

    async def close(self) -> None:
        await self.client.aclose()
        await self.live_client.aclose()


class FakeJudgeAgain:
    """A `JudgeAgain` that answers as it was told, once it may, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Rejudged | Skipped | Exception] = {}
        self.asked: list[tuple[tuple[str, ...], str]] = []
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def __call__(
        self, keys: Sequence[RecordingKey], policy_text: str
    ) -> AsyncIterator[Rejudged | Skipped]:
        self.asked.append((tuple(key.session_id for key in keys), policy_text))
        for key in keys:
            await self.may_go.wait()
            answer = self.answers.get(key.session_id, Skipped(key.session_id, "no recording"))
            if isinstance(answer, Exception):
                raise answer
            yield answer


class FakeCases:
    """A `RunCases` that is told which cases fail, and keeps count."""

    def __init__(self) -> None:
        self.failing: dict[str, str] = {}
        self.runs: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, policy_text: str, cases: Sequence[str]) -> Sequence[str]:
        self.runs.append((policy_text, tuple(cases)))
        return [self.failing[case] for case in cases if case in self.failing]


def standard_policy() -> str:
    """The preset that is shipped."""
    return (ROOT / "policies" / "standard.yaml").read_text(encoding="utf-8")


class FakeSocket:
    """The client's end of an ASGI WebSocket, in the same event loop."""

    def __init__(self, app: FastAPI, path: str, origin: str | None, query: str) -> None:
        headers = [(b"host", b"test")]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        self._app = app
        self._scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": f"/v1/live{path}",
            "raw_path": f"/v1/live{path}".encode(),
            "root_path": "/v1/live",
            "query_string": query.encode(),
            "headers": headers,
            "client": ("127.0.0.1", 5),
            "server": ("test", 80),
            "subprotocols": [],
        }
        self._up: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._down: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.is_accepted = False
        self.is_stuck = False
        self.code: int | None = None

    async def __aenter__(self) -> "FakeSocket":
        self._task = asyncio.create_task(self._app(self._scope, self._up.get, self._take))
        await self._up.put({"type": "websocket.connect"})
        first = await self._next()
        if first["type"] == "websocket.close":
            self.code = first["code"]
        self.is_accepted = first["type"] == "websocket.accept"
        return self

    async def _take(self, message: MutableMapping[str, Any]) -> None:
        if self.is_stuck:  # a client that does not read
            await asyncio.Event().wait()
        await self._down.put(message)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._up.put({"type": "websocket.disconnect", "code": 1000})
        async with asyncio.timeout(5):
            await self._task

    async def _next(self) -> MutableMapping[str, Any]:
        async with asyncio.timeout(5):
            return await self._down.get()

    async def say(self, message: Mapping[str, object] | str | bytes) -> None:
        if isinstance(message, bytes):
            await self._up.put({"type": "websocket.receive", "bytes": message})
        else:
            text = message if isinstance(message, str) else json.dumps(dict(message))
            await self._up.put({"type": "websocket.receive", "text": text})

    async def hello(self, ticket: str, **more: object) -> None:
        await self.say({"type": "hello", "ticket": ticket, **more})

    async def hear(self) -> dict[str, Any]:
        """The next message; a close is remembered in `code` and told as {"type": "closed"}."""
        message = await self._next()
        if message["type"] == "websocket.close":
            self.code = message["code"]
            return {"type": "closed", "code": self.code}
        heard: dict[str, Any] = json.loads(message["text"])
        return heard

    async def hear_until(self, kind: str) -> list[dict[str, Any]]:
        """Messages up to the first of this kind, that one included."""
        heard = [await self.hear()]
        while heard[-1]["type"] != kind:
            assert heard[-1]["type"] != "closed", heard
            heard.append(await self.hear())
        return heard

    def is_silent(self) -> bool:
        """Whether nothing waits to be heard."""
        return self._down.empty()
