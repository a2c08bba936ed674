"""A folder or an object store by URL: `file:///srv/evidence`, `s3://bucket/evidence`, gs, az.

Credentials come from the environment, as for every tool of the store: AWS_ACCESS_KEY_ID, AWS_REGION,
AWS_ENDPOINT_URL. One without TLS is spoken to only as `s3+http://bucket/evidence`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from proctor.domain.errors import InvalidInput, StateStoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_PATIENCE: dict[str, Any] = {
    "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=10)},
    "client_options": {"timeout": "20s", "connect_timeout": "3s"},
}


def open_url(setting: str, url: str) -> "ObjectStore":
    """The store of a URL: `file://`, `s3://`, `s3+http://`, `gs://` or `az://`.

    Raises:
        InvalidInput: The URL, which is the value of `setting`, names no store.
    """
    from obstore.exceptions import BaseError

    try:
        return _open(url)
    except (BaseError, ValueError) as error:
        told = " ".join(str(error).split())[:200]
        shown = url.rpartition("@")[2]  # never what may be a password before it
        raise InvalidInput(f"{setting} {shown!r} cannot be used: {told}") from error


def _open(url: str) -> "ObjectStore":
    from obstore.store import LocalStore, from_url

    if (folder := folder_of(url)) is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return LocalStore(folder, automatic_cleanup=True)
    parts = urlsplit(url)
    if parts.scheme not in ("s3", "s3+http", "gs", "az") or not parts.netloc:
        raise ValueError("use file://, s3://, gs:// or az:// and a name")
    client = {**_PATIENCE["client_options"], "allow_http": parts.scheme == "s3+http"}
    url = url.replace("s3+http://", "s3://", 1)
    return from_url(url, **{**_PATIENCE, "client_options": client})


def folder_of(url: str) -> Path | None:
    """The folder of a `file://` URL, None for other stores."""
    parts = urlsplit(url)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None


@contextmanager
def told_as_ours(what: str) -> Iterator[None]:
    """What is not there stays a `FileNotFoundError`; everything else means that the store is away."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        raise StateStoreUnavailable(f"{what} are away ({type(error).__name__})") from error


async def names_under(store: "ObjectStore", folder: str) -> list[str]:
    """Every object below a folder; () for one that is not there."""
    import obstore

    found: list[str] = []
    try:
        async for some in obstore.list(store, folder + "/"):
            found += [each["path"] for each in some]
    except FileNotFoundError:
        return []
    return found
