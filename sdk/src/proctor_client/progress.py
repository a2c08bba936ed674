"""A progress bar for downloads: `pip install 'rayproctor-client[progress]'`."""

from collections.abc import Iterator
from contextlib import contextmanager

from proctor_client.errors import ExtraMissing
from proctor_client.evidence import Advance


@contextmanager
def progress_bar(label: str) -> Iterator[Advance]:
    """A bar on the terminal; give what it yields as `advance`. Raises `ExtraMissing`."""
    try:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
    except ImportError:
        raise ExtraMissing("progress") from None
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns) as shown:
        task = shown.add_task(label, total=None)

        def advance(had: int, size: int) -> None:
            shown.update(task, completed=had, total=size)

        yield advance
