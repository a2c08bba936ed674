"""The Perception port without a cluster: the chosen models on threads of this process.

Replicas of the Serve deployments hold one of these; tests, replay and jobs use it as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

from models.catalogue import Catalogue
from models.errors import ModelFileError
from models.gathering import Gathering
from models.readers import close_part, open_group
from models.runtimes.placement import Fallbacks, Placement, placed
from models.selection import Selection, select
from models.serving import serving_of
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
from proctor.ports import Metrics

MOST_ASKS = 64
"""Pictures of one batch: sixteen of each of four hosts; decoded they are 60 MB."""


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
        placement: Placement | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """Load and check the weights; the embedded pack takes about half a second.

        Args:
            models_dir: A fetched catalogue folder.
            groups: Which groups to load; default: every group that the selection gives work.
            selection: Which model does what; default: the embedded pack.
            threads: How many cores may be used.
            placement: Where ONNX networks run; default: on the CPU.
            metrics: Told how many networks had to leave the GPU.

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
        placement = replace(placement or Placement(), serving=serving_of(selection))
        self._metrics = metrics
        self._fallbacks = {group: Fallbacks(_counted(metrics, group)) for group in wanted}
        self._readers = {}
        for group in wanted:
            with placed(placement, self._fallbacks[group]):
                self._readers[group] = open_group(selection, catalogue, group)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="perception")
        self._batches = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._together = {
            group: Gathering[Any, Any](
                partial(reader.read_all, each=self._pool.map), MOST_ASKS, self._batches
            )
            for group, reader in self._readers.items()
            if placement.batches and hasattr(reader, "read_all")
        }

    @property
    def fallbacks(self) -> dict[str, dict[str, str]]:
        """Group -> network -> why it runs on the CPU although a GPU was asked for."""
        return {group: each.reasons for group, each in self._fallbacks.items() if each}

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """Detect, landmark, pose, gaze and (when asked) embed."""
        return await self._timed("face", asks, self._each)

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """Joints of the upper body."""
        return await self._timed("body", asks, self._each)

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Speech probability per 32 ms; all streams in one batch."""
        return await self._timed("speech", asks, self._listen)

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        """Who spoke when in a window of sound, and the voices' embeddings."""
        return await self._timed("speakers", asks, self._each)

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        """What was said."""
        return await self._timed("words", asks, self._each)

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        """Things in a picture."""
        return await self._timed("objects", asks, self._each)

    async def _timed(
        self,
        group: str,
        asks: Sequence[Any],
        answer: Callable[[str, Sequence[Any]], Awaitable[list[Any]]],
    ) -> list[Any]:
        """Answer, and tell how long that took and of how many asks."""
        if self._metrics is None:
            return await answer(group, asks)
        began_s = perf_counter()
        try:
            return await answer(group, asks)
        except Exception:
            self._metrics.count("perception_failures", group=group)
            raise
        finally:
            self._metrics.observe("perception_seconds", perf_counter() - began_s, group=group)
            self._metrics.observe("perception_batch_size", len(asks), group=group)

    async def _listen(self, group: str, asks: Sequence[Any]) -> list[Any]:
        listen = self._reader(group).listen
        answers = await asyncio.get_running_loop().run_in_executor(self._pool, listen, asks)
        return self._told(group, answers)

    async def _each(self, group: str, asks: Sequence[Any]) -> list[Any]:
        """On a CPU every ask on a thread, for batching brings nothing there; else all together.

        A group that had to leave its GPU is on a CPU.
        """
        together = self._together.get(group)
        if together is not None and not self._fallbacks[group]:
            return self._told(group, await together.answers(asks))
        loop, read = asyncio.get_running_loop(), self._reader(group).read
        answers = await asyncio.gather(
            *(loop.run_in_executor(self._pool, read, ask) for ask in asks)
        )
        return self._told(group, answers)

    def _told(self, group: str, answers: list[Any]) -> list[Any]:
        """The answers; they say so when a CPU had to do a GPU's work."""
        if not self._fallbacks[group]:
            return answers
        return [replace(answer, fallback=True) for answer in answers]

    def _reader(self, group: str) -> Any:
        reader = self._readers.get(group)
        if reader is None:
            raise PerceptionUnavailable(f"the {group} group is not loaded here")
        return reader

    def close(self) -> None:
        """Finish what runs, end the threads and close what readers hold open. Idempotent."""
        self._batches.shutdown(wait=True)
        self._pool.shutdown(wait=True)
        for reader in self._readers.values():
            close_part(reader)

    def __enter__(self) -> "InProcessPerception":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _counted(metrics: Metrics | None, group: str) -> Callable[[int], None]:
    def changed(count: int) -> None:
        if metrics is not None:
            metrics.gauge("models_on_fallback", count, group=group)

    return changed
