"""Asks the three model groups for all sessions of a host, each group at its own pace."""

import asyncio
from collections.abc import Callable, Mapping

from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    FaceAnswer,
    FaceAsk,
    SpeechAnswer,
    SpeechAsk,
)
from proctor.ports import Clock, Metrics, Perception
from proctor.services.host.live_session import LiveSession
from proctor.services.host.rounds import Group, GroupRounds
from proctor.services.host.sampling import Shed

DEADLINE_MS = 2_000


class Asker:
    """What every session owes goes out per group in one round; groups never wait for each other.

    Args:
        perception: The models.
        took: Told how long each round of a group took, and whether all of it was answered.
        clock: Time.
        metrics: Numbers.
    """

    def __init__(
        self,
        *,
        perception: Perception,
        took: Callable[[Group, int, bool], None],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._face = GroupRounds[FaceAsk, FaceAnswer](
            group=Group.FACE,
            ask=perception.faces,
            deadline_ms=DEADLINE_MS,
            took=took,
            clock=clock,
            metrics=metrics,
        )
        self._body = GroupRounds[BodyAsk, BodyAnswer](
            group=Group.BODY,
            ask=perception.bodies,
            deadline_ms=DEADLINE_MS,
            took=took,
            clock=clock,
            metrics=metrics,
        )
        self._speech = GroupRounds[SpeechAsk, SpeechAnswer](
            group=Group.SPEECH,
            ask=perception.speech,
            deadline_ms=DEADLINE_MS,
            took=took,
            clock=clock,
            metrics=metrics,
        )

    def ask(self, sessions: Mapping[LiveSession, int], shed: Shed) -> None:
        """Begin a round of every group whose last one is back.

        Args:
            sessions: Each with its session time now.
            shed: What is given up.
        """
        if not self._face.is_busy:
            faces = (session.face_look(at_ms, shed) for session, at_ms in sessions.items())
            self._face.start([look for look in faces if look is not None])
        if not self._body.is_busy:
            bodies = (session.body_look(at_ms, shed) for session, at_ms in sessions.items())
            self._body.start([look for look in bodies if look is not None])
        if not self._speech.is_busy:
            sounds = (session.speech_look(at_ms) for session, at_ms in sessions.items())
            self._speech.start([look for look in sounds if look is not None])

    async def close(self) -> None:
        """Give up what is out."""
        await asyncio.gather(self._face.close(), self._body.close(), self._speech.close())
