"""Where a webhook may point: which URLs are taken, and to which addresses a connection is made.

A tenant's administrator chooses the URL, so it is held to be hostile: whatever is reachable from here and
not from the public internet is refused (OWASP API7, SSRF). The name is judged when the sink is made; the
addresses that it resolves to are judged again at every connection, which goes to exactly the address that
was judged. Only the operator's allow-list opens more.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NoReturn
from urllib.parse import urlsplit

from proctor.domain.errors import InvalidInput

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PUBLIC_PORTS = frozenset({443, 8443})
MOST_URL_CHARS = 2048
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
_NUMERIC_END = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)")

# Names that never mean a host of the public internet (RFC 6761, 6762, 8375, ICANN SAC113) or are a
# cloud's own; what they resolve to would be refused as well.
_INNER_NAMES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
    "in-addr.arpa",
    "ip6.arpa",
    "onion",
    "invalid",
    "svc",
)

# `is_global` of Python 3.11 is true for some of these and changed between patch releases, so the
# registries are written out (IANA special-purpose address registries, RFC 6890 and its successors).
_REFUSED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "168.63.129.16/32",  # Azure's host, on a public number
        "2001::/23",  # IETF protocol assignments, Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)
_PUBLIC_V6 = IPv6Network(
    "2000::/3"
)  # all other IPv6 space is special: mapped, NAT64, ULA, link-local
_ISATAP = (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")


@dataclass(frozen=True, slots=True)
class Allowed:
    """Addresses and a port that an operator lets webhooks reach although they are not public."""

    network: Network
    port: int

    @classmethod
    def parse(cls, text: str) -> "Allowed":
        """`127.0.0.1/32:8443` or `[fd00::/8]:443`. Raises `InvalidInput` (settings/webhook-allow)."""
        network, _, port = text.rpartition(":")
        try:
            number = int(port)
            found = ip_network(network.strip("[]"))
        except ValueError:
            number, found = 0, None
        if found is None or not 1 <= number <= 65535:
            raise InvalidInput(
                f"{text!a} is no network and port; write `10.1.2.0/24:8443`.",
                "settings/webhook-allow",
            )
        return cls(found, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A URL taken apart once; nobody else reads the text again.

    Attributes:
        is_tls: Whether it is https.
        host: A name in lower case or an address without brackets.
        port: Where.
        path: Path and query, beginning with a slash.
        address: The host as an address, when it is one.
    """

    is_tls: bool
    host: str
    port: int
    path: str
    address: Address | None

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if isinstance(self.address, IPv6Address) else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def parse_destination(url: str, allowed: Sequence[Allowed] = ()) -> Destination:
    """Take a webhook's URL apart.

    Raises:
        InvalidInput: `webhook/url-refused`: no https, credentials, a fragment, an odd port, a name or
            address that is not of the public internet, or a number that some resolvers read as one.
    """
    if len(url) > MOST_URL_CHARS or not _VISIBLE.fullmatch(url) or "\\" in url:
        refuse("it must be visible ASCII without backslashes, up to 2048 characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        refuse("it is no URL")
    if parts.scheme not in ("https", "http"):
        refuse("only https is taken")
    if "@" in parts.netloc:
        refuse("it must hold no credentials; the signature says who sends")
    if parts.fragment or "#" in url:
        refuse("it must have no fragment")
    is_tls = parts.scheme == "https"
    if port is None:
        port = 443 if is_tls else 80
    address = _address_of(host, is_bracketed="[" in parts.netloc)
    destination = Destination(
        is_tls=is_tls,
        host=host if address is None else str(address),
        port=port,
        path=(parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        address=address,
    )
    named_ports = {entry.port for entry in allowed}
    if port not in PUBLIC_PORTS and port not in named_ports:
        refuse("its port must be 443 or 8443")
    if not is_tls and port not in named_ports:
        refuse("only https is taken")
    if address is not None and not may_connect(destination, address, allowed):
        refuse_address()
    return destination


def may_connect(destination: Destination, address: Address, allowed: Sequence[Allowed]) -> bool:
    """Whether a connection for this URL may go to this address."""
    if any(address in entry.network and entry.port == destination.port for entry in allowed):
        return True
    return destination.is_tls and destination.port in PUBLIC_PORTS and is_public(address)


def is_public(address: Address) -> bool:
    """Whether the address is a host of the public internet: no doubt is left to the benefit."""
    if any(address in network for network in _REFUSED):
        return False
    if isinstance(address, IPv6Address):
        if address not in _PUBLIC_V6 or address.scope_id is not None:
            return False
        if address.packed[8:12] in _ISATAP:  # an IPv4 address inside
            return False
    return address.is_global and not address.is_multicast


def checked_addresses(
    destination: Destination, found: Sequence[str], allowed: Sequence[Allowed]
) -> list[Address]:
    """The addresses that may be connected to, IPv4 first: all that were found, or none.

    Raises `InvalidInput` (webhook/url-refused), the same whether there is none or a refused one: the
    answer must not tell a stranger which names exist in our network.
    """
    addresses: list[Address] = []
    for text in found:
        try:
            addresses.append(ip_address(text))
        except ValueError:
            refuse_address()
    if not addresses or not all(may_connect(destination, one, allowed) for one in addresses):
        refuse_address()
    return sorted(addresses, key=lambda address: address.version)


def _address_of(host: str, *, is_bracketed: bool) -> Address | None:
    """The host as an address; None for a name. Refuses what is neither, and inner names."""
    if is_bracketed:
        try:
            return IPv6Address(host)
        except ValueError:
            refuse("it is no URL")
    try:
        return IPv4Address(host)
    except ValueError:
        pass
    if _NUMERIC_END.fullmatch(host.rpartition(".")[2]):
        refuse_address()  # 2130706433, 0x7f.1, 127.1, 017700000001: some resolvers read an address
    if len(host) > 253 or not _NAME.fullmatch(host):
        refuse(
            "its host must be a full name such as hooks.example.org, in ASCII, without a last dot"
        )
    if any(host == name or host.endswith(f".{name}") for name in _INNER_NAMES):
        refuse_address()
    return None


def refuse(why: str) -> NoReturn:
    """Raises `InvalidInput` (webhook/url-refused)."""
    raise InvalidInput(f"This URL is not taken: {why}.", "webhook/url-refused")


def refuse_address() -> NoReturn:
    """Raises `InvalidInput` (webhook/url-refused) for a host that may not be reached or is none."""
    refuse("its host is not known or is no host of the public internet")
