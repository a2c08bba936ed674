"""/v1/admin: a tenant at a glance, and how precise its rules are. Null with a reason is never 0."""

from fastapi import APIRouter

from proctor.api.admin_views import (
    CoverageTotalView,
    HostView,
    KnownView,
    ModelInUseView,
    OverviewView,
    PrecisionView,
    RetentionView,
    RulePrecisionView,
    RulesView,
    SinkDepthView,
)
from proctor.api.guard import Caller, GuardedRoute
from proctor.domain.coverage import CoverageState, Modality
from proctor.domain.figures import Precision
from proctor.services.figures import Figures, Overview, RuleFigure

TOP_RULES = 10
LEAST_HOURS = 1.0
"""A rate per hour of less than this says nothing."""
NOT_LOOKED_AT = "nobody has looked at any"


def admin_router(figures: Figures) -> APIRouter:
    """Routes of administrators."""
    router = APIRouter(prefix="/v1/admin", tags=["admin"], route_class=GuardedRoute)

    @router.get("/overview")
    async def get_overview(caller: Caller) -> OverviewView:
        """The tenant at a glance."""
        return _overview(await figures.overview(caller.tenant_id))

    @router.get("/rules")
    async def get_rules(caller: Caller) -> RulesView:
        """How often reviewers agreed with each rule; the least precise first."""
        rules, added = await figures.rules(caller.tenant_id)
        return RulesView(items=[_rule(each) for each in rules], added_by_people=added)

    return router


def _precision(known: Precision) -> dict[str, object]:
    interval = known.interval
    return {
        "looked_at": known.looked_at,
        "confirmed": known.confirmed,
        "dismissed": known.dismissed,
        "unreviewed": known.unreviewed,
        "precision": known.value,
        "low": None if interval is None else interval[0],
        "high": None if interval is None else interval[1],
        "reason": NOT_LOOKED_AT if interval is None else None,
    }


def _rule(figure: RuleFigure) -> RulePrecisionView:
    return RulePrecisionView.model_validate(
        _precision(figure.precision)
        | {
            "policy_id": figure.policy_id,
            "policy_version": figure.policy_version,
            "rule_id": figure.rule_id,
            "hint": figure.hint,
        }
    )


def _overview(seen: Overview) -> OverviewView:
    totals, hours = seen.totals, seen.session_hours
    most = sorted(
        seen.rules,
        key=lambda rule: rule.precision.looked_at + rule.precision.unreviewed,
        reverse=True,
    )
    by_modality = {
        modality: sum(ms for kind, ms in seen.coverage.items() if kind[0] is modality)
        for modality in Modality
    }
    rate: KnownView[float] = KnownView(
        value=None, reason=f"fewer than {LEAST_HOURS:g} hours of sessions were watched"
    )
    if hours >= LEAST_HOURS:
        rate = KnownView(value=totals.alerts / hours)
    hosts: KnownView[list[HostView]] = KnownView(
        value=None, reason="the session hosts could not be asked"
    )
    if seen.hosts is not None:
        hosts = KnownView(value=[HostView.model_validate(each) for each in seen.hosts])
    return OverviewView(
        at=seen.at,
        sessions=totals.sessions,
        live_coverage={state: seen.live_video.get(state, 0) for state in CoverageState},
        session_hours=hours,
        alerts=totals.alerts,
        alerts_per_session_hour=rate,
        precision=PrecisionView.model_validate(_precision(seen.all_rules)),
        rules=[_rule(each) for each in most[:TOP_RULES]],
        coverage=[
            CoverageTotalView(
                modality=modality,
                state=state,
                reason=reason,
                ms=ms,
                share=ms / by_modality[modality] if by_modality[modality] else 0.0,
            )
            for (modality, state, reason), ms in sorted(
                seen.coverage.items(), key=lambda each: each[1], reverse=True
            )
            if ms
        ],
        models=[
            ModelInUseView(model=one.model, version=one.version, digest=one.digest, alerts=count)
            for one, count in totals.models
        ],
        models_window=totals.models_window,
        outbox=totals.outbox,
        sinks=[
            SinkDepthView(
                sink_id=sink.sink_id,
                name=sink.name,
                kind=sink.kind.value,
                is_enabled=sink.is_enabled,
                pending=owed.pending,
                dead=owed.dead,
                oldest_at=owed.oldest_at,
            )
            for sink, owed in seen.sinks
        ],
        dead_letters=sum(owed.dead for _, owed in seen.sinks),
        hosts=hosts,
        storage_bytes=KnownView(value=totals.evidence_bytes),
        recording_bytes=KnownView(value=None, reason="no table knows the sizes of recordings"),
        retention=[
            RetentionView(retention_days=days, exams=count) for days, count in totals.retention
        ],
    )
