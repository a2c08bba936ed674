"""What others may reach of a node."""

import subprocess

import pytest

from deployments.firewall import rules_for
from proctor.settings import Settings, WebRtcSettings

SETTINGS = Settings(port=8800, webrtc=WebRtcSettings(udp_port_min=20000, udp_port_max=20999))


def test_peers_reach_everything_and_others_the_doors_and_media() -> None:
    rules = rules_for(["192.0.2.1", "2001:db8::1", "192.0.2.2"], SETTINGS)
    assert "policy drop" in rules
    assert "ip saddr { 192.0.2.1, 192.0.2.2 } accept" in rules
    assert "ip6 saddr { 2001:db8::1 } accept" in rules
    assert "tcp dport { 22, 8800 } accept" in rules
    assert "udp dport 20000-20999 accept" in rules


def test_the_grpc_door_is_open_where_it_is_asked_for() -> None:
    rules = rules_for(["192.0.2.1"], SETTINGS.model_copy(update={"grpc_port": 8801}))
    assert "tcp dport { 22, 8800, 8801 } accept" in rules


def test_nft_takes_the_rules_twice() -> None:
    """In a network namespace of its own; `-f` of the same file again replaces, it does not add."""
    rules = rules_for(["192.0.2.1"], SETTINGS)
    once = f"nft -f - <<'EOF'\n{rules}EOF\n"
    script = f"{once}{once}nft list ruleset"
    listed = subprocess.run(
        ["unshare", "--net", "bash", "-e", "-c", script],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert listed.count("chain input") == 1
    assert "policy drop" in listed


def test_rules_without_known_media_ports_are_refused() -> None:
    with pytest.raises(ValueError, match="UDP_PORT_MIN"):
        rules_for(["192.0.2.1"], Settings())
    with pytest.raises(ValueError, match="head"):
        rules_for(["head"], SETTINGS)
