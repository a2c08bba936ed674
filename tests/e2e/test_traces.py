"""The running product sends traces to a real OTLP receiver: from a frame to the webhook, and no names."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from bench.candidate.person import Candidate
from bench.candidate.pictures import Moved
from bench.candidate.reels import encode
from bench.candidate.scenes import Scene, Script
from bench.candidate.sounds import QuietRoom
from bench.candidate.stills import empty_room
from tests.contract.otlp import receiving
from tests.e2e.support.system import get_session, new_session, post, running_system, wait_for_alert

pytestmark = pytest.mark.e2e


@contextmanager
def hook() -> Iterator[int]:
    """A receiver of webhooks that takes everything; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_a_frame_is_followed_over_all_processes_to_the_delivery(tmp_path: Path) -> None:
    scene = Scene(name="empty", start_s=0, picture=Moved(empty_room(1)), sound=QuietRoom(1))
    with (
        receiving() as received,
        hook() as port,
        running_system(
            tmp_path,
            sessions_per_host="50",
            otlp_endpoint=received.url,
            otlp_ratio="1",
            webhook_allow=f'["127.0.0.1/32:{port}"]',
        ) as system,
    ):
        async with system.client() as client:
            sink = {"kind": "webhook", "name": "traces", "url": f"http://127.0.0.1:{port}/"}
            await post(client, "/v1/sinks", sink)
            session_id, join_url = await new_session(client, "traces")
            candidate = Candidate(system.base_url, encode(Script([scene], 40)))
            await candidate.join(join_url.partition("#ticket=")[2])
            alert = await wait_for_alert(client, session_id, "no_face", 30)
            await asyncio.to_thread(received.until, "delivery.send", "session.offer", "host.join")
            session = await get_session(client, session_id)
            await post(client, f"/v1/sessions/{session_id}/end", {})
            await candidate.close()
        spans = received.by_process

    one = {span.name: (process, span) for process, span in spans}
    assert parent_of(one["host.join"][1], one["session.offer"][1])
    assert (one["session.offer"][0], one["host.join"][0][:13]) == ("gateway", "proctor-host-")

    delivered = [(p, span) for p, span in spans if span.name == "delivery.send"]
    raised = {span.span_id: (p, span) for p, span in spans if span.name == "alert.raised"}
    process, told = next((p, s) for p, s in delivered if s.parent_span_id in raised)
    shard, root = raised[told.parent_span_id]
    assert (process, shard[:14]) == ("dispatcher", "proctor-shard-")
    assert root.trace_id == told.trace_id

    linked = {link.span_id for _, each in raised.values() for link in each.links}
    judged = [(p, s) for p, s in spans if s.name == "shard.judge" and s.span_id in linked]
    assert judged, "no alert leads back to a frame"
    ways = [
        {(p, s.name) for p, s in spans if s.trace_id == judgement.trace_id}
        for _, judgement in judged
    ]
    whole = {"perception.call", "perception.answer", "host.report", "shard.judge"}
    assert any({name for _, name in way} >= whole for way in ways)
    assert any(len({p for p, _ in way}) == 3 for way in ways), "host, replica and shard"

    told_in_all = repr([span for _, span in spans])
    for name in (session_id, session["candidate_id"], session["exam_id"], alert["alert_id"]):
        assert str(name) not in told_in_all


def parent_of(part: Span, whole: Span) -> bool:
    return (part.trace_id, part.parent_span_id) == (whole.trace_id, whole.span_id)
