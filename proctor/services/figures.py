"""A tenant at a glance, and how precise its rules are by the word of people."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from proctor.domain.casework import NO_POLICY_VERSION
from proctor.domain.coverage import CoverageReason, CoverageState, Modality
from proctor.domain.deliveries import Backlog
from proctor.domain.errors import Unavailable
from proctor.domain.figures import Precision, RuleCount, TenantFigures, hint_of
from proctor.domain.ids import TenantId
from proctor.domain.sinks import Sink
from proctor.ports import Clock, DeliveryStore, FigureStore, SinkStore

MODELS_WINDOW = 200
_HOUR_MS = 3_600_000
_PAGE = 200
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSeen:
    """A session host as it was last seen; hosts serve every tenant."""

    name: str
    sessions: int
    capacity: int
    lag_ms: float
    is_draining: bool


SeeHosts = Callable[[], Awaitable[Sequence[HostSeen]]]
"""The session hosts as they were last seen; none when nobody has written them down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFigure:
    """How precise one rule of one policy version is."""

    policy_id: str
    policy_version: int
    rule_id: str
    precision: Precision

    @property
    def hint(self) -> str | None:
        """A sentence where people dismiss most of what it finds."""
        return hint_of(self.precision)


CoverageKind = tuple[Modality, CoverageState, CoverageReason | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A tenant at a glance.

    Attributes:
        at: When.
        totals: What is counted.
        coverage: How long in each state, stretches that last included.
        live_video: Live sessions by what is seen of them now.
        session_hours: Of video, watched or not.
        rules: By rule.
        all_rules: All of them together.
        sinks: Each with what it owes.
        hosts: None when the hosts cannot be asked.
    """

    at: datetime
    totals: TenantFigures
    coverage: dict[CoverageKind, int]
    live_video: dict[CoverageState, int]
    session_hours: float
    rules: tuple[RuleFigure, ...]
    all_rules: Precision
    sinks: tuple[tuple[Sink, Backlog], ...]
    hosts: tuple[HostSeen, ...] | None


class Figures:
    """Sums up. Reads only."""

    def __init__(
        self,
        store: FigureStore,
        sinks: SinkStore,
        deliveries: DeliveryStore,
        hosts: SeeHosts | None,
        clock: Clock,
    ) -> None:
        self._store = store
        self._sinks = sinks
        self._deliveries = deliveries
        self._hosts = hosts
        self._clock = clock

    async def rules(self, tenant_id: TenantId) -> tuple[tuple[RuleFigure, ...], int]:
        """(machines' rules, the least precise that was looked at first; incidents people added)."""
        return _rules(await self._store.rules(tenant_id))

    async def overview(self, tenant_id: TenantId) -> Overview:
        """The tenant at a glance."""
        now = self._clock.now()
        totals = await self._store.totals(tenant_id, MODELS_WINDOW)
        rules, _ = await self.rules(tenant_id)
        coverage: Counter[CoverageKind] = Counter()
        for total in totals.coverage:
            coverage[total.modality, total.state, total.reason] += total.closed_ms
        live_video: Counter[CoverageState] = Counter()
        for each in totals.lasting:
            lasted = (now - each.started_at) // timedelta(milliseconds=1) - each.since_ms
            coverage[each.modality, each.state, each.reason] += max(0, lasted)
            live_video[each.state] += each.modality is Modality.VIDEO
        watched_ms = sum(ms for kind, ms in coverage.items() if kind[0] is Modality.VIDEO)
        everything = Precision(
            confirmed=sum(rule.precision.confirmed for rule in rules),
            dismissed=sum(rule.precision.dismissed for rule in rules),
            unreviewed=sum(rule.precision.unreviewed for rule in rules),
        )
        return Overview(
            at=now,
            totals=totals,
            coverage=dict(coverage),
            live_video=dict(live_video),
            session_hours=watched_ms / _HOUR_MS,
            rules=rules,
            all_rules=everything,
            sinks=tuple(await self._owed(tenant_id)),
            hosts=await self._seen(),
        )

    async def _owed(self, tenant_id: TenantId) -> list[tuple[Sink, Backlog]]:
        found: list[tuple[Sink, Backlog]] = []
        after = None
        while page := await self._sinks.list_sinks(tenant_id, after, _PAGE):
            after = page[-1].sink_id
            found += [(sink, await self._deliveries.backlog(sink.sink_id)) for sink in page]
        return found

    async def _seen(self) -> tuple[HostSeen, ...] | None:
        if self._hosts is None:
            return None
        try:
            return tuple(await self._hosts())
        except Unavailable as error:
            _log.warning("hosts could not be seen", code=error.code)
            return None


def _rules(counts: Sequence[RuleCount]) -> tuple[tuple[RuleFigure, ...], int]:
    found: dict[tuple[str, int, str], Precision] = {}
    added = 0
    for each in counts:
        if each.policy_version == NO_POLICY_VERSION:
            added += each.count
            continue
        key = (each.policy_id, each.policy_version, each.rule_id)
        found[key] = found.get(key, Precision()).plus(each.verdict, each.count)
    rules = [
        RuleFigure(policy_id=policy, policy_version=version, rule_id=rule, precision=precision)
        for (policy, version, rule), precision in found.items()
    ]

    def order(rule: RuleFigure) -> tuple[float, str, int, str]:
        value = rule.precision.value
        least = 2.0 if value is None else value
        return least, rule.policy_id, rule.policy_version, rule.rule_id

    return tuple(sorted(rules, key=order)), added
