"""Asks the model groups for all sessions of a host, each group at its own pace."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from proctor.ports import Clock, Metrics, Perception, Tracer
from proctor.services.host.live_session import LiveSession
from proctor.services.host.rounds import Answer, Ask, Group, GroupRounds, Look
from proctor.services.host.sampling import Shed
from proctor.services.no_tracing import OFF

DEADLINE_MS = 2_000
SPEAKERS_DEADLINE_MS = 8_000
"""Ten seconds of speech cost a third of a second of a core, and several windows travel together."""

Owed = TypeVar("Owed", bound=Look[Any, Any])


class Asker:
    """What every session owes goes out per group in one round; groups never wait for each other.

    Args:
        perception: The models.
        took: Told how long each round of a group took, and whether all of it was answered.
        broke: Told of a session that could not say what it owes, with the error being handled.
        clock: Time.
        metrics: Numbers.
        tracer: Traces calls.
    """

    def __init__(
        self,
        *,
        perception: Perception,
        took: Callable[[Group, int, bool], None],
        broke: Callable[[LiveSession], None],
        clock: Clock,
        metrics: Metrics,
        tracer: Tracer = OFF,
    ) -> None:
        self._broke = broke
        self._tracer = tracer
        self._clock = clock
        self._metrics = metrics
        self._face = self._rounds(Group.FACE, perception.faces, took)
        self._body = self._rounds(Group.BODY, perception.bodies, took)
        self._objects = self._rounds(Group.OBJECTS, perception.objects, took)
        self._speech = self._rounds(Group.SPEECH, perception.speech, took)
        self._speakers = self._rounds(
            Group.SPEAKERS, perception.speakers, _is_no_sign_of_load, SPEAKERS_DEADLINE_MS
        )

    def _rounds(
        self,
        group: Group,
        ask: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]],
        took: Callable[[Group, int, bool], None],
        deadline_ms: int = DEADLINE_MS,
    ) -> GroupRounds[Ask, Answer]:
        return GroupRounds[Ask, Answer](
            group=group,
            ask=ask,
            deadline_ms=deadline_ms,
            took=took,
            clock=self._clock,
            metrics=self._metrics,
            tracer=self._tracer,
        )

    def ask(self, sessions: Mapping[LiveSession, int], shed: Shed) -> None:
        """Begin a round of every group whose last one is back.

        Args:
            sessions: Each with its session time now.
            shed: What is given up.
        """
        if not self._face.is_busy:
            self._face.start(self._owed(sessions, lambda one, at_ms: one.face_look(at_ms, shed)))
        if not self._body.is_busy:
            self._body.start(self._owed(sessions, lambda one, at_ms: one.body_look(at_ms, shed)))
        if not self._objects.is_busy:
            self._objects.start(
                self._owed(sessions, lambda one, at_ms: one.objects_look(at_ms, shed))
            )
        if not self._speech.is_busy:
            self._speech.start(self._owed(sessions, LiveSession.speech_look))
        if not self._speakers.is_busy:
            self._speakers.start(
                self._owed(sessions, lambda one, at_ms: one.speakers_look(at_ms, shed))
            )

    def _owed(
        self,
        sessions: Mapping[LiveSession, int],
        look: Callable[[LiveSession, int], Owed | None],
    ) -> list[Owed]:
        owed = []
        for session, at_ms in sessions.items():
            try:
                found = look(session, at_ms)
            except Exception:  # noqa: BLE001  # one session's boundary: the others are asked for
                self._broke(session)
            else:
                if found is not None and self._tracer.is_on:
                    found = replace(found, traced=session.reports.traced)
                if found is not None:
                    owed.append(found)
        return owed

    async def close(self) -> None:
        """Give up what is out."""
        rounds = (self._face, self._body, self._objects, self._speech, self._speakers)
        await asyncio.gather(*(each.close() for each in rounds))


def _is_no_sign_of_load(_group: Group, _milliseconds: int, _answered: bool) -> None:
    """Rounds of this group are long by nature."""
