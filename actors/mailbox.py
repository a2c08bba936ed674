"""What every mailbox of ours shares: opening once, running as an owned task, and speaking to another.

The object inside knows nothing of Ray. Whoever calls a mailbox gets either its answer or one of the
product's own errors: what Ray adds to them stays here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from proctor.domain.errors import ProctorError, Unavailable
from proctor.ports import Tracer
from proctor.services.no_tracing import OFF

NAMESPACE = "proctor"
TRACED = frozenset({"join"})
"""Methods that take a `trace`."""

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxSpec:
    """What an actor is made with.

    Attributes:
        name: Its name in Ray.
        version: Of the code and the settings that made it.
        models: (model group, Serve deployment that answers it), for those who ask the models.
    """

    name: str
    version: str
    models: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How an actor is, as it says itself.

    Attributes:
        version: The version it was made with.
        pid: Its process.
        sessions: How many sessions a host carries; 0 for a shard.
        capacity: How many it may carry; 0 for a shard.
        lag_ms: How late a host's ticks run; 0 for a shard.
        shed: What a host gives up (`Shed`).
        is_draining: Whether a host takes no session any more.
    """

    version: str
    pid: int
    sessions: int = 0
    capacity: int = 0
    lag_ms: float = 0.0
    shed: int = 0
    is_draining: bool = False


class Runs(Protocol):
    """What a mailbox holds: an object with a loop of its own."""

    async def run(self) -> None:
        """Work until cancelled."""
        ...

    async def close(self) -> None:
        """Leave nothing open."""
        ...


Inside = TypeVar("Inside", bound=Runs)
Factory = Callable[[MailboxSpec], Awaitable[Inside]]


class Owned(Generic[Inside]):
    """An object made by a factory, whose `run()` is watched. Needs a running event loop.

    A restarted actor process makes a new one by itself, so nobody has to call first.
    """

    def __init__(self, factory: Factory[Inside], spec: MailboxSpec) -> None:
        self.spec = spec
        self._opening = asyncio.get_running_loop().create_task(self._open(factory))
        self._running: asyncio.Task[None] | None = None

    async def _open(self, factory: Factory[Inside]) -> Inside:
        try:
            inside = await factory(self.spec)
        except BaseException:
            log.exception("could not open", actor=self.spec.name)
            raise
        self._running = asyncio.get_running_loop().create_task(inside.run())
        self._running.add_done_callback(self._ended)
        log.info("opened", actor=self.spec.name, version=self.spec.version)
        return inside

    def _ended(self, running: asyncio.Task[None]) -> None:
        if not running.cancelled() and (error := running.exception()) is not None:
            log.error("stopped working", actor=self.spec.name, exc_info=error)

    async def get(self) -> Inside:
        """The object, once it is open; raises what its factory raised."""
        return await asyncio.shield(self._opening)

    async def check(self) -> None:
        """Raises `Unavailable` when `run()` has ended, and what the factory raised."""
        await self.get()
        if self._running is None or self._running.done():
            raise Unavailable(f"{self.spec.name} has stopped working")

    async def close(self) -> None:
        """End the loop, then the object."""
        inside = await self.get()
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await inside.close()


def find_by_ray(name: str) -> Any:
    """The handle of a named actor. Blocks; raises ValueError when there is none."""
    import ray

    return ray.get_actor(name, namespace=NAMESPACE)


class NoAnswer(Unavailable):
    """It did not answer in time. It may live, and what was asked of it may still be done."""


class Mailboxes:
    """Speaks to actors by name and remembers their handles.

    Attributes of the constructor:
        find: Looks an actor up.
        tracer: Whose present span goes along with `TRACED` calls.
    """

    def __init__(self, find: Callable[[str], Any] = find_by_ray, tracer: Tracer = OFF) -> None:
        self._find = find
        self._tracer = tracer
        self._handles: dict[str, Any] = {}

    def forget(self, name: str) -> None:
        """Look the actor up again next time: it was replaced by another of the same name."""
        self._handles.pop(name, None)

    async def ask(self, name: str, method: str, *arguments: object, within_s: float) -> Any:
        """Call a method of an actor.

        Raises:
            ProctorError: What the actor itself raised, its fields intact.
            NoAnswer: It is too slow; nothing is known of the effect.
            Unavailable: It is dead, restarting or unknown.
        """
        trace = self._tracer.current() if method in TRACED else ""
        along = {"trace": trace} if trace else {}
        call = getattr(await self._handle(name), method).remote(*arguments, **along)

        def away(detail: str) -> Unavailable:
            self.forget(name)
            return Unavailable(detail)

        def late(detail: str) -> Unavailable:
            self.forget(name)
            return NoAnswer(detail)

        return await answered(call, who=name, within_s=within_s, away=away, late=late)

    async def tell(self, name: str, method: str, *arguments: object) -> None:
        """Call a method of an actor after all that was asked of it before, and wait for nothing.

        Raises:
            Unavailable: There is no such actor.
        """
        getattr(await self._handle(name), method).remote(*arguments)

    async def _handle(self, name: str) -> Any:
        handle = self._handles.get(name)
        if handle is None:
            try:
                handle = await asyncio.to_thread(self._find, name)
            except ValueError:
                raise Unavailable(f"{name} does not exist at present") from None
            self._handles[name] = handle
        return handle


async def answered(
    call: Awaitable[Answer],
    *,
    who: str,
    within_s: float,
    away: Callable[[str], Unavailable] = Unavailable,
    late: Callable[[str], Unavailable] | None = None,
) -> Answer:
    """Wait for another process; raise only the product's own errors: `late` (else `away`) or `away`.

    Ray wraps what the callee raised in a class made on the spot, whose class attributes hide the
    instance's (`code`, `status`); so the cause itself is raised.
    """
    from grpc import RpcError  # type: ignore[import-untyped]  # it ships no types
    from ray.exceptions import RayError, RayTaskError
    from ray.serve.exceptions import RayServeException

    try:
        async with asyncio.timeout(within_s):  # `wait_for` of Python 3.11 may lose a cancel
            return await call
    except RayTaskError as error:
        if isinstance(error.cause, ProctorError):
            raise error.cause from None
        raise
    except TimeoutError:
        raise (late or away)(f"{who} did not answer within {within_s:g} s") from None
    except (RayError, RayServeException, RpcError) as error:
        raise away(f"{who} is away ({type(error).__name__})") from None
