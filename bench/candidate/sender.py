"""Plays encoded reels into a WebRTC connection, as a browser would send them: WHIP, VP8, Opus."""

import asyncio
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import aioice.ice
import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av.packet import Packet

from bench.candidate.desk import call
from bench.candidate.film import Film
from bench.candidate.reels import Piece, Reels
from bench.candidate.sounds import RATE_HZ

_BEHIND_S = 1.0
"""This far behind, the stream jumps to the next picture that a decoder can begin with."""

CLOCK_HZ = 90_000
_JITTER_S = (0.0, 0.0021, -0.0013, 0.0008, 0.0029, -0.0024, 0.0011, -0.0005, 0.0017, -0.0030)
"""How late or early a camera takes its pictures: one that never is would be no camera."""


def stay_on_loopback(base_url: str) -> None:
    """Send from 127.0.0.1 when the server is there: aioice leaves that address out by itself."""
    if urlsplit(base_url).hostname in ("127.0.0.1", "localhost"):
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []


class Playback:
    """Where in the script a candidate is. Runs on through lost connections, as life does."""

    def __init__(self, shown: Reels | Film) -> None:
        self.shown = shown
        self.started = asyncio.Event()
        self._began_s = 0.0
        self.began_at = 0.0
        """Wall time (s since the epoch) of second 0 of the script."""

    def start(self) -> None:
        """Begin, unless begun."""
        if not self.started.is_set():
            self._began_s = time.monotonic()
            self.began_at = time.time()
            self.started.set()

    @property
    def position_s(self) -> float:
        """Seconds into the script; 0 before the start."""
        return time.monotonic() - self._began_s if self.started.is_set() else 0.0

    async def finished(self) -> None:
        """Wait until the script is over."""
        await self.started.wait()
        await asyncio.sleep(max(0.0, self.shown.length_s - self.position_s))


class ReelTrack(MediaStreamTrack):
    """One modality of a reel, each packet at its time."""

    def __init__(self, kind: str, pieces: Sequence[Piece], playback: Playback) -> None:
        super().__init__()
        self.kind = kind
        self._pieces = pieces
        self._playback = playback
        self._next: int | None = None

    def _first_key(self, from_s: float) -> int | None:
        return next(
            (n for n, p in enumerate(self._pieces) if p.is_key and p.start_s >= from_s), None
        )

    async def recv(self) -> "Packet[Any]":
        """The next packet, when it is due. Ends with the script."""
        if self.readyState != "live":
            raise MediaStreamError
        self._playback.start()
        position_s = self._playback.position_s
        at = self._next
        if at is None or (
            at < len(self._pieces) and position_s - self._pieces[at].start_s > _BEHIND_S
        ):
            at = self._first_key(position_s if at is not None or position_s > _BEHIND_S else 0.0)
        if at is None or at >= len(self._pieces):
            raise MediaStreamError
        piece = self._pieces[at]
        self._next = at + 1
        await asyncio.sleep(max(0.0, piece.start_s - position_s))
        packet = Packet(piece.data)
        if self.kind == "video":
            taken_s = piece.start_s + _JITTER_S[at % len(_JITTER_S)]
            packet.pts, packet.time_base = round(taken_s * CLOCK_HZ), Fraction(1, CLOCK_HZ)
        else:
            packet.pts, packet.time_base = round(piece.start_s * RATE_HZ), Fraction(1, RATE_HZ)
        return packet


Attach = Callable[[RTCPeerConnection, Playback], None]
"""Gives a new connection the media that a playback plays."""


def attach_reels(connection: RTCPeerConnection, playback: Playback) -> None:
    """Let aiortc's own senders play reels."""
    reels = playback.shown
    assert isinstance(reels, Reels)
    for kind, pieces, codecs in (
        ("audio", reels.audio, ("audio/opus",)),
        ("video", reels.video, ("video/VP8", "video/rtx")),
    ):
        track = ReelTrack(kind, pieces, playback)
        transceiver = connection.addTransceiver(track, direction="sendonly")
        known = RTCRtpSender.getCapabilities(kind).codecs
        wanted = [codec for name in codecs for codec in known if codec.mimeType == name]
        transceiver.setCodecPreferences(wanted)


class Sender:
    """One connection of a candidate (one epoch). Close it; it leaves no socket or task."""

    def __init__(
        self, playback: Playback, on_state: Callable[[str], None], attach: Attach = attach_reels
    ) -> None:
        self.epoch = 0
        self._location = ""
        self._heard = 0
        self._heard_s: float | None = None
        self._on_state = on_state
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._connection.on("connectionstatechange", self._changed)
        attach(self._connection, playback)

    def _changed(self) -> None:
        self._on_state(self._connection.connectionState)

    @property
    def state(self) -> str:
        """As aiortc sees it: new, connecting, connected, failed or closed."""
        return str(self._connection.connectionState)

    async def listen(self) -> None:
        """Note whether anything came from the server since the last call."""
        told = (await self._connection.getStats()).values()
        heard = sum(one.packetsReceived for one in told if one.type == "transport")
        if heard != self._heard:
            self._heard, self._heard_s = heard, time.monotonic()

    @property
    def quiet_s(self) -> float:
        """How long nothing came from the server; 0 before the first packet."""
        return 0.0 if self._heard_s is None else time.monotonic() - self._heard_s

    async def open(self, client: httpx.AsyncClient, whip_url: str) -> None:
        """Offer by WHIP and apply the answer. Raises `ApiProblem`."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        answer = await call(
            client,
            "POST",
            whip_url,
            content=self._connection.localDescription.sdp,
            content_type="application/sdp",
        )
        self._location = answer.headers["Location"]
        self.epoch = int(urlsplit(self._location).path.rsplit("/", 1)[-1])
        await self._connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))

    async def leave(self, client: httpx.AsyncClient) -> None:
        """Close in order: the server is told by DELETE."""
        await self.close()
        if self._location:
            await call(client, "DELETE", self._location)

    async def close(self) -> None:
        """Close here only, as a broken network would."""
        await self._connection.close()
