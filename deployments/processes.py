"""The processes of a running product: what each is, what it takes, and that none stays behind."""

import contextlib
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil
from pydantic import BaseModel, ConfigDict

KINDS = (  # title or command line of a process -> what it is; the first that fits
    (re.compile(r"^ray::SessionHostActor"), "host"),
    (re.compile(r"^ray::FusionActor"), "shard"),
    (re.compile(r"^ray::ServeReplica:proctor:perception"), "perception"),
    (re.compile(r"^ray::ServeReplica:[\w-]+:(\w+)"), None),  # the deployment's own name
    (re.compile(r"^ray::ServeController"), "serve-controller"),
    (re.compile(r"^ray::ProxyActor"), "proxy"),
    (re.compile(r"^ray::IDLE"), "ray-idle"),
    (re.compile(r"^ray::"), "ray-agent"),
    (re.compile(r"/gcs_server\b"), "gcs"),
    (re.compile(r"/raylet\b"), "raylet"),
    (re.compile(r"ray/(dashboard|autoscaler|_private)/"), "ray-agent"),
    (re.compile(r"redis-server"), "redis"),
)
LOOK_EVERY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One process.

    Attributes:
        kind: `launcher`, `gateway`, `live`, `perception`, `dispatcher`, `reconciler`, `host`, `shard`,
            `redis`, `raylet`, `gcs`, `serve-controller`, `proxy`, `ray-agent`, `ray-idle`, `other`.
        pid: Its id.
        pss_mb: Memory, shared pages counted by share; 0 when it cannot be read.
        cpu_s: Processor time so far, user and system.
        name: The actor's name, for hosts and shards.
        rss_mb: Memory with shared pages counted whole; 0 when it cannot be read.
        descriptors: How many files and sockets it holds open.
    """

    kind: str
    pid: int
    pss_mb: float
    cpu_s: float
    name: str = ""
    rss_mb: float = 0.0
    descriptors: int = 0


def kind_of(command: str) -> str:
    """What a process is, by its title or command line."""
    for pattern, kind in KINDS:
        if found := pattern.search(command):
            return kind or found.group(1)
    return "other"


def family(pid: int) -> list[psutil.Process]:
    """A process and everything that descends from it; empty when it is gone."""
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


class Mark(BaseModel):
    """A process, told apart from a later one that was given the same id.

    Attributes:
        pid: Its id.
        created_s: When it began.
    """

    model_config = ConfigDict(frozen=True)

    pid: int
    created_s: float

    @classmethod
    def of(cls, pid: int) -> "Mark":
        """Of a living process. Raises psutil.NoSuchProcess."""
        return cls(pid=pid, created_s=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """The process while it lives."""
        try:
            process = psutil.Process(self.pid)
        except psutil.NoSuchProcess:
            return None
        return process if process.create_time() == self.created_s else None


def running(pid: int, names: dict[int, str]) -> list[Running]:
    """Every process of the product whose launcher is `pid`; `names` gives actors' names by pid."""
    found = [_look(process, names, is_head=process.pid == pid) for process in family(pid)]
    return [row for row in found if row is not None]


def _look(process: psutil.Process, names: dict[int, str], *, is_head: bool) -> Running | None:
    try:
        with process.oneshot():
            kind = "launcher" if is_head else kind_of(" ".join(process.cmdline()))
            times, memory = process.cpu_times(), process.memory_full_info()
            return Running(
                kind=kind,
                pid=process.pid,
                pss_mb=memory.pss / 2**20,
                cpu_s=times.user + times.system,
                name=names.get(process.pid, ""),
                rss_mb=memory.rss / 2**20,
                descriptors=process.num_fds(),
            )
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None


def end_leftovers(processes: Sequence[psutil.Process], patience_s: float) -> list[int]:
    """Wait for processes to go; those that stay are asked, then killed, each by its own id.

    psutil compares start times, so an id that was given to somebody else meanwhile is left alone.

    Returns:
        The ids of those that did not go by themselves.
    """
    stayed = _still_there(processes, patience_s)
    alive = stayed
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                end(process)
        alive = _still_there(alive, patience_s)
    return [process.pid for process in stayed]


def _still_there(processes: Sequence[psutil.Process], patience_s: float) -> list[psutil.Process]:
    """Those that still run after `patience_s`; a zombie has ended, its parent only has not looked."""
    alive = list(processes)
    for _ in range(max(1, round(patience_s / LOOK_EVERY_S))):
        _, alive = psutil.wait_procs(alive, timeout=0)
        alive = [process for process in alive if not _is_zombie(process)]
        if not alive:
            break
        time.sleep(LOOK_EVERY_S)
    return alive


def _is_zombie(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def total(rows: Iterable[Running]) -> tuple[float, float]:
    """Memory in MB and processor seconds of them all."""
    listed = list(rows)
    return sum(row.pss_mb for row in listed), sum(row.cpu_s for row in listed)
