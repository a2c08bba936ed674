import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FollowRequest(_message.Message):
    __slots__ = ("after_position", "session_id", "exam_id", "most_per_message")
    AFTER_POSITION_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    EXAM_ID_FIELD_NUMBER: _ClassVar[int]
    MOST_PER_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    after_position: int
    session_id: str
    exam_id: str
    most_per_message: int
    def __init__(self, after_position: _Optional[int] = ..., session_id: _Optional[str] = ..., exam_id: _Optional[str] = ..., most_per_message: _Optional[int] = ...) -> None: ...

class AlertEvents(_message.Message):
    __slots__ = ("events", "position")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[AlertEvent]
    position: int
    def __init__(self, events: _Optional[_Iterable[_Union[AlertEvent, _Mapping]]] = ..., position: _Optional[int] = ...) -> None: ...

class AlertEvent(_message.Message):
    __slots__ = ("position", "alert")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ALERT_FIELD_NUMBER: _ClassVar[int]
    position: int
    alert: Alert
    def __init__(self, position: _Optional[int] = ..., alert: _Optional[_Union[Alert, _Mapping]] = ...) -> None: ...

class Alert(_message.Message):
    __slots__ = ("alert_id", "seq", "exam_id", "session_id", "candidate_id", "incident_id", "transition", "rule_id", "policy_id", "policy_version", "category", "severity", "title", "reason", "occurred_ms", "raised_at", "signals", "producers", "frame_digest", "unsynced")
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    EXAM_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    CANDIDATE_ID_FIELD_NUMBER: _ClassVar[int]
    INCIDENT_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSITION_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_ID_FIELD_NUMBER: _ClassVar[int]
    POLICY_VERSION_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_MS_FIELD_NUMBER: _ClassVar[int]
    RAISED_AT_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    PRODUCERS_FIELD_NUMBER: _ClassVar[int]
    FRAME_DIGEST_FIELD_NUMBER: _ClassVar[int]
    UNSYNCED_FIELD_NUMBER: _ClassVar[int]
    alert_id: str
    seq: int
    exam_id: str
    session_id: str
    candidate_id: str
    incident_id: str
    transition: str
    rule_id: str
    policy_id: str
    policy_version: int
    category: str
    severity: str
    title: str
    reason: str
    occurred_ms: int
    raised_at: _timestamp_pb2.Timestamp
    signals: _containers.RepeatedCompositeFieldContainer[Signal]
    producers: _containers.RepeatedCompositeFieldContainer[Producer]
    frame_digest: str
    unsynced: bool
    def __init__(self, alert_id: _Optional[str] = ..., seq: _Optional[int] = ..., exam_id: _Optional[str] = ..., session_id: _Optional[str] = ..., candidate_id: _Optional[str] = ..., incident_id: _Optional[str] = ..., transition: _Optional[str] = ..., rule_id: _Optional[str] = ..., policy_id: _Optional[str] = ..., policy_version: _Optional[int] = ..., category: _Optional[str] = ..., severity: _Optional[str] = ..., title: _Optional[str] = ..., reason: _Optional[str] = ..., occurred_ms: _Optional[int] = ..., raised_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., signals: _Optional[_Iterable[_Union[Signal, _Mapping]]] = ..., producers: _Optional[_Iterable[_Union[Producer, _Mapping]]] = ..., frame_digest: _Optional[str] = ..., unsynced: _Optional[bool] = ...) -> None: ...

class Signal(_message.Message):
    __slots__ = ("signal_id", "kind", "started_ms", "ended_ms", "probability", "support")
    SIGNAL_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STARTED_MS_FIELD_NUMBER: _ClassVar[int]
    ENDED_MS_FIELD_NUMBER: _ClassVar[int]
    PROBABILITY_FIELD_NUMBER: _ClassVar[int]
    SUPPORT_FIELD_NUMBER: _ClassVar[int]
    signal_id: str
    kind: str
    started_ms: int
    ended_ms: int
    probability: float
    support: Support
    def __init__(self, signal_id: _Optional[str] = ..., kind: _Optional[str] = ..., started_ms: _Optional[int] = ..., ended_ms: _Optional[int] = ..., probability: _Optional[float] = ..., support: _Optional[_Union[Support, _Mapping]] = ...) -> None: ...

class Support(_message.Message):
    __slots__ = ("observations", "numbers", "producers", "frame_digest", "labels")
    class NumbersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    NUMBERS_FIELD_NUMBER: _ClassVar[int]
    PRODUCERS_FIELD_NUMBER: _ClassVar[int]
    FRAME_DIGEST_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    observations: int
    numbers: _containers.ScalarMap[str, float]
    producers: _containers.RepeatedCompositeFieldContainer[Producer]
    frame_digest: str
    labels: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, observations: _Optional[int] = ..., numbers: _Optional[_Mapping[str, float]] = ..., producers: _Optional[_Iterable[_Union[Producer, _Mapping]]] = ..., frame_digest: _Optional[str] = ..., labels: _Optional[_Iterable[str]] = ...) -> None: ...

class Producer(_message.Message):
    __slots__ = ("model", "version", "digest")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: str
    digest: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[str] = ..., digest: _Optional[str] = ...) -> None: ...
