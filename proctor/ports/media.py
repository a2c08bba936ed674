"""One WebRTC connection of a candidate."""

from typing import Protocol

from proctor.domain.media import (
    CodedPicture,
    CodedSound,
    Image,
    PictureOrigin,
    Samples,
    Strip,
)


class MediaSink(Protocol):
    """What a connection delivers to. Called on the host's event loop; must not block.

    A sink may have an attribute `wants_sound`; while it is False, sound is neither decoded nor told. It may
    have an attribute `tap` (`MediaTap` or None): what is given to it besides, as it was received.
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


class MediaTap(Protocol):
    """Takes media as they were received, beside the sink. Called on the event loop; must not block."""

    @property
    def wants_sound(self) -> bool:
        """Whether sound may be given to it."""
        ...

    def on_coded_picture(self, picture: CodedPicture, received_ms: int) -> None:
        """A picture that could be decoded, in order; after a gap the next one is a key."""
        ...

    def on_coded_sound(self, sound: CodedSound, received_ms: int) -> None:
        """A packet of sound, in order."""
        ...

    def wants_key(self, now_ms: int) -> bool:
        """Whether the sender should be asked for a key picture now; asking is noted."""
        ...


class ClipWriter(Protocol):
    """Writes received media into a file without encoding them again."""

    def write(self, strip: Strip) -> tuple[str, bytes]:
        """The media type and the bytes of a file that can be played from its first picture.

        Raises `InvalidInput` when the media cannot be written.
        """
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
