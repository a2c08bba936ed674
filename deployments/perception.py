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


class PerceptionReplica:
    """Answers for the model groups it was given.

    Weights are loaded and verified in the constructor: a replica that cannot load never becomes ready.
    """

    def __init__(self, groups: tuple[str, ...]) -> None:
        from deployments.wiring import perception_in_process

        self._perception = perception_in_process(frozenset(groups))

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """Detect, landmark, pose, gaze and (when asked) embed."""
        return await self._perception.faces(asks)

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """Joints of the upper body."""
        return await self._perception.bodies(asks)

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Speech probability per 32 ms."""
        return await self._perception.speech(asks)

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        """Who spoke when, and the voices' embeddings."""
        return await self._perception.speakers(asks)

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        """What was said."""
        return await self._perception.words(asks)

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        """Things in a picture."""
        return await self._perception.objects(asks)

    async def check_health(self) -> None:
        """Answering at all is what is asked: the models run on threads beside the loop."""
