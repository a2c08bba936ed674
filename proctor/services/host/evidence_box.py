"""What one connection keeps to show an incident, and the orders that wait for what comes after it.

Nothing of a session is kept whose policy keeps nothing, and never more than `KeepingLimits` says. Judged
pictures and those before are put aside when an order comes, for they would be gone when it is due.
"""

import hashlib
import logging
from dataclasses import dataclass, field

from proctor.domain.errors import InvalidInput
from proctor.domain.evidence import EvidenceOrder, Piece, PieceKind
from proctor.domain.ids import IncidentId
from proctor.domain.reports import OrderNews, OrderState
from proctor.fusion.evidence_policy import EvidencePolicy
from proctor.fusion.ordering import DWELL_MS
from proctor.ports import ClipWriter
from proctor.services.host.album import Album
from proctor.services.host.picture import JudgedPicture
from proctor.services.host.ring import MediaRing

logger = logging.getLogger(__name__)

SETTLE_MS = 500
"""How long after an order's last moment its last picture may still be on its way."""

MOST_REMEMBERED = 200
JPEG = "image/jpeg"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepingLimits:
    """How many bytes of one session are kept.

    Attributes:
        pictures_bytes: Of judged pictures; a third of it may be put aside for orders that wait.
        media_bytes: Of received media.
    """

    pictures_bytes: int = 3_000_000
    media_bytes: int = 3_000_000

    @classmethod
    def of(cls, megabytes: int) -> "KeepingLimits":
        """Half for pictures, half for media."""
        return cls(pictures_bytes=megabytes * 500_000, media_bytes=megabytes * 500_000)


USUAL_LIMITS = KeepingLimits()


