"""A product of one's own that network namespaces can reach, for measurements over bad lines."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import SecretStr

from bench.cast import gather_cast
from bench.network.lab import Lab
from bench.network.matrix import Stage, run_matrix
from bench.network.outcome import Job, Outcome
from bench.network.tls import write_certificate
from bench.network.turn import PORT, TurnServer
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
    plain = sum(not job.case.behind_nat for job in jobs)
    namespaces = [lab.namespace() for _ in range(max(1, min(at_once, plain)))]
    with ExitStack() as stack:
        home = turn = None
        if any(job.case.behind_nat for job in jobs):
            turn = TurnServer(lab.namespace())
            home = lab.behind_nat((turn.address, PORT))
        lab.start()
        lost = lab.prove(namespaces[0])
        say(f"packets can be lost: {lost:.0%} where 30 % was asked for")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="proctor-lines-")))
        placed = stack.enter_context(reachable(settings, lab, folder))
        if turn is not None:
            placed = with_turn(placed, stack.enter_context(turn))
        say("starting a product of its own")
        cluster = stack.enter_context(Cluster.start(placed, say))
        stage = Stage(
            base_url=cluster.base_url,
            admin_token=cluster.mint(Role.ADMIN),
            proctor_token=cluster.mint(Role.PROCTOR),
            mint_candidate=lambda one: cluster.mint(Role.CANDIDATE, session_id=SessionId(one)),
            lab=lab,
            cast=gather_cast(*files, media),
            policy=parse_policy((settings.policies_dir / "standard.yaml").read_text()),
            folder=folder,
            say=say,
        )
        return asyncio.run(run_matrix(stage, jobs, namespaces, home))


def with_turn(settings: Settings, turn: TurnServer) -> Settings:
    """The settings with this TURN server told to candidates' pages."""
    web = {"turn_urls": [turn.url], "turn_secret": SecretStr(turn.secret)}
    return settings.model_copy(update={"webrtc": settings.webrtc.model_copy(update=web)})
