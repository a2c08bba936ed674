"""Which candidates are probed, and which never."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.adapters.webrtc.candidates import BadFragment, CandidatePolicy, parse_fragment


def candidate(host: str = "192.0.2.7", port: str = "5000", kind: str = "host") -> str:
    return f"842163049 1 udp 1677729535 {host} {port} typ {kind} generation 0 ufrag 3fqN"


def test_a_fragment_is_read() -> None:
    fragment = parse_fragment(
        "a=ice-ufrag:3fqN\r\na=ice-pwd:oJDQQslABbSt9sARUvGUNG9U\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
        f"a=mid:0\r\na=candidate:{candidate()}\r\na=end-of-candidates\r\n"
    )
    assert fragment.ufrag == "3fqN" and fragment.ends
    assert fragment.candidates == (candidate(),)


@pytest.mark.parametrize(
    ("text", "status"),
    [("", 422), (" \r\n", 422), ("hello", 422), ("a=candidate:x\r\n" * 2_000, 413)],
)
def test_a_bad_fragment_is_refused(text: str, status: int) -> None:
    with pytest.raises(BadFragment) as caught:
        parse_fragment(text)
    assert (caught.value.code, caught.value.status) == ("webrtc/bad-candidates", status)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (candidate("abc.local"), "mdns"),
        (candidate("exam.example"), "malformed"),
        (candidate(port="0"), "malformed"),
        (candidate(port="70000"), "malformed"),
        (candidate(port="-1"), "malformed"),
        (candidate(kind="prflx"), "type"),
        (candidate().replace(" udp ", " tcp "), "transport"),
        (candidate().replace(" 1 udp", " 2 udp"), "component"),
        (candidate().replace("typ", "type"), "malformed"),
        ("1 1 udp 1", "malformed"),
        (candidate() + " rport x", "malformed"),
        (candidate().replace("generation 0", "generation x"), "malformed"),
        (candidate() + " rport " + "9" * 5_000, "malformed"),
        ("", "malformed"),
        (candidate("169.254.169.254"), "address"),
        (candidate("224.0.0.251"), "address"),
        (candidate("0.0.0.0"), "address"),
        (candidate("255.255.255.255"), "address"),
        (candidate("fe80::1"), "address"),
        (candidate("ff02::fb"), "address"),
        (candidate("::ffff:10.0.0.1"), "address"),
        (candidate("2002:7f00:1::"), "address"),
        (candidate("64:ff9b::7f00:1"), "address"),
        (candidate("64:ff9b:1::a00:1"), "address"),
        (candidate("fec0::1"), "address"),
    ],
)
@pytest.mark.parametrize("reached_at", ["127.0.0.1", "10.0.0.5", "8.8.8.8"])
def test_what_nobody_may_have_probed(line: str, reason: str, reached_at: str) -> None:
    assert CandidatePolicy(reached_at).refusal(line) == reason


@pytest.mark.parametrize(
    ("reached_at", "host", "is_used"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "10.1.1.1", True),
        ("0.0.0.0", "127.0.0.1", True),
        ("10.0.0.5", "10.1.1.1", True),
        ("10.0.0.5", "127.0.0.1", False),
        ("10.0.0.5", "9.9.9.9", True),
        ("8.8.8.8", "10.1.1.1", False),
        ("8.8.8.8", "192.168.1.1", False),
        ("8.8.8.8", "100.64.0.1", False),
        ("8.8.8.8", "fd00::1", False),
        ("8.8.8.8", "::1", False),
        ("8.8.8.8", "9.9.9.9", True),
        ("8.8.8.8", "2606:4700::1111", True),
    ],
)
def test_private_addresses_are_probed_only_from_private_ones(
    reached_at: str, host: str, is_used: bool
) -> None:
    refusal = CandidatePolicy(reached_at).refusal(candidate(host))
    assert refusal == (None if is_used else "address")


@given(st.text(max_size=120))
def test_any_text_is_used_or_refused(text: str) -> None:
    refusal = CandidatePolicy("127.0.0.1").refusal(text)
    assert refusal is None or refusal.islower()
