"""What the cluster test writes for its machines, and how it reads what listens there."""

import shlex
import socket
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic import SecretStr

from bench.cluster.files import as_lines, settings_of, with_addresses
from bench.cluster.machines import ports_of, reachable
from deployments.environment import ROOT
from deployments.nodes import require_shared_stores
from proctor.settings import Settings


def test_only_the_addresses_and_the_key_of_the_file_are_others() -> None:
    given = yaml.safe_load((ROOT / "cluster-ssh.yaml").read_text())
    made = with_addresses(given, "10.0.0.1", ["10.0.0.2"], "/key")
    assert made["provider"] == {"type": "local", "head_ip": "10.0.0.1", "worker_ips": ["10.0.0.2"]}
    assert made["auth"]["ssh_private_key"] == "/key"
    assert (made["min_workers"], made["max_workers"]) == (1, 1)
    others = {"provider", "auth", "min_workers", "max_workers"}
    assert {k: v for k, v in made.items() if k not in others} == {
        k: v for k, v in given.items() if k not in others
    }
    assert given == yaml.safe_load((ROOT / "cluster-ssh.yaml").read_text())


def test_a_shell_reads_back_what_was_written(tmp_path: Path) -> None:
    given = {"OFFERS": "--num-cpus=4 --x='1'".replace("'", '"'), "URL": "redis://:a$b@h/0"}
    file = tmp_path / "env"
    file.write_text(as_lines(given))
    script = f'set -a; . {shlex.quote(str(file))}; printf "%s|%s" "$OFFERS" "$URL"'
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout
    assert told == "|".join(given.values())
    with pytest.raises(ValueError, match="NAME"):
        as_lines({"NAME": "it's"})


def test_its_settings_are_ones_that_several_nodes_take(monkeypatch: pytest.MonkeyPatch) -> None:
    database, redis = "postgresql+asyncpg://db/x", "redis://state"
    for name, value in settings_of(database, redis, "http://s3", "/models", "").items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    require_shared_stores(settings, 3)
    assert settings.redis_url == SecretStr(redis)


def test_ports_of_loopback_are_nobody_else_s() -> None:
    told = (
        "LISTEN 0 128 10.77.0.10:22 0.0.0.0:*\n"
        "LISTEN 0 511 127.0.0.1:8265 0.0.0.0:*\n"
        "LISTEN 0 4096 *:41235 *:*\n"
        "LISTEN 0 4096 [::1]:9000 [::]:*\n"
        "LISTEN 0 4096 [::]:8800 [::]:*\n"
    )
    assert ports_of(told) == {22, 41235, 8800}


def test_an_open_port_is_found_and_a_closed_one_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as open_one, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = {open_one.getsockname()[1], closed.getsockname()[1]}
        assert reachable("127.0.0.1", ports) == {open_one.getsockname()[1]}
