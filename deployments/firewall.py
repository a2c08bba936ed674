"""Which ports of a node others may reach: the doors, media and ssh. Ray's own are for its peers."""

from collections.abc import Sequence
from ipaddress import ip_address

from proctor.settings import Settings

_RULES = """\
table inet rayproctor
delete table inet rayproctor
table inet rayproctor {{
    chain input {{
        type filter hook input priority filter; policy drop;
        iif lo accept
        ct state established,related accept
        meta l4proto {{ icmp, ipv6-icmp }} accept
        {peers}
        tcp dport {{ 22, {doors} }} accept
        udp dport {first}-{last} accept
    }}
}}
"""


def rules_for(nodes: Sequence[str], settings: Settings) -> str:
    """A ruleset that `nft -f -` takes on every node, and takes again in its place.

    Args:
        nodes: Addresses of all nodes, the head's among them: between them everything is open.
        settings: For the doors and the range of media ports.

    Raises:
        ValueError: An address is none, or no range of media ports is set.
    """
    media = settings.webrtc
    if not media.udp_port_min:
        raise ValueError("set PROCTOR_WEBRTC__UDP_PORT_MIN and _MAX: media ports must be known")
    addresses = [ip_address(node) for node in nodes]
    families = {4: "ip", 6: "ip6"}
    peers = [
        f"{families[version]} saddr {{ {', '.join(map(str, found))} }} accept"
        for version in families
        if (found := [one for one in addresses if one.version == version])
    ]
    doors = [settings.port]
    if isinstance(settings.grpc_port, int):
        doors.append(settings.grpc_port)
    return _RULES.format(
        peers="\n        ".join(peers),
        doors=", ".join(map(str, doors)),
        first=media.udp_port_min,
        last=media.udp_port_max,
    )
