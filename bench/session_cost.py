"""What the looks of one calm session cost: CPU per session-second of the models, in made-up time.

    python -m bench.session_cost --seconds 60 [--pack embedded] [--footage FILE.npz] [--json FILE]

A candidate sits before a camera for so long; the session decides at every tick what it owes, as in a host,
and the models of this process answer at once. Time is counted and not waited for, so a busy machine shows
in the processor time of a look and not in how many looks there are. `--footage` keeps the pictures in a
file (or reads it), so that two versions of the code can be shown the same.
"""

import asyncio
import json
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from bench.host_cost import PICTURES_HZ, POLICY, spec_of
from models.catalogue import Catalogue, default_dir, match_calibration
from models.readers import open_group
from models.selection import select
from proctor.adapters.clock import SystemClock
from proctor.adapters.webrtc.clips import Remuxer
from proctor.domain.candidates import FaceTemplate, ModelRef
from proctor.domain.ids import CandidateId, TenantId
from proctor.domain.media import AUDIO_RATE_HZ, Image, frozen
from proctor.domain.perception import BodyAsk, FaceAsk
from proctor.services.host.evidence_box import USUAL_LIMITS
from proctor.services.host.live_session import LiveSession
from proctor.services.host.picture import judged
from proctor.services.host.sampling import Shed
from proctor.settings import Settings

TICK_MS = 200
Stack = npt.NDArray[np.uint8]


class Enrolment:
    """`FaceIndex` with the one candidate in it."""

    def __init__(self) -> None:
        self.template: FaceTemplate | None = None

    async def put(self, template: FaceTemplate) -> None:
        """Keep it."""
        self.template = template

    async def find(
        self, _tenant_id: TenantId, _candidate_id: CandidateId, _model: ModelRef
    ) -> FaceTemplate | None:
        """The one."""
        return self.template

    async def newest_version(self, _tenant_id: TenantId, _candidate_id: CandidateId) -> int:
        """Always the first."""
        return 1

    async def erase(self, _tenant_id: TenantId, _candidate_id: CandidateId) -> None:
        """Forget."""
        self.template = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCost:
    """Per session-second.

    Attributes:
        seconds: Length of the session.
        looks: How many of each kind.
        models_cpu_ms: Processor time of the models by group.
        host_cpu_ms: Processor time of deciding, measuring and encoding; without WebRTC.
    """

    seconds: float
    looks: dict[str, float]
    models_cpu_ms: dict[str, float]
    host_cpu_ms: float


