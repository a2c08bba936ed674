"""Alerts to a Kafka topic: one idempotent producer, the session as key, the CloudEvent as value.

The value is the structured mode of the CloudEvents binding (content-type application/cloudevents+json):
the same bytes as every other sink's, so what is kept, signed or replayed is one thing, and nothing is
lost where headers are dropped. The schema of `data` has a version that stands in `dataschema`
(proctor/alerting/schemas); a consumer that meets another one, or a record that it cannot read, puts it
aside by itself: a poison record is the receiver's, nothing here waits for it (F28).
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from proctor.adapters.sinks.kafka_options import producer_config
from proctor.alerting.envelope import CONTENT_TYPE, cloud_event, encoded
from proctor.domain.alerts import FeedItem
from proctor.domain.deliveries import Outcome, Sent
from proctor.domain.ids import SessionId

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

HEADERS: dict[str, str | bytes] = {"content-type": CONTENT_TYPE}
REFUSED = frozenset(
    {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_MSG", "INVALID_RECORD", "_BAD_MSG"}
)
"""What is wrong with the record itself: the same would be refused again. All else may pass (an operator
may create the topic, give the right, bring the broker back), so it is tried again."""

_POLL_S = 0.1
_log = structlog.get_logger(__name__)


class KafkaSink:
    """`AlertSink` over librdkafka. Its calls block a thread of its own and never the event loop."""

    def __init__(
        self,
        *,
        bootstrap: str,
        topic: str,
        options: Mapping[str, str] | None = None,
        deadline_s: float = 10.0,
    ) -> None:
        """Nothing connects before the first `send`.

        Args:
            bootstrap: `host:port`, several with commas.
            topic: Where to; it must exist, or the brokers make it.
            options: TLS, SASL and the like, by librdkafka's names (kafka_options.ALLOWED).
            deadline_s: How long a call may take.

        Raises:
            InvalidInput: An option that there is not.
        """
        self._topic = topic
        self._deadline_s = deadline_s
        self._config = producer_config(bootstrap, options or {}, deadline_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka")
        self._producer: Producer | None = None
        self._is_closed = threading.Event()
        self._noted: set[str] = set()

    async def send(self, batch: Sequence[FeedItem]) -> Sequence[Sent]:
        """As the port says. An alert is not sent before the one ahead of it in its session has arrived."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._send, tuple(batch))

    async def close(self) -> None:
        """End a call that is going on, and the producer. Idempotent."""
        self._is_closed.set()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._thread, self._drop)
        except RuntimeError:  # closed before: the thread takes no more work
            return
        self._thread.shutdown(wait=False)

    # On the thread

    def _send(self, batch: tuple[FeedItem, ...]) -> list[Sent]:
        turn = _Turn(batch, self._produce)
        deadline = time.perf_counter() + self._deadline_s
        turn.begin()
        while turn.is_waiting and time.perf_counter() < deadline and not self._is_closed.is_set():
            self._open().poll(_POLL_S)
        if turn.is_waiting:
            turn.give_up()
        if turn.is_troubled:
            self._drop()  # what it still holds would come late; the next call begins anew
        else:
            self._noted.clear()
        return turn.answers()

    def _produce(self, item: FeedItem, answer: "Callable[[KafkaError | None], None]") -> str | None:
        """Hand one record to librdkafka, which answers later; else the code of why not."""
        from confluent_kafka import KafkaException

        try:
            self._open().produce(
                self._topic,
                key=item.alert.session_id.encode(),
                value=encoded(cloud_event(item)),
                headers=HEADERS,
                on_delivery=lambda error, _message: answer(error),
            )
        except BufferError:
            return "_QUEUE_FULL"
        except KafkaException as error:
            return _name_of(error.args[0])
        return None

    def _open(self) -> "Producer":
        if self._producer is None:
            from confluent_kafka import Producer

            self._producer = Producer({**self._config, "error_cb": self._note, "log_level": 0})
        return self._producer

    def _note(self, error: "KafkaError") -> None:
        """Log each kind of trouble once until all is well again; librdkafka tells it with every attempt."""
        if _name_of(error) not in self._noted:
            self._noted.add(_name_of(error))
            _log.warning("trouble with kafka", code=_name_of(error))

    def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(in_queue=True, in_flight=True, blocking=True)
            producer.poll(0)


class _Turn:
    """One call: which records are under way, and what became of each."""

    def __init__(
        self,
        batch: Sequence[FeedItem],
        produce: "Callable[[FeedItem, Callable[[KafkaError | None], None]], str | None]",
    ) -> None:
        self._batch = batch
        self._produce = produce
        self._answers: list[Sent | None] = [None] * len(batch)
        self._waiting: dict[SessionId, deque[int]] = {}
        self._is_over = False
        for index, item in enumerate(batch):
            self._waiting.setdefault(item.alert.session_id, deque()).append(index)
        self.is_troubled = False

    @property
    def is_waiting(self) -> bool:
        """Whether something has no answer yet."""
        return any(self._waiting.values())

    def begin(self) -> None:
        """Send the first of every session."""
        for session_id in list(self._waiting):
            self._next(session_id)

    def give_up(self) -> None:
        """The deadline is over: what has no answer is to be tried again."""
        self._is_over = True
        for session_id in self._waiting:
            self._hold(session_id, "_MSG_TIMED_OUT")
        self.is_troubled = True

    def answers(self) -> list[Sent]:
        """One per alert."""
        assert all(answer is not None for answer in self._answers)
        return [answer for answer in self._answers if answer is not None]

    def _next(self, session_id: SessionId) -> None:
        """Send the session's next record; one that is refused for good does not stop those behind it."""
        waiting = self._waiting[session_id]
        while waiting:
            item = self._batch[waiting[0]]
            name = self._produce(item, lambda error: self._answered(session_id, error))
            if name is None:
                return
            self._settle(session_id, name)

    def _answered(self, session_id: SessionId, error: "KafkaError | None") -> None:
        if self._is_over:
            return
        if error is not None:
            self._settle(session_id, _name_of(error))
        else:
            self._put(self._waiting[session_id].popleft(), Outcome.DELIVERED)
        self._next(session_id)

    def _settle(self, session_id: SessionId, name: str) -> None:
        if name in REFUSED:
            self._put(self._waiting[session_id].popleft(), Outcome.REFUSED, name)
            return
        self._hold(session_id, name)
        self.is_troubled = self.is_troubled or name != "_QUEUE_FULL"

    def _hold(self, session_id: SessionId, name: str) -> None:
        """Try the first again, and so those behind it: they must not arrive before it."""
        for index in self._waiting[session_id]:
            self._put(index, Outcome.RETRY, name)
        self._waiting[session_id].clear()

    def _put(self, index: int, outcome: Outcome, name: str = "") -> None:
        code = f"kafka/{name.strip('_').lower().replace('_', '-')}" if name else ""
        alert_id = self._batch[index].alert.alert_id
        self._answers[index] = Sent(alert_id=alert_id, outcome=outcome, code=code)


def _name_of(error: "KafkaError | str") -> str:
    """Such as NOT_ENOUGH_REPLICAS; local ones begin with `_`."""
    return error if isinstance(error, str) else error.name()
