"""The Perception port without a cluster: the chosen models on threads of this process.

Replicas of the Serve deployments hold one of these; tests, replay and jobs use it as it is.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from models.catalogue import Catalogue
from models.errors import ModelFileError
from models.readers import open_faces, open_model
from models.selection import GROUP_TASKS, Selection, select
from proctor.domain.errors import PerceptionUnavailable
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


class InProcessPerception:
    """Model groups loaded in this process. Implements `proctor.ports.Perception`.

    Weights are shared; each thread has interpreters of its own. Nothing is remembered between
    calls. The loop is never blocked: all work, decoding included, happens on the threads.
    """

    def __init__(
        self,
        models_dir: Path,
        groups: frozenset[str] | None = None,
        selection: Selection | None = None,
        threads: int = 1,
    ) -> None:
        """Load and check the weights; the embedded pack takes about half a second.

        Args:
            models_dir: A fetched catalogue folder.
            groups: Which groups to load; default: every group that the selection gives work.
            selection: Which model does what; default: the embedded pack.
            threads: How many cores may be used.

        Raises:
            ModelFileError: A group without a model, or a file that is missing, altered or not
                accepted.
        """
        selection = selection or select()
        has_work = frozenset(selection.groups())
        wanted = has_work if groups is None else groups
        if idle := sorted(wanted - has_work):
            raise ModelFileError(f"no model is chosen for {', '.join(idle)}")
        import cv2

        cv2.setNumThreads(1)
        catalogue = Catalogue(models_dir)
        self._readers = {
            group: open_faces(selection, catalogue)
            if group == "face"
            else open_model(selection, catalogue, GROUP_TASKS[group][0])
            for group in wanted
        }
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="perception")

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """Detect, landmark, pose, gaze and (when asked) embed."""
        return await self._each("face", asks)

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """Joints of the upper body."""
        return await self._each("body", asks)

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Speech probability per 32 ms; all streams in one batch."""
        listen = self._reader("speech").listen
        return await asyncio.get_running_loop().run_in_executor(self._pool, listen, asks)

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        """Who spoke when in a window of sound, and the voices' embeddings."""
        return await self._each("speakers", asks)

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        """What was said."""
        return await self._each("words", asks)

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        """Things in a picture."""
        return await self._each("objects", asks)

    async def _each(self, group: str, asks: Sequence[Any]) -> list[Any]:
        """Every ask on a thread: batching brings nothing on a CPU (MODELS.md 6)."""
        loop, read = asyncio.get_running_loop(), self._reader(group).read
        return await asyncio.gather(*(loop.run_in_executor(self._pool, read, ask) for ask in asks))

    def _reader(self, group: str) -> Any:
        reader = self._readers.get(group)
        if reader is None:
            raise PerceptionUnavailable(f"the {group} group is not loaded here")
        return reader

    def close(self) -> None:
        """Finish what runs and end the threads. Idempotent."""
        self._pool.shutdown(wait=True)

    def __enter__(self) -> "InProcessPerception":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
