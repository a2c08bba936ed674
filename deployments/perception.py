"""The replica that holds the models' weights and remembers nobody."""

from collections.abc import Sequence

from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    FaceAnswer,
    FaceAsk,
    ObjectsAnswer,
    ObjectsAsk,
    SpeakersAnswer,
    SpeakersAsk,
    SpeechAnswer,
    SpeechAsk,
    WordsAnswer,
    WordsAsk,
)

ANSWER = "perception.answer"


class PerceptionReplica:
    """Answers for the model groups it was given.

    Weights are loaded and verified in the constructor: a replica that cannot load never becomes ready.
    """

    def __init__(self, groups: tuple[str, ...]) -> None:
        from deployments.wiring import perception_in_process, tracer_of
        from proctor.settings import Settings

        self._perception = perception_in_process(frozenset(groups))
        self._tracer = tracer_of(Settings(), "perception")

    async def faces(self, asks: Sequence[FaceAsk], trace: str = "") -> Sequence[FaceAnswer]:
        """Detect, landmark, pose, gaze and (when asked) embed."""
        with self._tracer.child(ANSWER, trace):
            return await self._perception.faces(asks)

    async def bodies(self, asks: Sequence[BodyAsk], trace: str = "") -> Sequence[BodyAnswer]:
        """Joints of the upper body."""
        with self._tracer.child(ANSWER, trace):
            return await self._perception.bodies(asks)

    async def speech(self, asks: Sequence[SpeechAsk], trace: str = "") -> Sequence[SpeechAnswer]:
        """Speech probability per 32 ms."""
        with self._tracer.child(ANSWER, trace):
            return await self._perception.speech(asks)

    async def speakers(
        self, asks: Sequence[SpeakersAsk], trace: str = ""
    ) -> Sequence[SpeakersAnswer]:
        """Who spoke when, and the voices' embeddings."""
        with self._tracer.child(ANSWER, trace):
            return await self._perception.speakers(asks)

    async def words(self, asks: Sequence[WordsAsk], trace: str = "") -> Sequence[WordsAnswer]:
        """What was said."""
        with self._tracer.child(ANSWER, trace):
            return await self._perception.words(asks)

    async def objects(self, asks: Sequence[ObjectsAsk], trace: str = "") -> Sequence[ObjectsAnswer]:
        """Things in a picture."""
        with self._tracer.child(ANSWER, trace):
            return await self._perception.objects(asks)

    async def check_health(self) -> None:
        """Answering at all is what is asked: the models run on threads beside the loop."""
