"""A connection that is only tried out: what a host received and found in it, and what that comes to."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from proctor.domain.ids import SessionId, TenantId

LEAST_PICTURES = 5
LEAST_SOUND_MS = 1_000
LEAST_SPEECH_MS = 700
QUIET_BELOW_DBFS = -50.0
SMALL_BELOW = 0.14
MOST_LOSS = 0.05
MOST_RTT_MS = 400.0


class PreflightCode(StrEnum):
    """What stands in the way. Each is something that can be mended; none is about a person."""

    NO_PICTURE = "no_picture"
    FROZEN = "frozen"
    COVERED = "covered"
    TOO_DARK = "too_dark"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    TOO_FAR = "too_far"
    MODELS_AWAY = "models_away"
    NO_SOUND = "no_sound"
    SILENT = "silent"
    TOO_QUIET = "too_quiet"
    NO_SPEECH = "no_speech"
    NOT_MEASURED = "not_measured"
    LOSSY = "lossy"
    SLOW = "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What a host knows of a connection that is tried out; numbers only.

    Attributes:
        at_ms: How long the connection has been tried.
        pictures: Pictures decoded.
        width_px: Of the newest picture; 0 before the first.
        height_px: The same.
        brightness: Mean luma of the newest measured picture, 0..1.
        is_dark: Whether it is darker than the exam's policy can judge.
        is_flat: Whether it shows nothing but a covered lens.
        still_ms: How long the same picture has been repeated.
        faces: Confirmed faces in the newest picture that the models looked at; None: not yet.
        face_width: Width of the largest as a share of the picture's; None without one.
        wants_sound: Whether this exam listens at all.
        sound_ms: Sound that the voice detector listened to.
        voiced_ms: How much of it was speech.
        loudest_dbfs: Level of its loudest stretch; None before the first.
        no_video: No picture has come lately.
        no_audio: No sound has come lately.
        is_silent: What comes is digital silence.
        models_away: A model that is needed does not answer.
    """

    at_ms: int
    pictures: int = 0
    width_px: int = 0
    height_px: int = 0
    brightness: float | None = None
    is_dark: bool = False
    is_flat: bool = False
    still_ms: int = 0
    faces: int | None = None
    face_width: float | None = None
    wants_sound: bool = True
    sound_ms: int = 0
    voiced_ms: int = 0
    loudest_dbfs: float | None = None
    no_video: bool = False
    no_audio: bool = False
    is_silent: bool = False
    models_away: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTold:
    """What the page measured itself: the client's word, kept apart from what the server saw.

    Attributes:
        loss: Share of packets lost on the way up, 0..1; None: the browser does not tell.
        rtt_ms: Round trip, milliseconds; None: the browser does not tell.
        browser: Name and version of the browser, as it says.
    """

    loss: float | None
    rtt_ms: float | None
    browser: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """One try of camera, microphone and network before an exam. No picture, no sound, no likeness.

    Attributes:
        preflight_id: Its name.
        tenant_id: Whose data.
        session_id: Before which session.
        checked_at: When.
        camera: What stands in the way of the picture; () for nothing.
        microphone: The same of the sound.
        network: The same of the line, by the page's own word.
        seen: What the server received.
        told: What the page said.
    """

    preflight_id: str
    tenant_id: TenantId
    session_id: SessionId
    checked_at: datetime
    camera: tuple[PreflightCode, ...]
    microphone: tuple[PreflightCode, ...]
    network: tuple[PreflightCode, ...]
    seen: Rehearsed
    told: PageTold

    @property
    def is_good(self) -> bool:
        """Whether the exam can be watched as it should."""
        return not (self.camera or self.microphone or self.network)


def camera_codes(seen: Rehearsed) -> tuple[PreflightCode, ...]:
    """What stands in the way of the picture: one thing at a time, what explains the rest first."""
    if seen.pictures < LEAST_PICTURES or seen.no_video:
        return (PreflightCode.NO_PICTURE,)
    if seen.still_ms > 0:
        return (PreflightCode.FROZEN,)
    if seen.is_flat:
        return (PreflightCode.COVERED,)
    if seen.is_dark:
        return (PreflightCode.TOO_DARK,)
    if seen.faces is None or seen.models_away:
        return (PreflightCode.MODELS_AWAY,)
    if seen.faces == 0:
        return (PreflightCode.NO_FACE,)
    if seen.faces > 1:
        return (PreflightCode.SEVERAL_FACES,)
    if seen.face_width is not None and seen.face_width < SMALL_BELOW:
        return (PreflightCode.TOO_FAR,)
    return ()


def microphone_codes(seen: Rehearsed) -> tuple[PreflightCode, ...]:
    """What stands in the way of the sound; nothing where the exam does not listen."""
    if not seen.wants_sound:
        return ()
    if seen.is_silent:
        return (PreflightCode.SILENT,)
    if seen.no_audio or seen.sound_ms < LEAST_SOUND_MS or seen.loudest_dbfs is None:
        return (PreflightCode.NO_SOUND,)
    if seen.voiced_ms >= LEAST_SPEECH_MS:
        return ()
    if seen.loudest_dbfs < QUIET_BELOW_DBFS:
        return (PreflightCode.TOO_QUIET,)
    return (PreflightCode.NO_SPEECH,)


def network_codes(told: PageTold) -> tuple[PreflightCode, ...]:
    """What stands in the way of the line, by what the page measured."""
    if told.loss is None and told.rtt_ms is None:
        return (PreflightCode.NOT_MEASURED,)
    codes = []
    if told.loss is not None and told.loss > MOST_LOSS:
        codes.append(PreflightCode.LOSSY)
    if told.rtt_ms is not None and told.rtt_ms > MOST_RTT_MS:
        codes.append(PreflightCode.SLOW)
    return tuple(codes)
