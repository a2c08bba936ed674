"""A tenant to look at in the console, behind a real server, without Ray: sessions, incidents, evidence.

    python -m bench.console_world [--sessions 60] [--incidents 420]

It prints tokens and serves until Ctrl-C. The database is SQLite through the stores; Redis, hosts and shards
are the tests' fakes in memory.
"""

import argparse
import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from sqlalchemy import func, insert, select, update
from starlette.applications import Starlette
from starlette.routing import Mount

from bench import review_seed
from bench.review_seed import ADMIN_TENANT, Seeded
from proctor.adapters.sql.database import Database
from proctor.adapters.sql.tables import alerts, feed_heads
from proctor.adapters.tokens import TokenIssuer
from proctor.bootstrap_stores import Stores
from proctor.domain.alerts import Alert
from proctor.domain.evidence import EvidenceOrder, Piece, PieceKind, ref_of
from proctor.domain.ids import TenantId
from proctor.domain.incidents import Incident
from proctor.domain.roles import Role
from proctor.ports import EvidenceObjects
from proctor.settings import Settings

TENANT = TenantId(ADMIN_TENANT)
WEB = Path(__file__).parents[1] / "web" / "dist"
SIZE = (480, 640)
CLIP_FPS = 10
CLIP_MS = 8_000
SHOWN_SESSIONS = 4
SHOWN_INCIDENTS = 12
"""Sessions, and incidents of each, that have pictures and a clip."""
WORDS = {
    "looking_away": (
        "Looking away",
        "The gaze was -22 degrees from where this candidate usually looks for {s:.1f} s.",
    ),
    "no_face": ("No face", "Nobody was in the picture for {s:.1f} s."),
    "several_faces": ("Several faces", "2 faces were seen for {s:.1f} s."),
    "speech": ("Speech", "Speech was heard: {v:.1f} s of it within {s:.1f} s."),
    "different_person": (
        "Different person",
        "4 comparisons with the enrolled face, mean probability 3% that it is the same person.",
    ),
    "video_frozen": ("Picture stood still", "The camera sent the same picture for {s:.1f} s."),
    "several_voices": ("Several voices", "Two voices were heard in 2 of 3 windows of speech."),
}


@dataclass(frozen=True)
class World:
    """A running console.

    Attributes:
        url: Where it is.
        seeded: What is in it.
        stores: The same, to ask.
        issuer: Makes tokens.
    """

    url: str
    seeded: Seeded
    stores: Stores
    issuer: TokenIssuer
    tenant: TenantId = TENANT

    def token(self, role: Role, subject: str = "ada") -> str:
        """A token of an hour."""
        return self.issuer.mint(subject, TENANT, role, timedelta(hours=1))


@asynccontextmanager
async def console_world(
    folder: Path, sessions: int = 60, incidents: int = 420, *, with_evidence: bool = True
) -> AsyncIterator[World]:
    """Seed and serve; everything lies in `folder`."""
    from proctor.adapters.seal import make_proof_key
    from proctor.adapters.sql.migrate import upgrade
    from proctor.adapters.tokens import make_keys
    from proctor.api.app import create_app
    from proctor.api.live import create_live_app
    from proctor.bootstrap import build_services, open_tokens
    from proctor.bootstrap_evidence import open_evidence
    from tests.fakes.api import CALIBRATION
    from tests.fakes.clock import FakeClock
    from tests.fakes.judges import FakeJudges
    from tests.fakes.perception import EMBEDDING, FakePerception
    from tests.fakes.placement import FakePlacement
    from tests.proctor.api.served import served

    url = f"sqlite:///{folder}/console.db"
    upgrade(url)
    known = Settings(home=folder, database_url=url, _env_file=None)
    make_keys(folder / "tokens")
    make_proof_key(folder / "proof-key.pem")
    seeded = await _seed(url, sessions, incidents)
    stores = await _stores(known)
    if with_evidence:
        await _keep_evidence(stores, open_evidence(known), seeded)
    services = build_services(
        known,
        stores,
        perception=FakePerception(FakeClock()),
        placement=FakePlacement(),
        judges=FakeJudges(),
        calibrations={EMBEDDING: CALIBRATION},
        embedding=EMBEDDING,
    )
    services = replace(services, web=WEB)
    live = Mount("/v1/live", create_live_app(services))
    issuer, _ = open_tokens(known)
    try:
        async with served(
            Starlette(routes=[live, Mount("/", create_app(services))]),  # type: ignore[arg-type]
            "",
        ) as address:
            yield World(url=address, seeded=seeded, stores=stores, issuer=issuer)
    finally:
        await stores.close()


