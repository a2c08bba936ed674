"""One WebRTC connection of a candidate."""

from typing import Protocol

from proctor.domain.media import Image, PictureOrigin, Samples


class MediaSink(Protocol):
    """What a connection delivers to. Called on the host's event loop; must not block.

    A sink may have an attribute `wants_sound`; while it is False, sound is neither decoded nor told.
    """

    def on_picture(
        self, image: Image, received_ms: int, origin: PictureOrigin | None = None
    ) -> None:
        """A decoded picture, (h, w, 3) RGB, read-only, and how it was sent.

        `received_ms` is the host's monotonic time.
        """
        ...

    def on_sound(self, samples: Samples, received_ms: int, gap_ms: int) -> None:
        """Decoded sound, mono 16 kHz float32. `gap_ms`: sound lost just before, 0 when none."""
        ...

    def on_connection(self, state: str) -> None:
        """`connected`, `failed` or `closed`: ICE and DTLS as they see it, no proof of media."""
        ...


class MediaPeer(Protocol):
    """One WebRTC connection of a candidate."""

    async def answer(self, offer_sdp: str) -> str:
        """Apply the offer, return the answer. Raises `InvalidInput` (webrtc/bad-sdp, webrtc/no-video)."""
        ...

    async def trickle(self, fragment: str) -> None:
        """Add remote ICE candidates; unusable ones are dropped by policy."""
        ...

    async def close(self) -> None:
        """Leave nothing open. Idempotent."""
        ...


class MediaPeers(Protocol):
    """Makes connections."""

    def open(self, sink: MediaSink) -> MediaPeer:
        """A new peer that delivers to `sink`."""
        ...