async def session_cost(pictures: Stack, seconds: float, pack: str) -> SessionCost:
    """Play the pictures, (n, h, w, 3) RGB at five a second, to a session of the standard policy.

    The first five seconds (a burst of identity, the first search) are not counted.
    """
    settings = Settings()
    catalogue = Catalogue(default_dir(settings.home, settings.models_dir))
    selection = select(pack)
    readers = {
        group: open_group(selection, catalogue, group) for group in ("face", "body", "speech")
    }
    index, clock = Enrolment(), SystemClock()
    embedding, calibration = match_calibration(selection, catalogue)
    spec = spec_of(0, clock.now(), POLICY.read_text(encoding="utf-8"))
    vectors = []
    for first in pictures[:3]:
        found = readers["face"].read(FaceAsk(picture=judged(first, 0).jpeg, embed=True))
        vectors.append(found.faces[0].embedding)
    await index.put(
        FaceTemplate(
            tenant_id=spec.tenant_id,
            candidate_id=spec.candidate_id,
            version=1,
            model=embedding,
            embeddings=np.stack(vectors),
            created_at=clock.now(),
        )
    )
    session = LiveSession(
        spec,
        base_ms=0,
        joined_at_ms=0,
        faces=index,
        calibrations={embedding: calibration},
        overdue_ms=4_000,
        clips=Remuxer(),
        keeping=USUAL_LIMITS,
    )
    quiet = np.random.default_rng(5).normal(0, 0.002, AUDIO_RATE_HZ * TICK_MS // 1000)
    sound = np.asarray(frozen(quiet.astype(np.float32)))
    looks: Counter[str] = Counter()
    spent: defaultdict[str, float] = defaultdict(float)
    warm_ticks = 5_000 // TICK_MS
    for tick in range(warm_ticks + round(seconds * 1000 / TICK_MS)):
        if tick == warm_ticks:
            looks.clear()
            spent.clear()
        now_ms = (tick + 1) * TICK_MS
        began_s = time.process_time()
        if tick * TICK_MS % (1000 // PICTURES_HZ) == 0:
            picture: Image = pictures[tick % len(pictures)]
            session.on_picture(picture, now_ms)
        session.on_sound(sound, now_ms, 0)
        session.tick(now_ms)
        if session.identity.should_look_up(now_ms):
            await session.identity.look_up(now_ms)
        asked = {
            "face": session.face_look(now_ms, Shed.NOTHING),
            "body": session.body_look(now_ms, Shed.NOTHING),
            "speech": session.speech_look(now_ms),
        }
        spent["host"] += time.process_time() - began_s
        for group, look in asked.items():
            if look is None:
                continue
            looks[kind_of(look.ask)] += 1
            began_s = time.process_time()
            reader = readers[group]
            answer = reader.listen([look.ask])[0] if group == "speech" else reader.read(look.ask)
            spent[group] += time.process_time() - began_s
            look.answered(answer)
        session.make_report(now_ms)
        for report in session.reports.rest():
            session.reports.acknowledge(report.seq)
    return SessionCost(
        seconds=seconds,
        looks={kind: count / seconds for kind, count in sorted(looks.items())},
        models_cpu_ms={group: 1000 * spent[group] / seconds for group in readers},
        host_cpu_ms=1000 * spent["host"] / seconds,
    )


def kind_of(ask: object) -> str:
    """What kind of look an ask is."""
    if isinstance(ask, FaceAsk):
        how = "searched in tiles" if ask.search_small else "followed" if ask.track else "searched"
        return f"face, {how}{', compared' if ask.embed else ''}"
    return "body" if isinstance(ask, BodyAsk) else "speech"


def calm_pictures(seconds: float) -> Stack:
    """Somebody who moves a little before a room that does not, by a picture of `PROCTOR_MEDIA`."""
    import os

    from bench.candidate.pictures import Seated
    from bench.candidate.stills import empty_room, load_still, people_of

    media = Path(os.environ.get("PROCTOR_MEDIA", "."))
    people = people_of(media / "images" / "lfw", at_least=1, limit=3)
    if not people:
        raise SystemExit("PROCTOR_MEDIA names no folder with images/lfw/NAME/*.jpg")
    source = Seated(empty_room(3), [(load_still(people[-1][1][0]), 0.45, 0.9)], seed=1)
    return np.stack([source.at(number) for number in range(round(seconds * PICTURES_HZ))])


def main(
    seconds: Annotated[float, typer.Option(min=5)] = 60,
    pack: Annotated[str, typer.Option()] = "embedded",
    footage: Annotated[Path | None, typer.Option(help="Read, or made when absent.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json")] = None,
) -> None:
    """Print the table; write JSON when a file is named."""
    if footage is not None and footage.is_file():
        pictures: Stack = np.load(footage)["pictures"]
    else:
        pictures = calm_pictures(seconds)
        if footage is not None:
            np.savez_compressed(footage, pictures=pictures)
    found = asyncio.run(session_cost(pictures, seconds, pack))
    table = Table(
        title=f"one calm session, {seconds:.0f} s, per session-second", title_justify="left"
    )
    table.add_column("what")
    table.add_column("figure", justify="right")
    for kind, rate in found.looks.items():
        table.add_row(f"{kind}, a second", f"{rate:.2f}")
    for group, cpu_ms in found.models_cpu_ms.items():
        table.add_row(f"{group} models, CPU ms", f"{cpu_ms:.1f}")
    table.add_row("models in all, CPU ms", f"{sum(found.models_cpu_ms.values()):.1f}")
    table.add_row("host without WebRTC, CPU ms", f"{found.host_cpu_ms:.1f}")
    Console(width=100).print(table)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(found), indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
