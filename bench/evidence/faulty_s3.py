"""An S3 (moto) on a port of this machine that can be told to fail: 500, 403, hanging, slow, altering."""

import io
import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

HANG_AT_MOST_S = 120.0


class Mood(StrEnum):
    """How it answers."""

    WELL = "well"
    ERROR = "500"
    REFUSE = "403"
    HANG = "hang"
    SLOW = "slow"
    ALTER = "alter"
    """It keeps other bytes than it was given."""


class FaultyS3:
    """A WSGI application around moto's.

    Attributes:
        mood: How it answers from now on.
        url: Where it is.
        requests: How many it was asked.
    """

    def __init__(self, seed: int) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self._inner = DomainDispatcherApplication(create_backend_app)
        self._luck = random.Random(seed)
        self._healed = threading.Event()
        self.mood = Mood.WELL
        self.url = ""
        self.requests = 0

    def heal(self) -> None:
        """Answer well again, those that hang as well."""
        self.mood = Mood.WELL
        self._healed.set()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request, in a thread of its own."""
        self.requests += 1
        match self.mood:
            case Mood.ERROR | Mood.REFUSE:
                status = {"500": "500 Internal Server Error", "403": "403 Forbidden"}
                _drain(environ)
                start_response(status[self.mood], [("Content-Length", "0")])
                return [b""]
            case Mood.HANG:
                self._healed.clear()
                self._healed.wait(HANG_AT_MOST_S)
            case Mood.SLOW:
                threading.Event().wait(self._luck.uniform(0.2, 1.5))
            case Mood.ALTER if environ["REQUEST_METHOD"] == "PUT":
                body = bytearray(_drain(environ))
                if body:
                    body[self._luck.randrange(len(body))] ^= 1
                environ["wsgi.input"] = io.BytesIO(bytes(body))
            case _:
                pass
        answer: Iterable[bytes] = self._inner(environ, start_response)
        return answer


def _drain(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return body


@contextmanager
def faulty_s3(seed: int, bucket: str) -> Iterator[FaultyS3]:
    """It runs, has a bucket, and the environment names it to every tool of the store."""
    import httpx
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: Any) -> None:
            """No line for every request."""

    served = FaultyS3(seed)
    server = make_server("127.0.0.1", 0, served, threaded=True, request_handler=Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    told = {
        "AWS_ENDPOINT_URL": served.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        httpx.put(f"{served.url}/{bucket}").raise_for_status()
        yield served
    finally:
        served.heal()
        server.shutdown()
        thread.join()
        server.server_close()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
