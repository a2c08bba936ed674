"""What the delivery benchmark runs on: a database, Redis, the product's dispatcher, a shard, a server."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from pydantic import SecretStr

from bench.delivery_place import Place
from proctor.adapters.clock import SystemClock
from proctor.adapters.redis_server import start_redis
from proctor.adapters.seal import make_proof_key
from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.tokens import TokenIssuer, make_keys
from proctor.bootstrap_stores import open_live_state, open_sql
from proctor.domain.alerts import Alert, Transition
from proctor.domain.ids import (
    AlertId,
    CandidateId,
    ExamId,
    IncidentId,
    SessionId,
    SignalId,
    TenantId,
)
from proctor.domain.incidents import Category, Severity
from proctor.domain.observations import Producer
from proctor.domain.roles import Role
from proctor.domain.signals import Signal, SignalKind, Support
from proctor.ports import AlertFeed, Clock, IncidentStore, Judged, LiveState
from proctor.services.alerts import Alerts
from proctor.settings import Settings

TENANT = TenantId("bench")
SESSIONS = 40


class Runs(Protocol):
    """The dispatcher, which lives above this room."""

    async def run(self) -> None:
        """Step until cancelled."""
        ...


MakeDispatcher = Callable[[AlertFeed, LiveState, Clock], Runs]


class Shard:
    """Commits made-up alerts.

    Attributes:
        committed: Alert id -> when it was committed (`time.perf_counter`).
        places: Alert id -> its session and its number there.
    """

    def __init__(self, incidents: IncidentStore, clock: Clock) -> None:
        self._incidents = incidents
        self._clock = clock
        self._seq = 0
        self.committed: dict[str, float] = {}
        self.places: dict[str, tuple[str, int]] = {}

    async def commit(self, count: int) -> None:
        """So many, in one transaction, over the sessions in turn."""
        judged = []
        for _ in range(count):
            alert = self._next()
            judged.append(
                Judged(
                    tenant_id=TENANT,
                    session_id=alert.session_id,
                    alerts=(alert,),
                    incidents=(),
                    coverage=None,
                )
            )
        await self._incidents.commit(judged)
        at = time.perf_counter()
        for part in judged:
            (alert,) = part.alerts
            self.committed[alert.alert_id] = at
            self.places[alert.alert_id] = (alert.session_id, alert.seq)

    def _next(self) -> Alert:
        self._seq += 1
        session = f"ses_{self._seq % SESSIONS:020d}"
        producer = Producer("face-mesh", "2", "ab" * 32)
        return Alert(
            alert_id=AlertId(f"alr_{self._seq:020d}"),
            seq=(self._seq - 1) // SESSIONS + 1,
            tenant_id=TENANT,
            exam_id=ExamId("exa_1"),
            session_id=SessionId(session),
            candidate_id=CandidateId(f"can_{session}"),
            incident_id=IncidentId(f"inc_{self._seq:020d}"),
            transition=Transition.OPENED,
            rule_id="looking_away",
            policy_id="standard",
            policy_version=1,
            category=Category.CONDUCT,
            severity=Severity.MEDIUM,
            title="Looking away from the screen",
            reason="Away by 21.5 degrees from the session's baseline for 3.2 s",
            occurred_ms=1000,
            raised_at=self._clock.now(),
            signals=(
                Signal(
                    signal_id=SignalId(f"sig_{self._seq:020d}"),
                    kind=SignalKind.GAZE_AWAY,
                    started_ms=1000,
                    ended_ms=None,
                    probability=0.9,
                    support=Support(
                        observations=12,
                        numbers=(("yaw_from_base_deg", 21.5),),
                        producers=(producer,),
                        frame_digest="ef" * 32,
                    ),
                ),
            ),
            producers=(producer,),
            frame_digest="ef" * 32,
        )


class World:
    """A database, Redis, the dispatcher, a shard, and the way to start the readers' server."""

    def __init__(
        self, settings: Settings, shard: Shard, feed: AlertFeed, live: LiveState, clock: Clock
    ) -> None:
        self.settings = settings
        self.shard = shard
        self.feed = feed
        self._live = live
        self._clock = clock

    @asynccontextmanager
    async def place(self, batch: int, **limits: float) -> AsyncIterator[Place]:
        """The readers' server with pages of this size and other `SocketLimits`, while the context lasts."""
        settings = self.settings
        assert settings.redis_url is not None
        assert settings.token_keys is not None
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.delivery_server"),
            json.dumps({"page": batch, **limits}),
            env={
                **os.environ,
                "PROCTOR_HOME": str(settings.home),
                "PROCTOR_REDIS_URL": settings.redis_url.get_secret_value(),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert server.stdout is not None
        assert server.stdin is not None
        try:
            told = json.loads(await server.stdout.readline())
            issuer = TokenIssuer(
                settings.token_keys,
                issuer=settings.token_issuer,
                audience=settings.token_audience,
                clock=self._clock,
            )
            yield Place(
                base_url=f"http://127.0.0.1:{told['port']}",
                grpc_port=told["grpc_port"],
                token=issuer.mint("bench", TENANT, Role.PROCTOR, timedelta(hours=1)),
                tenant_id=TENANT,
                alerts=Alerts(self.feed),
                live=self._live,
                clock=self._clock,
                most=batch,
            )
        finally:
            server.stdin.close()
            await server.wait()


@asynccontextmanager
async def world(home: Path, make_dispatcher: MakeDispatcher) -> AsyncIterator[World]:
    """Everything in a folder of its own, ended with the context."""
    settings = Settings(home=home).resolved()
    assert settings.database_url is not None
    assert settings.token_keys is not None
    upgrade(settings.database_url)
    make_keys(settings.token_keys)
    assert settings.proof_key is not None
    make_proof_key(settings.proof_key)
    redis = start_redis(home / "redis")
    settings = settings.model_copy(update={"redis_url": SecretStr(redis.url)})
    sql, live, clock = open_sql(settings), open_live_state(settings), SystemClock()
    await sql.open()
    await sql.exams.ensure_tenant(TENANT, "Bench")
    dispatching = asyncio.create_task(make_dispatcher(sql.feed, live, clock).run())
    try:
        yield World(settings, Shard(sql.incidents, clock), sql.feed, live, clock)
    finally:
        dispatching.cancel()
        await asyncio.gather(dispatching, return_exceptions=True)
        await live.close()
        await sql.close()
        redis.stop()