@dataclass(frozen=True, slots=True)
class Parcel:
    """What could be had for an order."""

    order: EvidenceOrder
    pieces: tuple[Piece, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(len(piece.content) for piece in self.pieces)


@dataclass(slots=True)
class _Waiting:
    """An order that is not due yet, and the pictures put aside for it."""

    order: EvidenceOrder
    judged: list[JudgedPicture]
    before: list[JudgedPicture]

    @property
    def size(self) -> int:
        return sum(len(each.jpeg) for each in (*self.judged, *self.before))


@dataclass(slots=True)
class _Known:
    """An incident that orders came for: until when, what was said of it, what was given."""

    until_ms: int
    state: OrderState = OrderState.TAKEN
    given: set[str] = field(default_factory=set)


class EvidenceBox:
    """One connection's evidence. Times are session time.

    Args:
        policy: What is kept.
        limits: How much of it.
        writer: Makes clips.
        offset_ms: Session time less the host's monotonic time.

    Attributes:
        album: Judged pictures.
        ring: Received media; None when no clip is kept.
    """

    def __init__(
        self, policy: EvidencePolicy, limits: KeepingLimits, writer: ClipWriter, offset_ms: int
    ) -> None:
        span_ms = policy.before_ms + DWELL_MS + policy.after_ms + SETTLE_MS
        self._policy = policy
        self._writer = writer
        self._aside_bytes = limits.pictures_bytes // 3
        self.album = Album(limits.pictures_bytes - self._aside_bytes, span_ms)
        self.ring = None
        if policy.clip:
            self.ring = MediaRing(limits.media_bytes, span_ms, offset_ms, policy.sound)
        self._waiting: dict[IncidentId, _Waiting] = {}
        self._known: dict[IncidentId, _Known] = {}
        self._news: dict[tuple[IncidentId, int], OrderState] = {}
        self._out = 0

    @property
    def is_settled(self) -> bool:
        """Whether no order waits, nothing is with the keeper and nothing is to be said."""
        return not (self._waiting or self._out or self._news)

    @property
    def has_news(self) -> bool:
        """Whether there is something to say of orders."""
        return bool(self._news)

    @property
    def size(self) -> int:
        """How many bytes are kept in all."""
        ring = 0 if self.ring is None else self.ring.size
        return self.album.size + ring + sum(each.size for each in self._waiting.values())

    def take_news(self) -> tuple[OrderNews, ...]:
        """What is to be said of orders, once."""
        news, self._news = self._news, {}
        return tuple(
            OrderNews(incident_id=incident_id, until_ms=until_ms, state=state)
            for (incident_id, until_ms), state in news.items()
        )

    def order(self, order: EvidenceOrder) -> None:
        """Take an order; one that is known already is answered as it was."""
        known = self._known.get(order.incident_id)
        if known is not None and order.until_ms <= known.until_ms:
            self._news[(order.incident_id, known.until_ms)] = known.state
            return
        if known is None:
            known = self._known[order.incident_id] = _Known(order.until_ms)
            if len(self._known) > MOST_REMEMBERED:
                del self._known[next(iter(self._known))]
        known.until_ms, known.state = order.until_ms, OrderState.TAKEN
        self._news[(order.incident_id, order.until_ms)] = OrderState.TAKEN
        judged = self.album.find(order.digests)
        seen = [] if self._waiting.get(order.incident_id) is None else self._again(order)
        judged += [each for each in seen if each.digest not in {one.digest for one in judged}]
        before = self.album.spread(order.from_ms, self._pivot_ms(order, judged) - 1, order.digests)
        self._waiting[order.incident_id] = _Waiting(order, judged, before)

    def _again(self, order: EvidenceOrder) -> list[JudgedPicture]:
        """Judged pictures that were put aside for an earlier order of the same incident."""
        return self._waiting.pop(order.incident_id).judged

    def due(self, now_ms: int, everything: bool = False) -> list[Parcel]:
        """Orders whose time has come, with what there is for them.

        Args:
            now_ms: Now.
            everything: No more will come: all are due.
        """
        due = [
            each
            for each in self._waiting.values()
            if everything or now_ms >= each.order.until_ms + SETTLE_MS
        ]
        rest = [each for each in self._waiting.values() if each not in due]
        while sum(each.size for each in rest) > self._aside_bytes:
            due.append(rest.pop(0))  # what is put aside is bounded: the oldest goes as it is
        for each in due:
            del self._waiting[each.order.incident_id]
        self._out += len(due)
        return [parcel for each in due if (parcel := self._parcel(each)) is not None]

    def settled(self, order: EvidenceOrder, state: OrderState) -> None:
        """The keeper has the parcel, or it was lost."""
        self._out -= 1
        self._news[(order.incident_id, order.until_ms)] = state
        known = self._known.get(order.incident_id)
        if known is not None and state is OrderState.LOST:
            known.given.clear()
        if known is not None and known.until_ms == order.until_ms:
            known.state = state

    def _pivot_ms(self, order: EvidenceOrder, judged: list[JudgedPicture]) -> int:
        """What lies before this moment is before the incident."""
        first_ms = min((each.captured_ms for each in judged), default=order.until_ms)
        return min(first_ms, order.from_ms + self._policy.before_ms)

    def _parcel(self, waiting: _Waiting) -> Parcel | None:
        """What there is for an order; None when all of it was given for an earlier one."""
        order, known = waiting.order, self._known.get(waiting.order.incident_id)
        given = set[str]() if known is None else known.given
        seen = {each.digest for each in (*waiting.judged, *waiting.before)}
        pivot_ms = self._pivot_ms(order, waiting.judged)
        after = self.album.spread(pivot_ms, order.until_ms, seen)
        pieces = [_picture(PieceKind.JUDGED, each) for each in waiting.judged]
        pieces += [_picture(PieceKind.BEFORE, each) for each in waiting.before]
        pieces += [_picture(PieceKind.AFTER, each) for each in after]
        pieces += self._clips(order, pivot_ms)
        fresh = tuple(each for each in pieces if each.sha256 not in given)
        if given and not fresh:
            self.settled(order, OrderState.HANDED)
            return None
        given |= {each.sha256 for each in fresh}
        return Parcel(order, fresh)

    def _clips(self, order: EvidenceOrder, pivot_ms: int) -> list[Piece]:
        if self.ring is None:
            return []
        clips = []
        with_sound = order.with_sound and self._policy.sound
        for strip in self.ring.cut(order.from_ms, pivot_ms, order.until_ms, with_sound):
            try:
                media_type, content = self._writer.write(strip)
            except InvalidInput as error:
                extra = {"incident_id": order.incident_id, "code": error.code}
                logger.warning("a clip could not be written", extra=extra)
                continue
            except Exception:  # a boundary: pictures are evidence without their clip
                extra = {"incident_id": order.incident_id}
                logger.exception("a clip could not be written", extra=extra)
                continue
            clips.append(
                Piece(
                    kind=PieceKind.CLIP,
                    media_type=media_type,
                    start_ms=strip.pictures[0][0],
                    end_ms=strip.pictures[-1][0],
                    sha256=hashlib.sha256(content).hexdigest(),
                    content=content,
                )
            )
        return clips


def _picture(kind: PieceKind, picture: JudgedPicture) -> Piece:
    return Piece(
        kind=kind,
        media_type=JPEG,
        start_ms=picture.captured_ms,
        end_ms=picture.captured_ms,
        sha256=picture.digest,
        content=picture.jpeg,
    )