async def _stores(known: Settings) -> Stores:
    from contextlib import AsyncExitStack

    from proctor.adapters.clock import SystemClock
    from proctor.adapters.sql.stores import SqlStores
    from proctor.bootstrap_proof import open_subject_keys
    from tests.fakes.faces import FakeFaceIndex
    from tests.fakes.live_state import FakeCheckpoints, FakeLiveState

    assert known.database_url is not None
    sql = SqlStores(known.database_url)
    await sql.open()
    opened = AsyncExitStack()
    opened.push_async_callback(sql.close)
    return Stores(
        exams=sql.exams,
        policies=sql.policies,
        candidates=sql.candidates,
        sessions=sql.sessions,
        incidents=sql.incidents,
        feed=sql.feed,
        archive=sql.archive,
        allowances=sql.allowances,
        verdicts=sql.verdicts,
        priorities=sql.priorities,
        desk=sql.desk,
        cases=sql.cases,
        figures=sql.figures,
        live=FakeLiveState(SystemClock()),
        checkpoints=FakeCheckpoints(),
        faces=FakeFaceIndex(),
        sinks=sql.sinks,
        deliveries=sql.deliveries,
        evidence=sql.evidence,
        evidence_ends=sql.evidence_ends,
        audit=sql.audit,
        chain=sql.chain,
        erasures=sql.erasures,
        notices=sql.notices,
        keys=open_subject_keys(known, sql),
        _opened=opened,
    )


async def _seed(url: str, sessions: int, incidents: int) -> Seeded:
    """As the desk's bench seeds, ending about now, with the words that the policy's rules say."""
    database = Database(url, patience_s=600)
    review_seed.NOON = datetime.now(UTC) - timedelta(milliseconds=review_seed.LENGTH_MS, minutes=12)
    review_seed.BUSY = min(review_seed.BUSY, 40)
    seeded = await review_seed.seed(database, sessions, incidents)
    async with database.writing() as connection:  # as the dispatcher leaves them
        await connection.execute(update(alerts).values(told=alerts.c.seq))
        head = select(func.coalesce(func.max(alerts.c.position), 0)).scalar_subquery()
        await connection.execute(insert(feed_heads).values(tenant_id=TENANT, head=head))
    async with database.reading() as connection:
        rows = (await connection.execute(select(alerts.c.alert_id, alerts.c.payload))).all()
    for start in range(0, len(rows), 500):
        async with database.writing() as connection:
            for alert_id, alert in rows[start : start + 500]:
                where = alerts.c.alert_id == alert_id
                await connection.execute(update(alerts).where(where).values(payload=_told(alert)))
    await database.close()
    return seeded


def _told(alert: Alert) -> Alert:
    title, reason = WORDS[alert.rule_id]
    numbers = dict(alert.signals[0].support.numbers) if alert.signals else {}
    lasted_s = numbers.get("lasted_s", 3.0)
    return replace(alert, title=title, reason=reason.format(s=lasted_s, v=lasted_s * 0.6))


async def _keep_evidence(stores: Stores, objects: EvidenceObjects, seeded: Seeded) -> None:
    """Pictures before, when it was judged and after, and a clip, of the incidents of a few sessions."""
    now, seen = datetime.now(UTC), [seeded.busiest]
    for incident_id in seeded.incidents:
        incident = await stores.incidents.get_incident(TENANT, incident_id)  # type: ignore[arg-type]
        if incident.session_id not in seen and len(seen) < SHOWN_SESSIONS:
            seen.append(incident.session_id)
    for session_id in seen:
        found = await stores.incidents.list_incidents(TENANT, session_id)  # type: ignore[arg-type]
        for incident in found[:SHOWN_INCIDENTS]:
            order = EvidenceOrder(
                tenant_id=TENANT,
                exam_id=incident.exam_id,
                session_id=incident.session_id,
                candidate_id=incident.candidate_id,
                incident_id=incident.incident_id,
                digests=(),
                from_ms=incident.opened_ms,
                until_ms=incident.closed_ms or incident.opened_ms,
            )
            refs = {ref_of(order, piece): piece.content for piece in _pieces(incident)}
            await stores.evidence.take(list(refs), now)
            for ref, plain in refs.items():
                sealed = await stores.keys.seal(TENANT, ref.candidate_id, ref.object_key, plain)
                await objects.put(ref.object_key, sealed)
                await stores.evidence.stored(ref, now)


