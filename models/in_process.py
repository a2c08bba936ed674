"""The Perception port without a cluster: the embedded pack on threads of this process.

Replicas of the Serve deployments hold one of these; tests, replay and jobs use it as it is.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from models.body_reader import BodyReader
from models.catalogue import Catalogue
from models.errors import ModelFileError
from models.face_reader import FaceReader
from models.voice import VoiceModel
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    FaceAnswer,
    FaceAsk,
    SpeechAnswer,
    SpeechAsk,
)

GROUPS = frozenset({"face", "body", "speech"})
VOICE = "voice"


class InProcessPerception:
    """Model groups loaded in this process. Implements `proctor.ports.Perception`.

    Weights are shared; each thread has interpreters of its own. Nothing is remembered between
    calls. The loop is never blocked: all work, decoding included, happens on the threads.
    """

    def __init__(
        self,
        models_dir: Path,
        groups: frozenset[str] = GROUPS,
        pack: str = "embedded",
        threads: int = 1,
    ) -> None:
        """Load and check the weights; takes about half a second.

        Args:
            models_dir: A fetched catalogue folder.
            groups: Which of face, body and speech to load.
            pack: Which pack; only `embedded` has readers so far.
            threads: How many cores may be used.

        Raises:
            ModelFileError: Unknown group or pack, or a file that is missing or altered.
        """
        if pack != "embedded" or not groups <= GROUPS:
            raise ModelFileError(f"pack {pack} cannot serve {', '.join(sorted(groups))}")
        import cv2

        cv2.setNumThreads(1)
        catalogue = Catalogue(models_dir)
        self._faces = FaceReader(catalogue) if "face" in groups else None
        self._bodies = BodyReader(catalogue) if "body" in groups else None
        self._voice = (
            VoiceModel(catalogue.read(VOICE), catalogue.producer(VOICE))
            if "speech" in groups
            else None
        )
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="perception")

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        """Detect, landmark, pose, gaze and (when asked) embed."""
        if self._faces is None:
            raise PerceptionUnavailable("the face group is not loaded here")
        loop = asyncio.get_running_loop()
        reader = self._faces
        return await asyncio.gather(
            *(loop.run_in_executor(self._pool, reader.read, ask) for ask in asks)
        )

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        """Joints of the upper body."""
        if self._bodies is None:
            raise PerceptionUnavailable("the body group is not loaded here")
        loop = asyncio.get_running_loop()
        reader = self._bodies
        return await asyncio.gather(
            *(loop.run_in_executor(self._pool, reader.read, ask) for ask in asks)
        )

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        """Speech probability per 32 ms; all streams in one batch."""
        if self._voice is None:
            raise PerceptionUnavailable("the speech group is not loaded here")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._voice.listen, asks)

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
