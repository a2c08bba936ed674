"""`Perception` over Serve handles: one call per batch and model group, by value.

`_by_reference=False` sends arguments and answers through gRPC instead of the object store (half the
latency, a third of the caller's CPU, RAY.md 2). It is private API of Serve and named only here; its
limit of 4 MiB a message is why large batches go as several calls.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from actors.mailbox import answered
from proctor.domain.errors import InvalidInput, PerceptionUnavailable
from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    FaceAnswer,
    FaceAsk,
    ObjectsAnswer,
    ObjectsAsk,
    SpeakersAnswer,
    SpeakersAsk,
    SpeechAnswer,
    SpeechAsk,
    WordsAnswer,
    WordsAsk,
)
from proctor.ports import Tracer
from proctor.services.no_tracing import OFF

CALL_LIMIT_BYTES = 3 * 2**20
ASK_OVERHEAD_BYTES = 2_048

AnyAsk = FaceAsk | BodyAsk | SpeechAsk | SpeakersAsk | WordsAsk | ObjectsAsk
Ask = TypeVar("Ask", FaceAsk, BodyAsk, SpeechAsk, SpeakersAsk, WordsAsk, ObjectsAsk)


def serve_handle(deployment: str, application: str) -> Any:
    """A handle that sends by value."""
    from ray import serve

    return serve.get_deployment_handle(deployment, application).options(_by_reference=False)


class ServePerception:
    """Asks the replicas of each model group.

    Args of the constructor:
        handles: One handle per group (`face`, `body`, `speech` ...); merged groups share one.
        within_s: Deadline of a call, the second try included.
        tracer: Whose present span goes along.
    """

    def __init__(
        self, handles: Mapping[str, Any], *, within_s: float, tracer: Tracer = OFF
    ) -> None:
        self._tracer = tracer
        self._handles = handles
        self._within_s = within_s

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """Ask the face group."""
        answers: list[FaceAnswer] = await self._ask("face", "faces", asks)
        return answers

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """Ask the body group."""
        answers: list[BodyAnswer] = await self._ask("body", "bodies", asks)
        return answers

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Ask the speech group."""
        answers: list[SpeechAnswer] = await self._ask("speech", "speech", asks)
        return answers

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        """Ask the speakers group."""
        answers: list[SpeakersAnswer] = await self._ask("speakers", "speakers", asks)
        return answers

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        """Ask the words group."""
        answers: list[WordsAnswer] = await self._ask("words", "words", asks)
        return answers

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        """Ask the objects group."""
        answers: list[ObjectsAnswer] = await self._ask("objects", "objects", asks)
        return answers

    async def _ask(self, group: str, method: str, asks: Sequence[Ask]) -> list[Any]:
        handle = self._handles.get(group)
        if handle is None:
            raise PerceptionUnavailable(f"model group {group} is switched off")
        parts = await asyncio.gather(
            *(self._one_call(handle, group, method, part) for part in in_calls(asks))
        )
        return [answer for part in parts for answer in part]

    async def _one_call(self, handle: Any, group: str, method: str, asks: Sequence[Ask]) -> Any:
        trace = self._tracer.current()
        return await answered(
            _twice(handle, method, asks, *([trace] if trace else [])),
            who=f"model group {group}",
            within_s=self._within_s,
            away=PerceptionUnavailable,
        )


async def _twice(handle: Any, method: str, asks: Sequence[Ask], *trace: str) -> Any:
    """Call; when the replica died under the call, call another once. Replicas keep no state."""
    from ray.exceptions import ActorDiedError, ActorUnavailableError

    try:
        return await getattr(handle, method).remote(asks, *trace)
    except (ActorDiedError, ActorUnavailableError):
        return await getattr(handle, method).remote(asks, *trace)


def size_bytes(ask: AnyAsk) -> int:
    """How much of a message an ask takes, a little rounded up."""
    if isinstance(ask, FaceAsk | BodyAsk | ObjectsAsk):
        return len(ask.picture) + ASK_OVERHEAD_BYTES
    return ask.samples.nbytes + ASK_OVERHEAD_BYTES


def in_calls(asks: Sequence[Ask]) -> list[list[Ask]]:
    """The asks in order, cut so that each part fits into one message.

    Raises:
        InvalidInput: One ask alone is too large.
    """
    calls: list[list[Ask]] = []
    room = 0
    for ask in asks:
        size = size_bytes(ask)
        if size > CALL_LIMIT_BYTES:
            raise InvalidInput("a picture or sound is too large to be analysed", "media/too-large")
        if size > room:
            calls.append([])
            room = CALL_LIMIT_BYTES
        calls[-1].append(ask)
        room -= size
    return calls