def _pieces(incident: Incident) -> list[Piece]:
    at = incident.opened_ms
    faces = 2 if incident.rule_id == "several_faces" else int(incident.rule_id != "no_face")
    aside = 90 if incident.rule_id == "looking_away" else 0
    made = [
        (PieceKind.BEFORE, at - 2_000, drawn(at - 2_000, 1, 0)),
        (PieceKind.JUDGED, at + 1_500, drawn(at + 1_500, faces, aside)),
        (PieceKind.AFTER, at + 6_000, drawn(at + 6_000, 1, 0)),
    ]
    pieces = [
        _piece(kind, "image/jpeg", max(0, ms), max(0, ms), _jpeg(picture))
        for kind, ms, picture in made
    ]
    start = max(0, at - 2_000)
    clip = clip_of(start, faces, aside)
    return [*pieces, _piece(PieceKind.CLIP, "video/webm", start, start + CLIP_MS, clip)]


def _piece(kind: PieceKind, media_type: str, start_ms: int, end_ms: int, content: bytes) -> Piece:
    return Piece(
        kind=kind,
        media_type=media_type,
        start_ms=start_ms,
        end_ms=end_ms,
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
    )


def drawn(at_ms: int, faces: int, aside_px: int) -> np.ndarray:
    """A drawn person at a desk, (480, 640, 3) BGR; nobody's picture."""
    height, width = SIZE
    shade = np.linspace(150, 205, height, dtype=np.uint8)[:, None, None]
    picture = np.broadcast_to(shade, (height, width, 3)).copy()
    cv2.rectangle(picture, (40, 40), (220, 190), (190, 175, 150), -1)
    sway = int(6 * np.sin(at_ms / 700))
    places = [(width // 2 + aside_px + sway, 215, 1.0), (width - 130, 170, 0.62)][:faces]
    for x, y, scale in places:
        shoulders, hair, mouth = (int(y + part * scale) for part in (230, -40, 44))
        _oval(picture, (x, shoulders), _scaled(150, 130, scale), (120, 92, 70))
        _oval(picture, (x, y), _scaled(72, 92, scale), (170, 196, 226))
        _oval(picture, (x, hair), _scaled(76, 60, scale), (48, 52, 66), (180, 360))
        look = int((8 if aside_px else 0) * scale)
        for side in (-1, 1):
            eye = (int(x + side * 28 * scale), int(y - 6 * scale))
            _oval(picture, eye, _scaled(11, 7, scale), (245, 245, 245))
            cv2.circle(picture, (eye[0] + look, eye[1]), max(2, int(5 * scale)), (60, 50, 40), -1)
        _oval(picture, (x, mouth), _scaled(22, 6, scale), (110, 110, 180), (0, 180), 3)
    cv2.rectangle(picture, (0, 420), (width, height), (96, 110, 128), -1)
    return picture


def _oval(
    picture: np.ndarray,
    middle: tuple[int, int],
    size: tuple[int, int],
    colour: tuple[int, int, int],
    arc: tuple[int, int] = (0, 360),
    thickness: int = -1,
) -> None:
    cv2.ellipse(picture, middle, size, 0, *arc, colour, thickness)


def _scaled(x: int, y: int, scale: float) -> tuple[int, int]:
    return int(x * scale), int(y * scale)


def _jpeg(picture: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


_CLIPS: dict[tuple[int, int], bytes] = {}


def clip_of(start_ms: int, faces: int, aside_px: int) -> bytes:
    """Eight seconds of the drawn person as WebM (VP8); the scene changes after two of them."""
    import io

    import av

    known = _CLIPS.get((faces, aside_px))
    if known is not None:
        return known
    out = io.BytesIO()
    with av.open(out, "w", format="webm") as container:
        stream = container.add_stream("libvpx", rate=CLIP_FPS)
        stream.width, stream.height, stream.pix_fmt = SIZE[1] // 2, SIZE[0] // 2, "yuv420p"
        stream.options = {"deadline": "realtime", "cpu-used": "8"}
        for number in range(CLIP_MS * CLIP_FPS // 1000):
            is_on = 2 <= number / CLIP_FPS < 7
            seen = (faces, aside_px) if is_on else (1, 0)
            picture = drawn(start_ms + number * 1000 // CLIP_FPS, *seen)
            small = cv2.resize(picture, (SIZE[1] // 2, SIZE[0] // 2)).astype(np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(small, format="bgr24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    _CLIPS[faces, aside_px] = out.getvalue()
    return out.getvalue()


async def _serve(sessions: int, incidents: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with console_world(Path(folder), sessions, incidents) as world:
            for role in (Role.ADMIN, Role.REVIEWER, Role.PROCTOR):
                print(f"{role.value}: {world.url}/console  token: {world.token(role)}", flush=True)
            await asyncio.Event().wait()


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--incidents", type=int, default=420)
    asked = parser.parse_args()
    asyncio.run(_serve(asked.sessions, asked.incidents))


if __name__ == "__main__":
    main()
