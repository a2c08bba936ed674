"""An OTLP receiver over HTTP, of the tests: it decodes the protocol's own messages."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Received:
    """What came so far."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.url = ""

    @property
    def spans(self) -> list[Span]:
        """Every span."""
        return [span for _, span in self.by_process]

    @property
    def by_process(self) -> list[tuple[str, Span]]:
        """(Process, span)."""
        found = []
        for request in list(self.requests):
            for resource in request.resource_spans:
                said = {a.key: a.value.string_value for a in resource.resource.attributes}
                for scope in resource.scope_spans:
                    found += [(said["service.instance.id"], span) for span in scope.spans]
        return found

    def until(self, *names: str, within_s: float = 20) -> list[Span]:
        """The spans, once one of each name has come."""
        deadline = time.monotonic() + within_s
        while not set(names) <= {span.name for span in self.spans}:
            came = {span.name for span in self.spans}
            assert time.monotonic() < deadline, f"{set(names) - came} did not come; {came} did"
            time.sleep(0.05)
        return self.spans


@contextmanager
def receiving() -> Iterator[Received]:
    """A receiver on a free port of loopback."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            received.requests.append(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
