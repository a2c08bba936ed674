"""`make cluster-test`: from nothing to an alert and down again, on three machines of our own.

`ray up` of cluster-ssh.yaml over ssh, `serve deploy serve_config.yaml`, a scripted candidate over real
WebRTC, what a proctor hears held against the story, `ray down`, and nothing runs any more. Exit code 0
when all of that held. Run it in namespaces of its own (the Makefile says how): it makes a network and
hides this host's Ray from `ray stop`.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import yaml
from rich.console import Console

from bench.cluster.files import FOLDER, as_lines, settings_of, with_addresses
from bench.cluster.machines import Machine, bridge, left_after, machine, make_key, reachable
from bench.cluster.stores import postgres, redis, s3
from bench.demo import play, rehearse
from deployments.cli.demo import fetch_models
from deployments.environment import ROOT
from deployments.firewall import rules_for
from deployments.launcher import mint
from deployments.prepare import prepare
from deployments.serving import wait_until_ready
from proctor.domain.roles import Role
from proctor.fusion.policy import parse_policy
from proctor.settings import Settings

OPERATOR = "10.77.0.1"
NETWORK = "10.77.0.0/24"
HEAD = "10.77.0.10"
WORKERS = ("10.77.0.11", "10.77.0.12")
READY_WITHIN_S = 300.0
DOWN_WITHIN_S = 120.0
"""`ray down` stops the head alone where machines are reached by ssh (2.60); the workers' Ray ends by itself
when it has missed the head for a minute."""

OFFERS = "--num-cpus=4 --num-gpus=1"
"""A worker of the test says it had a GPU, so that serve_config.yaml is placed as it is: the face group
then finds none and goes on with the CPU (docs/runtimes.md)."""


def main() -> int:
    """The exit code."""
    started_s = time.perf_counter()
    console = Console(width=132, highlight=False, soft_wrap=True)
    models = Settings().resolved().models_dir
    assert models is not None
    with ExitStack() as stack:
        _own_places()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-")))
        folder.chmod(0o755)
        stack.enter_context(bridge(OPERATOR))
        key = folder / "id"
        make_key(key)
        machines = [
            stack.enter_context(machine(address, folder / address, key.with_suffix(".pub")))
            for address in (HEAD, *WORKERS)
        ]
        console.print(f"{_at(started_s)}  {len(machines)} machines take ssh")
        environment = settings_of(
            stack.enter_context(postgres(OPERATOR, NETWORK)),
            stack.enter_context(redis(OPERATOR, 7001, folder / "redis")),
            stack.enter_context(s3(OPERATOR, 7002)),
            str(models),
            OFFERS,
        )
        os.environ.update(environment)
        settings = Settings().resolved()
        prepare(settings, Path(FOLDER))
        (Path(FOLDER) / "proctor.env").write_text(as_lines(environment))
        portrait, speech = fetch_models(settings, console)
        policy = parse_policy((settings.policies_dir / "standard.yaml").read_text())
        show = rehearse(portrait, speech, None, policy)
        console.print(f"{_at(started_s)}  stores, keys and models are there: ray up")
        file = folder / "cluster.yaml"
        cluster = yaml.safe_load((ROOT / "cluster-ssh.yaml").read_text())
        file.write_text(yaml.safe_dump(with_addresses(cluster, HEAD, WORKERS, str(key))))
        is_right = is_closed = False
        try:
            rules = rules_for([one.address for one in machines], settings)
            for one in machines:
                one.inside("nft", "-f", "-", given=rules)
            _call("ray", "up", "-y", "--no-config-cache", str(file))
            console.print(f"{_at(started_s)}  ray up is through: serve deploy")
            _serve(file)
            wait_until_ready(settings, f"http://{HEAD}:8800", READY_WITHIN_S)
            console.print(f"{_at(started_s)}  the door answers, hosts and shards are ready")
            admin, proctor = mint(settings, Role.ADMIN), mint(settings, Role.PROCTOR)
            is_right = asyncio.run(
                play(f"http://{HEAD}:8800", admin, proctor, show, console, started_s)
            )
            is_closed = _is_closed(machines, settings, console)
        finally:
            if not is_right:
                _keep_logs(machines)
            _call("ray", "down", "-y", str(file))
        left = left_after(machines, DOWN_WITHIN_S)
        console.print(f"{_at(started_s)}  ray down: {len(left)} processes left")
        for line in left:
            console.print(f"  still runs: {line}", markup=False)
    return 0 if is_right and is_closed and not left else 1


def _is_closed(machines: Sequence[Machine], settings: Settings, console: Console) -> bool:
    """Whether this network, which is no node's, reaches nothing but ssh and the HTTP door."""
    is_closed = True
    for one in machines:
        listening = one.listening()
        found = reachable(one.address, listening)
        console.print(
            f"  {one.address} listens on {len(listening)} ports, open here: {sorted(found)}"
        )
        is_closed &= found <= {22, settings.port} and len(listening) > len(found)
    return is_closed


def _own_places() -> None:
    """Folders of this mount namespace alone: nothing is written to the host's."""
    for place in ("etc", "root"):
        layers = Path("/mnt") / place
        if place == "etc":
            subprocess.run(["mount", "-t", "tmpfs", "operator", "/mnt"], check=True)
        (layers / "upper").mkdir(parents=True)
        (layers / "work").mkdir()
        options = f"lowerdir=/{place},upperdir={layers}/upper,workdir={layers}/work"
        words = ["mount", "-t", "overlay", "operator", "-o", options, f"/{place}"]
        subprocess.run(words, check=True)
    for place in ("/tmp", "/srv"):
        subprocess.run(["mount", "-t", "tmpfs", "operator", place], check=True)
    Path("/tmp").chmod(0o1777)


def _serve(file: Path) -> None:
    """`serve deploy` on the head, where its dashboard listens on 127.0.0.1 only."""
    token = "RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=/etc/rayproctor/ray.token"
    _call("ray", "exec", str(file), f"cd / && {token} serve deploy /srv/app/serve_config.yaml")


def _call(*words: str) -> None:
    """A command of Ray, as an operator types it. Raises `CalledProcessError`."""
    binary = Path(sys.executable).parent / words[0]
    subprocess.run([str(binary), *words[1:]], check=True, cwd=ROOT, stdin=subprocess.DEVNULL)


def _keep_logs(machines: Sequence[Machine]) -> None:
    """The logs of every machine, to CLUSTER_LOGS where that is named: theirs go with them."""
    if target := os.environ.get("CLUSTER_LOGS"):
        for one in machines:
            source = one.root() / "tmp/ray/session_latest/logs"
            shutil.copytree(source, Path(target) / one.address, dirs_exist_ok=True)


def _at(started_s: float) -> str:
    return f"{time.perf_counter() - started_s:6.1f} s"


if __name__ == "__main__":
    sys.exit(main())
