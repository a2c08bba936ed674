"""A session's observations as a data frame: one row per thing seen or heard.

The server answers with an Arrow stream. pyarrow and pandas are imported when they are asked for:
`pip install 'rayproctor-client[pandas]'`, or `[arrow]` for `.to_arrow()` alone.
"""

import json
from typing import TYPE_CHECKING, Any

from proctor_client import calls
from proctor_client.errors import AnswerNotUnderstood, ExtraMissing
from proctor_client.senders import AsyncSender, Sender

if TYPE_CHECKING:
    import pandas
    import pyarrow

VALUES = "values"
"""The column that holds what is particular to a kind, as JSON."""


def table_of(stream: bytes) -> "pyarrow.Table":
    """The table of an Arrow stream. Raises `ExtraMissing`, `AnswerNotUnderstood`."""
    try:
        import pyarrow as pa
    except ImportError:
        raise ExtraMissing("arrow") from None
    try:
        with pa.ipc.open_stream(stream) as reader:
            return reader.read_all()
    except (pa.ArrowException, OSError) as error:
        raise AnswerNotUnderstood("The observations are no Arrow stream.") from error


def frame_of(table: "pyarrow.Table") -> "pandas.DataFrame":
    """The table as a pandas frame; `values` become dicts. Raises `ExtraMissing`."""
    try:
        import pandas as pd
    except ImportError:
        raise ExtraMissing("pandas") from None
    frame: pd.DataFrame = table.to_pandas()
    if VALUES in frame:
        values: list[Any] = [json.loads(text) for text in frame[VALUES]]
        frame[VALUES] = pd.Series(values, index=frame.index, dtype="object")
    return frame


class Observations:
    """What was observed in one session; each call fetches it."""

    def __init__(self, sender: Sender, session_id: str) -> None:
        self._sender = sender
        self.session_id = session_id

    def to_arrow(self) -> "pyarrow.Table":
        """As an Arrow table."""
        return table_of(self._sender.send(calls.observations(self.session_id)))

    def to_pandas(self) -> "pandas.DataFrame":
        """As a data frame."""
        return frame_of(self.to_arrow())


class AsyncObservations:
    """The same with `await`."""

    def __init__(self, sender: AsyncSender, session_id: str) -> None:
        self._sender = sender
        self.session_id = session_id

    async def to_arrow(self) -> "pyarrow.Table":
        """As an Arrow table."""
        return table_of(await self._sender.send(calls.observations(self.session_id)))

    async def to_pandas(self) -> "pandas.DataFrame":
        """As a data frame."""
        return frame_of(await self.to_arrow())
