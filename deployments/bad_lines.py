"""A product of one's own that network namespaces can reach, for measurements over bad lines."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.cast import gather_cast
from bench.network.lab import Lab
from bench.network.matrix import Job, Outcome, Stage, run_matrix
from bench.network.tls import write_certificate
from deployments.launcher import Cluster
from proctor.adapters.clock import SystemClock
from proctor.domain.ids import SessionId
from proctor.domain.roles import Role
from proctor.fusion.policy import parse_policy
from proctor.settings import Settings


@contextmanager
def reachable(settings: Settings, lab: Lab, folder: Path) -> Iterator[Settings]:
    """The settings with door and media at the laboratory's address, and a certificate of their own.

    A browser gives its camera to https only; within, this process and its children trust the certificate.
    """
    certificate, key = write_certificate(folder, lab.address, SystemClock())
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = str(certificate)
    try:
        yield settings.model_copy(
            update={
                "host": lab.address,
                "tls_certificate": certificate,
                "tls_key": key,
                "webrtc": settings.webrtc.model_copy(update={"bind_address": lab.address}),
            }
        )
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before


def play_jobs(
    settings: Settings,
    lab: Lab,
    jobs: Sequence[Job],
    at_once: int,
    files: tuple[Path, Path],
    media: Path | None,
    say: Callable[[str], None],
) -> list[Outcome]:
    """Start a product in the laboratory and play the jobs on it.

    Args:
        settings: Of the product; where it is reached is chosen here.
        lab: Open, with no namespace yet.
        jobs: What is played.
        at_once: How many candidates at the same time.
        files: The portrait and the recording that come with the product.
        media: Footage that may add to them.
        say: Told each step.

    Raises:
        Unavailable: There is no way to lose packets here, or the product does not start.
    """
    namespaces = [lab.namespace() for _ in range(min(at_once, len(jobs)))]
    lab.start()
    lost = lab.prove(namespaces[0])
    say(f"packets can be lost: {lost:.0%} where 30 % was asked for")
    policy = parse_policy((settings.policies_dir / "standard.yaml").read_text())
    cast = gather_cast(*files, media)
    with (
        tempfile.TemporaryDirectory(prefix="proctor-lines-") as name,
        reachable(settings, lab, Path(name)) as placed,
    ):
        say("starting a product of its own")
        with Cluster.start(placed, say) as cluster:
            stage = Stage(
                base_url=cluster.base_url,
                admin_token=cluster.mint(Role.ADMIN),
                proctor_token=cluster.mint(Role.PROCTOR),
                mint_candidate=lambda one: cluster.mint(Role.CANDIDATE, session_id=SessionId(one)),
                lab=lab,
                cast=cast,
                policy=policy,
                folder=Path(name),
                say=say,
            )
            return asyncio.run(run_matrix(stage, jobs, namespaces))
