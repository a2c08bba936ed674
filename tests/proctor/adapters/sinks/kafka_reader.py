"""A consumer in a process of its own: prints each record as a line of JSON until enough came.

`python -m tests.proctor.adapters.sinks.kafka_reader BOOTSTRAP TOPIC HOW_MANY_DIFFERENT`. A record that it
cannot read, or of another schema than it knows, is put aside and told as such: the rest flows (F28).
"""

import json
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from jsonschema import Draft202012Validator, ValidationError

from proctor.alerting.envelope import DATA_SCHEMA
from proctor.alerting.schema import SCHEMA_FILE

PATIENCE_S = 30.0


def main() -> None:
    bootstrap, topic, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
    schema = Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "receiver",
            "log_level": 0,
        }
    )
    # Not by a group: after an outage of the broker its members would wait for up to 45 s.
    partitions = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic].partitions
    consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
    seen: set[str] = set()
    until = time.monotonic() + PATIENCE_S
    while len(seen) < wanted and time.monotonic() < until:
        record = consumer.poll(0.2)
        if record is None or record.error():
            continue
        value = record.value() or b""
        try:
            event = json.loads(value)
            if event["dataschema"] != DATA_SCHEMA:
                raise ValueError(event["dataschema"])
            schema.validate(event["data"])
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            seen.add(f"aside {record.offset()}")
            print(json.dumps({"aside": type(error).__name__}), flush=True)
            continue
        seen.add(event["id"])
        told = {
            "key": (record.key() or b"").decode(),
            "headers": {name: text.decode() for name, text in record.headers() or []},
            "event": event,
            "partition": record.partition(),
        }
        print(json.dumps(told), flush=True)
    consumer.close()


if __name__ == "__main__":
    main()
