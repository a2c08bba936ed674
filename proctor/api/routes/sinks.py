"""/v1/sinks: where a tenant's alerts are pushed to, and what became of them."""

from fastapi import APIRouter

from proctor.api.guard import Caller, GuardedRoute
from proctor.api.paging import Cursor, Limit, checked, cut
from proctor.api.routes.alerts import Position
from proctor.api.sink_bodies import (
    ChangedSink,
    DeadLettersView,
    DeliveriesView,
    NewSink,
    Replay,
    ReplayedView,
    SecretView,
    SinkMadeView,
    SinkNowView,
    SinkView,
    TestView,
    log_of,
    shown,
    shown_now,
)
from proctor.api.views import Page
from proctor.domain.deliveries import SinkKind
from proctor.domain.ids import AlertId, SinkId
from proctor.services.sinks import Sinks


def sinks_router(sinks: Sinks) -> APIRouter:
    """Routes of sinks and deliveries."""
    router = APIRouter(prefix="/v1", tags=["sinks"], route_class=GuardedRoute)

    @router.post("/sinks", status_code=201)
    async def create_sink(new: NewSink, caller: Caller) -> SinkMadeView:
        """Make a sink, from now on; the secret in the answer is never shown again."""
        kind = SinkKind(new.kind)
        target = (new.url if kind is SinkKind.WEBHOOK else new.cluster) or ""
        sink, secret = await sinks.create(
            caller.tenant_id, kind, new.name, target, new.changes(kind)
        )
        return SinkMadeView(sink=shown(sink), secret=secret)

    @router.get("/sinks")
    async def list_sinks(
        caller: Caller, cursor: Cursor = None, limit: Limit = 50
    ) -> Page[SinkView]:
        """The tenant's sinks, by id."""
        after = checked(cursor)
        found = await sinks.list(caller.tenant_id, SinkId(after) if after else None, limit + 1)
        items, following = cut(found, limit, "sink_id")
        return Page(items=[shown(sink) for sink in items], next=following)

    @router.get("/sinks/{sink_id}")
    async def get_sink(sink_id: str, caller: Caller) -> SinkNowView:
        """One sink and what it still owes."""
        return shown_now(*await sinks.get(caller.tenant_id, SinkId(sink_id)))

    @router.patch("/sinks/{sink_id}")
    async def change_sink(sink_id: str, changed: ChangedSink, caller: Caller) -> SinkView:
        """Change, enable or disable a sink."""
        sink, _ = await sinks.get(caller.tenant_id, SinkId(sink_id))
        wanted = changed.changes(sink.kind)
        return shown(await sinks.change(caller.tenant_id, sink.sink_id, wanted))

    @router.delete("/sinks/{sink_id}", status_code=204)
    async def remove_sink(sink_id: str, caller: Caller) -> None:
        """Forget a sink, its dead letters and its log."""
        await sinks.remove(caller.tenant_id, SinkId(sink_id))

    @router.post("/sinks/{sink_id}/secrets", status_code=201)
    async def rotate_secret(sink_id: str, caller: Caller) -> SecretView:
        """A new secret, shown this once; the old one signs as well for a day more."""
        return SecretView(secret=await sinks.rotate(caller.tenant_id, SinkId(sink_id)))

    @router.post("/sinks/{sink_id}/test")
    async def test_sink(sink_id: str, caller: Caller) -> TestView:
        """Send a made-up alert now; what the other end said."""
        sent = await sinks.test(caller.tenant_id, SinkId(sink_id))
        return TestView.model_validate(sent)

    @router.get("/sinks/{sink_id}/dead-letters")
    async def list_dead_letters(
        sink_id: str, caller: Caller, after: Position = 0, limit: Limit = 50
    ) -> DeadLettersView:
        """What could not be delivered, by position; go on with `next`."""
        found = await sinks.dead_letters(caller.tenant_id, SinkId(sink_id), after, limit + 1)
        items = found[:limit]
        return DeadLettersView(
            items=log_of(list(items)),
            next=items[-1].position if len(found) > limit else None,
        )

    @router.post("/sinks/{sink_id}/dead-letters/replay")
    async def replay_dead_letters(sink_id: str, which: Replay, caller: Caller) -> ReplayedView:
        """Send dead letters again, with all their tries; what is none is left as it is."""
        count = await sinks.replay(
            caller.tenant_id, SinkId(sink_id), which.ids(), which.positions()
        )
        return ReplayedView(replayed=count)

    @router.get("/alerts/{alert_id}/deliveries")
    async def list_deliveries(alert_id: str, caller: Caller) -> DeliveriesView:
        """Where an alert stands with every sink that has looked at it, with every try."""
        found = await sinks.deliveries_of(caller.tenant_id, AlertId(alert_id))
        return DeliveriesView(items=log_of(list(found)))

    return router
