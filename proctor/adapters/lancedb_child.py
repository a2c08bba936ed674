"""The only code that loads LanceDB, run in a process of its own by `lancedb_process.py`.

LanceDB holds 185 MB (measured: USS after some reads), as much as everything else a session host holds,
and templates are read once in a while; so it lives in a child that ends when nobody has asked for a
while. The child sees sealed templates only. It imports nothing of ours: it is started by file name.

One table per candidate, and not one row in a table of all: Lance rewrites a file for a deleted row only
when at least a tenth of its rows are deleted, so `delete` and `optimize` in a common table leave the
bytes where they are (measured: 1 row of 20 and of 2,000). A dropped table is gone, whole and at once.

Protocol: one JSON object per line on stdin and stdout, one request at a time.
"""

import base64
import json
import os
import select
import sys
import warnings
from datetime import datetime, timedelta
from typing import Any


class FaceTables:
    """Tables of one LanceDB, each with one row: the newest sealed template of one candidate."""

    def __init__(self, uri: str) -> None:
        import lancedb
        import pyarrow

        self._arrow = pyarrow
        self._schema = pyarrow.schema(
            [
                ("tenant_id", pyarrow.string()),
                ("candidate_id", pyarrow.string()),
                ("version", pyarrow.int32()),
                ("model", pyarrow.string()),
                ("model_version", pyarrow.string()),
                ("sealed", pyarrow.binary()),
                ("created_at", pyarrow.timestamp("us", tz="UTC")),
            ]
        )
        self._database = lancedb.connect(uri)

    def get(self, name: str) -> dict[str, Any]:
        """The row of a table, None when there is no such table."""
        try:
            table = self._database.open_table(name)
        except (ValueError, FileNotFoundError) as error:
            if not _is_missing(error):
                raise
            return {"row": None}
        (row,) = table.to_arrow().to_pylist()
        row["sealed"] = base64.b64encode(row["sealed"]).decode()
        row["created_at"] = row["created_at"].isoformat()
        return {"row": row}

    def put(self, name: str, row: dict[str, Any]) -> dict[str, Any]:
        """Replace the row; no file keeps the older one. Refuses a version that is not newer."""
        known = self.get(name)["row"]
        if known == row:  # the answer to the first try was lost
            return {}
        if known is not None and known["version"] >= row["version"]:
            return {"conflict": known["version"]}
        stored = row | {
            "sealed": base64.b64decode(row["sealed"]),
            "created_at": datetime.fromisoformat(row["created_at"]),
        }
        data = self._arrow.Table.from_pylist([stored], schema=self._schema)
        table = self._database.create_table(name, data=data, mode="overwrite")
        with warnings.catch_warnings():  # it warns of readers of old versions: there shall be none
            warnings.simplefilter("ignore", UserWarning)
            table.optimize(cleanup_older_than=timedelta(0), delete_unverified=True)
        return {}

    def erase(self, name: str) -> dict[str, Any]:
        """Drop the table with every file of it."""
        try:
            self._database.drop_table(name)
        except (ValueError, FileNotFoundError) as error:
            if not _is_missing(error):
                raise
        return {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one request. What goes wrong is told by its type only."""
        try:
            match request["do"]:
                case "get":
                    return self.get(request["table"])
                case "put":
                    return self.put(request["table"], request["row"])
                case "erase":
                    return self.erase(request["table"])
                case other:
                    return {"error": f"no such request: {other}"}
        except Exception as error:  # noqa: BLE001  # the border of the process: told to the parent
            return {"error": type(error).__name__}


def _is_missing(error: Exception) -> bool:
    """Whether LanceDB says that there is no such table; it has no exception of its own for it."""
    return "not found" in str(error)


def main(uri: str, idle_s: float) -> None:
    """Answer until the parent is gone or nobody asked for `idle_s`."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    tables = FaceTables(uri)
    while select.select([0], [], [], idle_s)[0]:
        line = sys.stdin.buffer.readline()
        if not line:
            return
        answers.write(json.dumps(tables.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
