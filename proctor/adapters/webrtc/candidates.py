"""Which ICE candidates of a client are used, and the SDP fragments that bring more of them.

A candidate makes this process send STUN to an address of the client's choosing, so a policy decides
(ASVS 17.1, TRUST B28). A dropped one costs nothing as a rule: the client's own checks reach us, and
their source is learned from them (peer-reflexive, RFC 8445 7.3.1.3).
"""

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proctor.domain.errors import InvalidInput

MAX_CANDIDATES = 50
"""Per connection; a browser with several interfaces sends about ten."""

MAX_FRAGMENT_BYTES = 16 * 1024

_HOLDS_IPV4 = tuple(ipaddress.IPv6Network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48"))
"""NAT64 (RFC 6052, RFC 8215): Python calls them global whatever address is in them (TRUST D13)."""


class BadFragment(InvalidInput):
    """The trickle ICE fragment cannot be used."""

    code = "webrtc/bad-candidates"


@dataclass(frozen=True, slots=True)
class Fragment:
    """A trickle ICE fragment (RFC 8840 section 9).

    Attributes:
        ufrag: The ICE generation it belongs to; None when it does not say.
        candidates: Values of its `a=candidate:` lines.
        ends: Whether it says that there are no more.
    """

    ufrag: str | None
    candidates: tuple[str, ...]
    ends: bool


def parse_fragment(text: str) -> Fragment:
    """Read an `application/trickle-ice-sdpfrag` body. Raises `BadFragment`."""
    if not text.strip():
        raise BadFragment("the fragment is empty; send a=candidate or a=end-of-candidates lines")
    if len(text.encode(errors="surrogatepass")) > MAX_FRAGMENT_BYTES:
        raise BadFragment(f"the fragment is larger than {MAX_FRAGMENT_BYTES} bytes", "", 413)
    ufrag: str | None = None
    candidates: list[str] = []
    ends = False
    for line in text.splitlines():
        if line and line[1:2] != "=":
            raise BadFragment("the fragment has a line that is not SDP (x=...)")
        if line.startswith("a=ice-ufrag:"):
            ufrag = line[12:].strip()
        elif line.startswith("a=candidate:"):
            candidates.append(line[12:].strip())
        elif line.strip() == "a=end-of-candidates":
            ends = True
    return Fragment(ufrag, tuple(candidates), ends)


class CandidatePolicy:
    """Decides by the address at which this process itself is reached.

    A client that reaches a public address needs no private candidate to be probed, and probing one
    would let a stranger scan the network behind us.
    """

    def __init__(self, reached_at: str) -> None:
        own = ipaddress.ip_address(reached_at)
        self._loopback_allowed = own.is_loopback or own.is_unspecified
        self._private_allowed = not own.is_global

    def refusal(self, candidate: str) -> str | None:
        """Why a candidate (the value of an `a=candidate:` line) is not used; None when it is."""
        words = candidate.split()
        if len(words) < 8 or words[6] != "typ":
            return "malformed"
        component, transport, host, port, kind = words[1], words[2], words[4], words[5], words[7]
        if not (words[3].isdecimal() and len(words[3]) <= 10 and len(words[0]) <= 64):
            return "malformed"
        if not (port.isdecimal() and len(port) <= 5 and 0 < int(port) <= 65535):
            return "malformed"
        if not all(_is_number(value) for value in _numbers(words[8:])):
            return "malformed"
        if component != "1":
            return "component"
        if transport.lower() != "udp":
            return "transport"
        if kind not in ("host", "srflx", "relay"):
            return "type"
        if host.lower().endswith(".local"):
            return "mdns"  # would send multicast; the client's checks tell its address
        return self._refused_address(host)

    def _refused_address(self, host: str) -> str | None:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "malformed"
        if "%" in host:
            return "address"
        if isinstance(address, ipaddress.IPv6Address) and (
            address.ipv4_mapped
            or address.sixtofour
            or address.teredo
            or any(address in network for network in _HOLDS_IPV4)
        ):
            return "address"  # an IPv4 address in disguise
        if address.is_loopback:
            return None if self._loopback_allowed else "address"
        if (
            address.is_unspecified
            or address.is_multicast
            or address.is_link_local
            or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
            or (isinstance(address, ipaddress.IPv4Address) and address.is_reserved)
        ):
            return "address"
        if not address.is_global and not self._private_allowed:
            return "address"
        return None


def _numbers(extensions: Sequence[str]) -> Iterator[str]:
    """Values of the extension attributes that aioice reads as numbers, unchecked."""
    for name, value in zip(extensions[::2], extensions[1::2], strict=False):
        if name in ("rport", "generation"):
            yield value


def _is_number(value: str) -> bool:
    return value.isdecimal() and len(value) <= 10
