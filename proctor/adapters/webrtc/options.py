"""What the media path needs to be told. `proctor.settings.WebRtcSettings` fits it as it is."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr


class IceServerOptions(Protocol):
    """Which STUN and TURN servers there are."""

    @property
    def stun_urls(self) -> Sequence[str]:
        """`stun:host:port`."""
        ...

    @property
    def turn_urls(self) -> Sequence[str]:
        """`turn:host:port?transport=udp` or `turns:host:port?transport=tcp`."""
        ...

    @property
    def turn_secret(self) -> SecretStr | None:
        """Secret shared with the TURN server."""
        ...

    @property
    def turn_ttl_s(self) -> int:
        """Life of a credential."""
        ...


class MediaOptions(IceServerOptions, Protocol):
    """How candidates' media reach this process."""

    @property
    def bind_address(self) -> str:
        """Local address for UDP; 0.0.0.0 or :: for every interface."""
        ...

    @property
    def advertised_address(self) -> str | None:
        """Address written into our candidates; None: as bound."""
        ...

    @property
    def udp_port_min(self) -> int:
        """First UDP port that may be bound; 0 lets the system choose."""
        ...

    @property
    def udp_port_max(self) -> int:
        """Last UDP port."""
        ...

    @property
    def host_gathers(self) -> bool:
        """Whether this process too asks the STUN and TURN servers for candidates."""
        ...

    @property
    def audio_ptime_ms(self) -> int:
        """Opus packet time asked of the client."""
        ...

    @property
    def video_max_kbps(self) -> int:
        """Video bit rate asked of the client."""
        ...
