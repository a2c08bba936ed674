"""Where sessions are hosted, without hosts: who joined, who left, what a page said."""

from dataclasses import dataclass, field

from proctor.domain.errors import NoCapacity, NotFound, ProctorError
from proctor.domain.ids import SessionId
from proctor.domain.observations import ClientEventName
from proctor.domain.sessions import SessionSpec
from proctor.ports import Answer
from tests.fakes.outage import Outage

ANSWER_SDP = "v=0\r\na=answer\r\n"


@dataclass
class FakePlacement(Outage):
    """`SessionPlacement` in memory. `is_full`: no room; `refuses`: what the next joins raise."""

    down: bool = False
    is_full: bool = False
    refuses: ProctorError | None = None
    hosted: dict[SessionId, SessionSpec] = field(default_factory=dict)
    offers: list[str] = field(default_factory=list)
    fragments: list[tuple[SessionId, int, str]] = field(default_factory=list)
    left: list[tuple[SessionId, int]] = field(default_factory=list)
    events: list[tuple[SessionId, ClientEventName]] = field(default_factory=list)

    async def join(self, spec: SessionSpec, offer_sdp: str) -> Answer:
        self._reach()
        if self.is_full:
            raise NoCapacity("every host is full", 5)
        if self.refuses is not None:
            raise self.refuses
        self.hosted[spec.session_id] = spec
        self.offers.append(offer_sdp)
        return Answer(ANSWER_SDP, spec.epoch)

    async def trickle(self, session_id: SessionId, epoch: int, fragment: str) -> None:
        self._hosted(session_id, epoch)
        self.fragments.append((session_id, epoch, fragment))

    async def leave(self, session_id: SessionId, epoch: int) -> None:
        self._reach()
        self.left.append((session_id, epoch))
        if session_id in self.hosted and self.hosted[session_id].epoch == epoch:
            del self.hosted[session_id]

    async def client_event(self, session_id: SessionId, name: ClientEventName) -> None:
        self._hosted(session_id, None)
        self.events.append((session_id, name))

    def _hosted(self, session_id: SessionId, epoch: int | None) -> None:
        self._reach()
        spec = self.hosted.get(session_id)
        if spec is None or epoch not in (None, spec.epoch):
            raise NotFound("no host has this connection")
