"""librdkafka's own mock cluster, which speaks Kafka's protocol on loopback, and its faults (by ctypes).

It is no cluster of ours: a consumer in another process reads from it. It forgets everything when closed.
"""

import ctypes
from pathlib import Path

import confluent_kafka

PRODUCE = 0
"""Kafka's number of the request."""

_TEXT = 512


def _library() -> ctypes.CDLL:
    folder = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    (path,) = folder.glob("librdkafka-*.so*")
    library = ctypes.CDLL(str(path))
    for name, result in (
        ("rd_kafka_conf_new", ctypes.c_void_p),
        ("rd_kafka_new", ctypes.c_void_p),
        ("rd_kafka_mock_cluster_new", ctypes.c_void_p),
        ("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p),
    ):
        getattr(library, name).restype = result
    return library


class MockKafka:
    """A cluster of brokers 1..n. Close it: its threads are librdkafka's."""

    def __init__(self, brokers: int = 1) -> None:
        self._library = _library()
        text = ctypes.create_string_buffer(_TEXT)
        conf = ctypes.c_void_p(self._library.rd_kafka_conf_new())
        self._library.rd_kafka_conf_set(conf, b"log_level", b"0", text, ctypes.c_size_t(_TEXT))
        handle = self._library.rd_kafka_new(0, conf, text, ctypes.c_size_t(_TEXT))
        assert handle, text.value
        self._handle = ctypes.c_void_p(handle)
        cluster = self._library.rd_kafka_mock_cluster_new(self._handle, ctypes.c_int(brokers))
        assert cluster
        self._cluster: ctypes.c_void_p | None = ctypes.c_void_p(cluster)
        told: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        self.bootstrap = told.decode()

    def create_topic(self, topic: str, partitions: int = 4) -> None:
        """A new topic."""
        name = ctypes.c_char_p(topic.encode())
        self._do("rd_kafka_mock_topic_create", name, ctypes.c_int(partitions), ctypes.c_int(1))

    def set_down(self, broker: int = 1) -> None:
        """Close its port and every connection to it."""
        self._do("rd_kafka_mock_broker_set_down", ctypes.c_int32(broker))

    def set_up(self, broker: int = 1) -> None:
        """Open its port again."""
        self._do("rd_kafka_mock_broker_set_up", ctypes.c_int32(broker))

    def set_rtt(self, milliseconds: int, broker: int = 1) -> None:
        """Every answer takes so long."""
        self._do("rd_kafka_mock_broker_set_rtt", ctypes.c_int32(broker), ctypes.c_int(milliseconds))

    def push_errors(self, *codes: int, request: int = PRODUCE) -> None:
        """The next requests of this kind are answered with these of Kafka's error codes."""
        array = (ctypes.c_int * len(codes))(*codes)
        self._library.rd_kafka_mock_push_request_errors_array(
            self._cluster, ctypes.c_int16(request), ctypes.c_size_t(len(codes)), array
        )

    def clear_errors(self, request: int = PRODUCE) -> None:
        """Forget what `push_errors` left over."""
        self._library.rd_kafka_mock_clear_request_errors(self._cluster, ctypes.c_int16(request))

    def _do(self, name: str, *arguments: object) -> None:
        error = getattr(self._library, name)(self._cluster, *arguments)
        assert error == 0, f"{name}: {error}"

    def close(self) -> None:
        """End it. Idempotent."""
        if self._cluster is not None:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._handle)
            self._cluster = None
