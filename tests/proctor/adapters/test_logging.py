"""Logs: one JSON object per line, with ids, and without a trace of a face, a token or a word (S18)."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import structlog
from structlog.contextvars import bound_contextvars

from proctor.adapters.logging import REDACTED, configure

VECTOR = np.random.default_rng(7).normal(size=128).astype(np.float32)
TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJjYW5hcnkifQ.c2lnbmF0dXJl"
WORDS = "canary words that were spoken"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    text = io.StringIO()
    configure("info", "test-process", text)
    yield text
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def canaries() -> list[str]:
    """The vector as bytes, base64 and decimals, the token, the words: none may be in a log."""
    raw = VECTOR.tobytes()
    decimals = [f"{number:.5f}"[:-1] for number in map(float, VECTOR[:8])]
    return [base64.b64encode(raw).decode()[:24], repr(raw[:6])[2:-1], TOKEN[:20], WORDS, *decimals]


def test_every_line_is_an_object_with_time_level_logger_and_process(stream: io.StringIO) -> None:
    structlog.get_logger("ours.room").info("signal opened", rule="looking_away", count=3)
    logging.getLogger("library").warning("disk %d %% full", 93, extra={"host": "h1"})
    ours, theirs = lines(stream)
    assert ours["event"] == "signal opened"
    assert (ours["level"], ours["logger"], ours["process"]) == ("info", "ours.room", "test-process")
    assert (ours["rule"], ours["count"]) == ("looking_away", 3)
    assert ours["at"].endswith("Z")
    assert theirs["event"] == "disk 93 % full"
    assert (theirs["level"], theirs["logger"], theirs["host"]) == ("warning", "library", "h1")


def test_ids_are_on_every_line_inside_and_on_none_after(stream: io.StringIO) -> None:
    with bound_contextvars(session_id="ses_1", request_id="req_1"):
        structlog.get_logger("a").info("ours")
        logging.getLogger("b").info("theirs")
    structlog.get_logger("a").info("after")
    *inside, after = lines(stream)
    assert [(line["session_id"], line["request_id"]) for line in inside] == [("ses_1", "req_1")] * 2
    assert "session_id" not in after


def test_the_level_is_kept(stream: io.StringIO) -> None:
    structlog.get_logger("a").debug("quiet")
    logging.getLogger("b").debug("quiet")
    logging.getLogger("aioice.ice").info("an address of a candidate")
    assert lines(stream) == []
    configure("debug", "test-process", stream)
    structlog.get_logger("a").debug("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_no_way_of_logging_lets_a_canary_through(stream: io.StringIO) -> None:
    ours, theirs = structlog.get_logger("ours"), logging.getLogger("theirs")
    numbers = VECTOR.tolist()
    ours.info("x", embedding=numbers, template=VECTOR, sealed=VECTOR.tobytes(), image=b"jpeg")
    ours.info("x", anything=VECTOR, rows=[numbers, numbers], pair=(VECTOR, 1), raw=VECTOR.tobytes())
    ours.info("x", join_ticket=TOKEN, access_token=TOKEN, authorization="Bearer " + TOKEN)
    ours.info("x", transcript=WORDS, nested={"deep": {"words": WORDS, "samples": numbers}})
    ours.info("x", url=f"wss://host/live?token={TOKEN}", header="Bearer opaque-canary")
    ours.info(f"so it was {numbers}")
    ours.info(f"so it was {VECTOR}")
    theirs.info("vector %s of %s", VECTOR, "them")
    theirs.info("vector %s", numbers)
    theirs.info("vector %(it)s", {"it": VECTOR})
    theirs.info("token %s", TOKEN, extra={"ticket": TOKEN, "picture": VECTOR.tobytes()})
    for logger in (ours, theirs):
        try:
            vector = VECTOR
            raise ValueError(f"cannot compare {vector.tolist()} for {TOKEN}")
        except ValueError:
            logger.exception("failed")
    text = stream.getvalue()
    assert [canary for canary in canaries() if canary in text] == []
    assert "opaque-canary" not in text
    assert len(lines(stream)) == 13
    assert "ValueError" in text  # what happened is told all the same


def test_what_is_harmless_is_left_alone(stream: io.StringIO) -> None:
    structlog.get_logger("a").info(
        "checked",
        template_version=3,
        token_id="tok_1",
        pictures=5,
        frame_digest="ab" * 32,
        delays_ms=[1.5, 2.5],
        by_group={"face": 2},
        error=ValueError("no such exam"),
    )
    (line,) = lines(stream)
    assert line["template_version"] == 3
    assert line["token_id"] == "tok_1"
    assert line["pictures"] == 5
    assert line["frame_digest"] == "ab" * 32
    assert line["delays_ms"] == [1.5, 2.5]
    assert line["by_group"] == {"face": 2}
    assert line["error"] == "ValueError: no such exam"


def test_passwords_of_urls_are_taken_out(stream: io.StringIO) -> None:
    structlog.get_logger("a").info(
        "lost redis://:hidden@127.0.0.1:1/0", db="postgresql://u:hidden@h/d"
    )
    (line,) = lines(stream)
    assert line["event"] == f"lost redis://{REDACTED}@127.0.0.1:1/0"
    assert "hidden" not in json.dumps(line)


def test_configuring_twice_does_not_double_lines(stream: io.StringIO) -> None:
    configure("info", "test-process", stream)
    logging.getLogger("a").info("once")
    assert len(lines(stream)) == 1


@pytest.mark.parametrize("kind", ["jt", "st", "lt"])
def test_a_ticket_by_itself_is_taken_out(stream: io.StringIO, kind: str) -> None:
    ticket = f"{kind}_" + "aB3_-dE6g" * 3
    structlog.get_logger("ours").info("x", note=f"went with {ticket}.", model="just_a_name")
    logging.getLogger("theirs").warning("redeemed %s", ticket)
    assert ticket not in stream.getvalue()
    assert lines(stream)[0]["model"] == "just_a_name"
