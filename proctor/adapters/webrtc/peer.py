"""One WebRTC connection of a candidate: an offer in, an answer out, pictures and sound to a sink.

aiortc does ICE, DTLS and SRTP; `receiver`, `ice` and `seams` replace what it does too slowly or too
trustingly. Every connection makes its own certificate: 0.2 ms, and the class has no way to be given one.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from proctor.adapters.webrtc.answers import finish_answer
from proctor.adapters.webrtc.candidates import (
    MAX_CANDIDATES,
    BadFragment,
    CandidatePolicy,
    parse_fragment,
)
from proctor.adapters.webrtc.offers import BadOffer, NoVideo, Offer, parse_offer
from proctor.adapters.webrtc.options import MediaOptions
from proctor.adapters.webrtc.turn import ice_servers
from proctor.domain.errors import Conflict
from proctor.ports import Clock, MediaSink, Metrics

if TYPE_CHECKING:
    from aiortc import RTCPeerConnection

    from proctor.adapters.webrtc.ice import GuardedConnection

logger = logging.getLogger(__name__)

CONNECT_WITHIN_S = 20.0
"""A connection that does not stand by then is failed and closed: aioice would look for a path for ever."""


class LeanPeers:
    """Makes connections on this process's media address.

    Raises `RuntimeError` when aiortc or aioice are not the versions that this was made for.
    """

    def __init__(self, options: MediaOptions, clock: Clock, metrics: Metrics) -> None:
        from proctor.adapters.webrtc import seams

        seams.require_versions()
        self._options = options
        self._clock = clock
        self._metrics = metrics

    def open(self, sink: MediaSink) -> "LeanPeer":
        """A new peer that delivers to `sink`; it holds nothing before `answer`."""
        return LeanPeer(self._options, sink, self._clock, self._metrics)


class LeanPeer:
    """One connection, for one offer. Used on one event loop."""

    def __init__(
        self, options: MediaOptions, sink: MediaSink, clock: Clock, metrics: Metrics
    ) -> None:
        self._options = options
        self._sink = sink
        self._clock = clock
        self._metrics = metrics
        self._policy = CandidatePolicy(options.advertised_address or options.bind_address)
        self._lock = asyncio.Lock()
        self._told: str | None = None
        self._candidates_left = MAX_CANDIDATES
        self._offer: Offer | None = None
        self._connection: RTCPeerConnection | None = None
        self._ice: GuardedConnection | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._expiry: asyncio.Task[None] | None = None
        self._is_closed = False

    async def answer(self, offer_sdp: str) -> str:
        """Apply the offer, return the answer with our candidates.

        Raises `BadOffer` (webrtc/bad-sdp), `NoVideo` (webrtc/no-video), `NoCapacity` when no UDP port
        is free, `Conflict` when this peer has answered or was closed. After an error nothing is open.
        """
        offer = parse_offer(offer_sdp)
        async with self._lock:
            if self._offer is not None or self._is_closed:
                raise Conflict("this peer has had its offer; open a new one")
            self._offer = offer
            try:
                return await self._negotiate(offer)
            except BaseException:
                await self._shut()
                raise

    async def trickle(self, fragment: str) -> None:
        """Add remote candidates (RFC 8840). Those that the policy refuses are counted.

        The end of candidates is not passed on: more may be learned from checks, and the deadline
        tells when to stop. Raises `BadFragment`, also for another ICE generation: there is no ICE
        restart, a client resumes with a new offer.
        """
        parsed = parse_fragment(fragment)
        if self._offer is None:
            raise Conflict("candidates before the offer")
        if parsed.ufrag is not None and parsed.ufrag not in self._offer.ufrags:
            raise BadFragment("the fragment is of another ICE generation; send a new offer")
        async with self._lock:
            if not self._is_closed:
                await self._add_candidates(parsed.candidates)

    async def close(self) -> None:
        """Leave no socket, task or timer. Idempotent."""
        async with self._lock:
            await self._shut()
        if self._expiry is not None and self._expiry is not asyncio.current_task():
            await self._expiry

    async def _negotiate(self, offer: Offer) -> str:
        from aiortc import RTCSessionDescription
        from aiortc.exceptions import OperationError

        connection = self._connection = self._new_connection(offer)
        try:
            await connection.setRemoteDescription(
                RTCSessionDescription(sdp=offer.sdp, type="offer")
            )
        except OperationError:
            raise NoVideo("the offer has no codec that we decode: VP8 or H.264, Opus") from None
        except (ValueError, AssertionError, LookupError, AttributeError, TypeError) as error:
            logger.info("offer refused", extra={"error": type(error).__name__})
            raise BadOffer("the offer cannot be parsed") from None
        except RuntimeError as error:
            if isinstance(error.__cause__, StopIteration):  # aiortc: fmtp without rtpmap
                raise BadOffer("the offer cannot be parsed") from None
            raise
        await self._add_candidates(offer.candidates)
        await connection.setLocalDescription(await connection.createAnswer())
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(CONNECT_WITHIN_S, self._expire)
        return finish_answer(
            connection.localDescription.sdp,
            advertised=self._options.advertised_address,
            audio_ptime_ms=self._options.audio_ptime_ms,
            video_max_kbps=self._options.video_max_kbps,
        )

    def _new_connection(self, offer: Offer) -> "RTCPeerConnection":
        """A connection that receives only, with our receivers and our ICE in it."""
        from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver

        from proctor.adapters.webrtc.audio import AudioReceiver
        from proctor.adapters.webrtc.seams import fit_connection, fit_receiver
        from proctor.adapters.webrtc.video import VideoReceiver

        # An empty list, not None: aiortc's default is a public STUN server.
        connection = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        connection.on("connectionstatechange", self._on_state)
        for kind in offer.kinds:  # in BUNDLE's order: the first one's transport is the one kept
            transceiver = connection.addTransceiver(kind, direction="recvonly")
            transport = transceiver.receiver.transport
            if self._ice is None:
                self._ice = self._new_ice()
                fit_connection(transport.transport, self._ice)
            capabilities = RTCRtpReceiver.getCapabilities(kind)
            assert capabilities is not None
            wanted = ("VP8", "H264", "rtx") if kind == "video" else ("opus",)
            transceiver.setCodecPreferences(
                [codec for name in wanted for codec in capabilities.codecs if codec.name == name]
            )
            make = VideoReceiver if kind == "video" else AudioReceiver
            fit_receiver(
                transceiver,
                make(transport, self._sink, self._clock, self._metrics, self._on_flood),
            )
        return connection

    def _new_ice(self) -> "GuardedConnection":
        from aiortc import RTCIceServer
        from aiortc.rtcicetransport import connection_kwargs

        from proctor.adapters.webrtc.ice import GuardedConnection

        options = self._options
        servers = (
            [RTCIceServer(**server) for server in ice_servers(options, self._clock.now(), "host")]  # type: ignore[arg-type]
            if options.host_gathers
            else []
        )
        return GuardedConnection(
            bind_address=options.bind_address,
            is_advertised=options.advertised_address is not None,
            port_min=options.udp_port_min,
            port_max=options.udp_port_max,
            on_drop=self._dropper("proctor_webrtc_datagrams_dropped_total"),
            ice_servers=connection_kwargs(servers),
        )

    async def _add_candidates(self, lines: tuple[str, ...]) -> None:
        from aioice import Candidate

        drop = self._dropper("proctor_webrtc_candidates_dropped_total")
        for line in lines:
            refusal = self._policy.refusal(line) if self._candidates_left else "too_many"
            if refusal is not None:
                drop(refusal)
                continue
            self._candidates_left -= 1
            if self._ice is not None:
                await self._ice.add_remote_candidate(Candidate.from_sdp(line))

    def _dropper(self, name: str) -> Callable[[str], None]:
        def drop(reason: str) -> None:
            self._metrics.count(name, reason=reason)

        return drop

    def _on_state(self) -> None:
        if self._connection is not None:
            state = self._connection.connectionState
            if state == "connected" and self._deadline is not None:
                self._deadline.cancel()
            if state in ("connected", "failed", "closed"):
                self._tell(state)

    def _tell(self, state: str) -> None:
        """Each state once; after `failed` or `closed` there is nothing more to say."""
        if self._told in (state, "failed", "closed"):
            return
        self._told = state
        self._metrics.count("proctor_webrtc_connections_total", state=state)
        try:
            self._sink.on_connection(state)
        except Exception:  # the sink's border: aiortc must go on closing
            logger.exception("sink failed", extra={"state": state})

    def _on_flood(self) -> None:
        self._metrics.count("proctor_webrtc_floods_total")
        self._expire()

    def _expire(self) -> None:
        self._tell("failed")
        if self._expiry is None:
            self._expiry = asyncio.create_task(self.close())

    async def _shut(self) -> None:
        self._is_closed = True
        if self._deadline is not None:
            self._deadline.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()  # once: a second one would wait for a first that failed
            except Exception:  # aiortc's border: sockets and slots must be let go
                logger.exception("aiortc did not close in order")
        if self._ice is not None:
            await self._ice.close()  # aiortc skips it when it has given up on the transport
            await self._ice.settled()
            await asyncio.sleep(0)  # lets aiortc's connecting task see that it has failed
        self._tell("closed")
