"""`SinkMaker`: from what is stored of a sink to what sends. The one place that knows every kind."""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from proctor.adapters.sinks.resolver import SystemResolver
from proctor.alerting.addresses import Allowed, checked_addresses, parse_destination
from proctor.domain.deliveries import SinkKind
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import TenantId
from proctor.domain.sinks import Sink, SinkSecret
from proctor.ports import AlertSink, Clock, Resolver

DEADLINE_S = 15.0
"""Standard Webhooks asks for 15 to 30 s; a broker gets as long."""

CHECK_WITHIN_S = 5.0
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


@dataclass(frozen=True, slots=True)
class Broker:
    """A Kafka cluster that an operator offers to tenants.

    A tenant names it and gives no address: brokers announce further addresses, which nobody can check
    before the library connects there.

    Attributes:
        bootstrap: `host:port`, separated by commas.
        topic: With `{tenant}` in it.
        options: Of librdkafka; may hold passwords.
        tenants: Who may use it; empty for everybody.
    """

    bootstrap: str
    topic: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    tenants: frozenset[str] = frozenset()

    def topic_of(self, tenant_id: TenantId) -> str:
        """Raises `InvalidInput` when the tenant may not use it, or has no legal topic."""
        topic = self.topic.replace("{tenant}", tenant_id)
        if (self.tenants and tenant_id not in self.tenants) or not _TOPIC.fullmatch(topic):
            raise unknown_cluster()
        return topic


def unknown_cluster() -> InvalidInput:
    """The same whether there is no such cluster or it is not for this tenant."""
    return InvalidInput(
        "There is no Kafka cluster of this name for you; the operator offers them by name.",
        "kafka/unknown-cluster",
    )


class SinkRegistry:
    """Opens webhooks and Kafka sinks."""

    def __init__(
        self,
        *,
        clock: Clock,
        allow: Sequence[str] = (),
        ca: Path | None = None,
        brokers: Mapping[str, Broker] | None = None,
        resolver: Callable[[], Resolver] = SystemResolver,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        """Raises `InvalidInput` when the allow-list cannot be read.

        Args:
            clock: The time in signatures.
            allow: Networks and ports beyond the public internet (`10.1.2.0/24:8443`).
            ca: Certificates in PEM that webhooks may have besides the system's.
            brokers: Kafka clusters by the name that tenants use.
            resolver: Makes what resolves names, one for each sink.
            deadline_s: How long a call to a sink may take.
        """
        self._clock = clock
        self._allowed = tuple(Allowed.parse(text) for text in allow)
        self._ca = ca
        self._brokers = dict(brokers or {})
        self._resolver = resolver
        self._deadline_s = deadline_s

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        from proctor.adapters.sinks.webhook import trusted

        return trusted(self._ca)

    def open(self, sink: Sink, secrets: Sequence[SinkSecret]) -> AlertSink:
        """Connects nowhere yet. Raises `InvalidInput` when the sink cannot be used any more."""
        if sink.kind is SinkKind.KAFKA:
            from proctor.adapters.sinks.kafka import KafkaSink

            broker = self._broker(sink.target)
            return KafkaSink(
                bootstrap=broker.bootstrap,
                topic=broker.topic_of(sink.tenant_id),
                options=dict(broker.options),
                deadline_s=self._deadline_s,
            )
        from proctor.adapters.sinks.webhook import WebhookSink

        return WebhookSink(
            parse_destination(sink.target, self._allowed),
            secrets,
            clock=self._clock,
            resolver=self._resolver(),
            tls=self._tls,
            allowed=self._allowed,
            deadline_s=self._deadline_s,
        )

    async def check(self, kind: SinkKind, target: str, tenant_id: TenantId) -> None:
        """Whether a tenant may send there; a webhook's name is resolved and nothing is connected to.

        Raises `InvalidInput` (webhook/url-refused, kafka/unknown-cluster).
        """
        if kind is SinkKind.KAFKA:
            self._broker(target).topic_of(tenant_id)
            return
        destination = parse_destination(target, self._allowed)
        if destination.address is not None:
            return
        resolver = self._resolver()
        try:
            async with asyncio.timeout(CHECK_WITHIN_S):
                found = await resolver.resolve(destination.host, destination.port)
        except OSError:  # holds TimeoutError
            found = ()
        finally:
            close = getattr(resolver, "close", None)
            if close is not None:
                close()
        checked_addresses(destination, found, self._allowed)

    def _broker(self, name: str) -> Broker:
        if name not in self._brokers:
            raise unknown_cluster()
        return self._brokers[name]
