"""Which of librdkafka's settings an operator may give, and what the sink settles itself.

https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md says what each does.
"""

import ipaddress
from collections.abc import Mapping

from proctor.domain.errors import InvalidInput

ALLOWED = frozenset(
    {
        "batch.size",
        "client.id",
        "compression.type",
        "linger.ms",
        "message.max.bytes",
        "queue.buffering.max.kbytes",
        "queue.buffering.max.messages",
        "sasl.mechanism",
        "sasl.password",
        "sasl.username",
        "security.protocol",
        "socket.keepalive.enable",
        "ssl.ca.location",
        "ssl.certificate.location",
        "ssl.key.location",
        "ssl.key.password",
    }
)
PROTOCOLS = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")


def producer_config(
    bootstrap: str, options: Mapping[str, str], deadline_s: float
) -> dict[str, str | int | bool]:
    """The producer's whole configuration.

    Idempotent with `acks=all`: retries inside a producer neither double nor reorder. One request at a
    time: librdkafka takes a record that failed for arrived when one sent behind it arrived, which is
    true only where the broker checks the producer's sequence numbers, and lost records where it did not
    (its own mock brokers do not). Certificates and host names are always checked. Without
    `security.protocol`, brokers elsewhere are spoken to with TLS.

    Raises:
        InvalidInput: An option is not on the list, or the bootstrap servers cannot be read. Values are
            not repeated: there are passwords among them.
    """
    if not bootstrap.strip() or any(not part.strip() for part in bootstrap.split(",")):
        raise InvalidInput("name Kafka's brokers as host:port,host:port", "settings/kafka")
    if unknown := sorted(set(options) - ALLOWED):
        raise InvalidInput(
            f"no such option for Kafka: {', '.join(unknown)}; there are {', '.join(sorted(ALLOWED))}",
            "settings/kafka",
        )
    is_near = all(_is_loopback(part) for part in bootstrap.split(","))
    protocol = options.get("security.protocol", "plaintext" if is_near else "ssl").lower()
    if protocol not in PROTOCOLS:
        raise InvalidInput(
            f"security.protocol of Kafka is one of {', '.join(PROTOCOLS)}", "settings/kafka"
        )
    return {
        "client.id": "rayproctor",
        "linger.ms": 0,  # a batch is handed over whole: there is nothing to wait for
        **options,
        "bootstrap.servers": bootstrap,
        "security.protocol": protocol,
        "ssl.endpoint.identification.algorithm": "https",
        "acks": "all",
        "enable.idempotence": True,
        "max.in.flight": 1,
        "partitioner": "murmur2_random",  # a session is where Java's producers would put it
        "message.timeout.ms": round(deadline_s * 800),  # before our own deadline: a clean answer
        "topic.metadata.refresh.interval.ms": 60_000,
    }


def _is_loopback(server: str) -> bool:
    host = server.strip().rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
