"""What an actor makes of its items, without Ray: one bad item is a row and ends nothing."""

import pyarrow as pa

from jobs.pipeline import Order, Row, Worker
from proctor.domain.errors import NotFound

SCHEMA = pa.schema([("name", pa.string()), ("reason", pa.string())])


class Plain:
    """Fails as its items say."""

    def __init__(self, _spec: object) -> None:
        self.opened = True

    def rows(self, item: str) -> list[Row]:
        if item == "unknown":
            raise NotFound("nobody")
        if item == "gone":
            raise FileNotFoundError(item)
        if item == "broken":
            raise ValueError("a vector: [0.1, 0.2]")
        return [{"name": item}] * (2 if item == "twice" else 1)

    def failed(self, item: str, reason: str) -> Row:
        return {"name": item, "reason": reason}


def test_rows_keep_their_item_and_a_bad_item_is_a_row_with_a_code() -> None:
    texts = ["fine", "twice", "unknown", "gone", "broken", "last"]
    batch = pa.table({"item": range(6), "block": [3] * 6, "text": texts})
    found = Worker(Order(open=Plain, spec=None, schema=SCHEMA))(batch)
    assert found["item"].to_pylist() == [0, 1, 1, 2, 3, 4, 5]
    assert found["block"].unique().to_pylist() == [3]
    reasons = {row["name"]: row["reason"] for row in found.to_pylist()}
    assert reasons == {
        "fine": None,
        "twice": None,
        "unknown": "resource/not-found",
        "gone": "file_missing",
        "broken": "internal:ValueError",
        "last": None,
    }
    assert "0.1" not in str(found.to_pylist())
    assert min(found["ended_s"].to_pylist()) >= max(found["began_s"].to_pylist())
