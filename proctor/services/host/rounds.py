"""One model group, one round at a time: what all sessions owe it goes out together.

A round is split into calls of at most 16 questions and 3.5 MB (Serve's message limit is 4 MiB,
RAY.md 2), which run side by side. The next round of a group starts when the one before is answered
or given up, so a slow group delays nobody but itself, and nothing queues up.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from proctor.domain.errors import ProctorError, Unavailable
from proctor.ports import Clock, Metrics, Tracer
from proctor.services.deadline import TimedOut, within
from proctor.services.no_tracing import OFF

logger = logging.getLogger(__name__)

MOST_ASKS = 16
MOST_BYTES = 3_500_000

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


class Group(StrEnum):
    """The model groups that a host asks; labels of its metrics."""

    FACE = "face"
    BODY = "body"
    SPEECH = "speech"
    OBJECTS = "objects"
    SPEAKERS = "speakers"


def _ignore(_context: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look(Generic[Ask, Answer]):
    """One session's question to a group, and who takes the answer.

    Attributes:
        ask: The question.
        size_bytes: Its size in the message.
        answered: Takes the answer.
        unanswered: Told when there was none: ask again later.
        traced: Told before an answer that its call is traced, and how.
    """

    ask: Ask
    size_bytes: int
    answered: Callable[[Answer], None]
    unanswered: Callable[[], None]
    traced: Callable[[str], None] = _ignore


def calls(looks: Sequence[Look[Ask, Answer]]) -> Iterator[list[Look[Ask, Answer]]]:
    """Split a round into calls that respect both limits; order is kept."""
    call: list[Look[Ask, Answer]] = []
    size_bytes = 0
    for look in looks:
        if call and (len(call) == MOST_ASKS or size_bytes + look.size_bytes > MOST_BYTES):
            yield call
            call, size_bytes = [], 0
        call.append(look)
        size_bytes += look.size_bytes
    if call:
        yield call


class GroupRounds(Generic[Ask, Answer]):
    """Asks one model group for all sessions of a host.

    Args:
        group: Which.
        ask: The port's method: a batch of questions, as many answers in the same order.
        deadline_ms: How long a call may take.
        took: Told how long each round took, and whether all of it was answered.
        clock: Time.
        metrics: Numbers.
        tracer: Traces calls.
    """

    def __init__(
        self,
        *,
        group: Group,
        ask: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]],
        deadline_ms: int,
        took: Callable[[Group, int, bool], None],
        clock: Clock,
        metrics: Metrics,
        tracer: Tracer = OFF,
    ) -> None:
        self._group = group
        self._ask = ask
        self._deadline_ms = deadline_ms
        self._took = took
        self._clock = clock
        self._metrics = metrics
        self._tracer = tracer
        self._round: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the round before is still out."""
        return self._round is not None and not self._round.done()

    def start(self, looks: Sequence[Look[Ask, Answer]]) -> None:
        """Begin a round; only when not busy."""
        if looks:
            self._round = asyncio.create_task(self._run(looks))

    async def close(self) -> None:
        """Give up the round that is out."""
        if self._round is not None:
            self._round.cancel()
            await asyncio.gather(self._round, return_exceptions=True)

    async def _run(self, looks: Sequence[Look[Ask, Answer]]) -> None:
        began_ms = self._clock.monotonic_ms()
        answered = await asyncio.gather(*(self._call(call) for call in calls(looks)))
        self._took(self._group, self._clock.monotonic_ms() - began_ms, all(answered))

    async def _call(self, call: Sequence[Look[Ask, Answer]]) -> bool:
        with self._tracer.root("perception.call") as span:
            span.note(group=self._group, batch=len(call))
            outcome = await self._outcome(call, span.context)
            span.note(outcome=outcome)
        return outcome == "answered"

    async def _outcome(self, call: Sequence[Look[Ask, Answer]], trace: str) -> str:
        began_ms = self._clock.monotonic_ms()
        self._metrics.observe("host_batch_size", len(call), group=self._group)
        outcome = "answered"
        try:
            answers = await within(self._clock, self._deadline_ms, self._asked(call))
        except TimedOut:
            outcome = "timeout"
        except Unavailable:
            outcome = "unavailable"
        except ProctorError as error:
            outcome = "refused"
            logger.warning(
                "a model group refused a call", extra={"group": self._group, "code": error.code}
            )
        except Exception:  # a task's boundary: a broken call must not stop the host
            outcome = "failed"
            logger.exception("a call to a model group failed", extra={"group": self._group})
        else:
            for look, answer in zip(call, answers, strict=True):
                self._hand_over(look, answer, trace)
        if outcome != "answered":
            for look in call:
                look.unanswered()
        self._metrics.count("host_calls", group=self._group, outcome=outcome)
        self._metrics.observe(
            "host_call_seconds",
            (self._clock.monotonic_ms() - began_ms) / 1000,
            group=self._group,
        )
        return outcome

    def _hand_over(self, look: Look[Ask, Answer], answer: Answer, trace: str) -> None:
        try:
            if trace:
                look.traced(trace)
            look.answered(answer)
        except Exception:  # one session's boundary: the answers of the others are theirs
            logger.exception("an answer could not be taken", extra={"group": self._group})

    async def _asked(self, call: Sequence[Look[Ask, Answer]]) -> Sequence[Answer]:
        answers = await self._ask([look.ask for look in call])
        if len(answers) != len(call):
            raise ValueError(f"{len(call)} questions had {len(answers)} answers")
        return answers
