"""`proctor bench network`: what cannot be measured is one line and an exit code."""

import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from bench.network import lab as laboratory
from bench.network.lab import Lab
from bench.network.turn import TurnServer
from deployments.bad_lines import reachable, with_turn
from deployments.cli import app
from proctor.settings import Settings


def ended_with(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str]:
    with pytest.raises(SystemExit) as end:
        app(["bench", "network", *words])
    return end.value.code, capsys.readouterr().err


def test_an_unknown_case_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = ended_with(capsys, "--cases", "loss-99")
    assert code == 2
    assert said.startswith("proctor: there is no case 'loss-99'") and said.count("\n") == 1


def test_without_root_it_fails_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laboratory.os, "geteuid", lambda: 1000)
    code, said = ended_with(capsys, "--cases", "calm")
    assert code == 1 and "need root" in said and said.count("\n") == 1


def test_the_product_is_placed_where_namespaces_reach_it_with_a_certificate_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "before")
    lab = Lab()
    try:
        with reachable(Settings(home=tmp_path / "home"), lab, tmp_path) as placed:
            assert placed.host == placed.webrtc.bind_address == lab.address
            assert placed.tls_certificate is not None and placed.tls_key is not None
            assert os.environ["SSL_CERT_FILE"] == str(placed.tls_certificate)
            assert stat.S_IMODE(placed.tls_key.stat().st_mode) == 0o600
        assert os.environ["SSL_CERT_FILE"] == "before"
    finally:
        lab.router.stop()


def test_coturn_starts_and_the_product_is_told_of_it() -> None:
    with Lab() as lab:
        server = TurnServer(lab.namespace())
        lab.start()
        with server:
            placed = with_turn(Settings(), server)
            assert placed.webrtc.turn_urls == [server.url]
            assert placed.webrtc.turn_secret == SecretStr(server.secret)
