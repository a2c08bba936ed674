"""Namespaces and the lines between them, on this machine. Without a way to lose packets, this fails."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from bench.network import lab as laboratory
from bench.network import router
from bench.network.lab import Lab, Namespace
from bench.network.weather import Weather
from proctor.domain.errors import Unavailable


def namespaces() -> str:
    return subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout


def ear(lab: Lab) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((lab.address, 0))
    made.settimeout(1.0)
    return made


def say(namespace: Namespace, target: tuple[str, int], words: bytes) -> None:
    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mouth:
            mouth.sendto(words, target)

    namespace.call(send)


def test_packets_are_lost_as_asked_and_nothing_stays_behind() -> None:
    with Lab() as lab:
        namespace = lab.namespace()
        lab.start()
        assert 0.15 < lab.prove(namespace) < 0.45
        assert namespace.name in namespaces()
    assert f"rp{os.getpid()}" not in namespaces()
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert f"rp{os.getpid()}" not in links


def test_a_line_is_cut_and_mended_and_another_is_not_touched() -> None:
    with Lab() as lab, ear(lab) as heard:
        one, other = lab.namespace(), lab.namespace()
        lab.start()
        target = heard.getsockname()
        lab.router.set_weather(one.addresses[0], Weather(is_cut=True))
        say(one, target, b"cut")
        say(other, target, b"whole")
        assert heard.recvfrom(99) == (b"whole", (other.addresses[0], pytest.approx(0, abs=65_535)))
        lab.router.set_weather(one.addresses[0], Weather())
        say(one, target, b"mended")
        assert heard.recv(99) == b"mended"
        assert lab.router.counts(one.addresses[0])["lost"] >= 1


def test_another_address_takes_the_place_of_one() -> None:
    with Lab() as lab, ear(lab) as heard:
        namespace = lab.namespace()
        lab.start()
        before, after = namespace.addresses[0], lab.free_address()
        namespace.readdress(before, after)
        say(namespace, heard.getsockname(), b"moved")
        assert heard.recvfrom(99)[1][0] == after != before
        assert namespace.addresses == [after]


def test_behind_the_nat_only_one_place_takes_datagrams() -> None:
    with Lab() as lab, ear(lab) as allowed, ear(lab) as closed:
        home = lab.behind_nat(allowed.getsockname())
        lab.start()
        say(home, closed.getsockname(), b"straight")
        say(home, allowed.getsockname(), b"through")
        words, source = allowed.recvfrom(99)
        assert words == b"through" and source[0] != home.addresses[0]
        closed.settimeout(0.3)
        with pytest.raises(TimeoutError):
            closed.recv(99)
        with socket.create_server((lab.address, 0)) as door:
            home.call(lambda: socket.create_connection(door.getsockname(), 5).close())


def test_without_the_device_it_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(router, "TUN", tmp_path / "none")
    with (
        pytest.raises(Unavailable, match=r"no way to lose packets: .* cannot be used") as told,
        Lab(),
    ):
        pass
    assert "\n" not in told.value.detail


def test_without_root_it_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(laboratory.os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match="need root"), Lab():
        pass


def test_a_line_that_loses_nothing_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    with Lab() as lab:
        namespace = lab.namespace()
        lab.start()
        monkeypatch.setattr(lab.router, "set_weather", lambda *_given, **_named: None)
        with pytest.raises(Unavailable, match="no way to lose packets: of 600 datagrams 0% were"):
            lab.prove(namespace)


def test_a_missing_tool_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Unavailable, match="apt-get install nftables"):
        laboratory.require_tools("nft")
