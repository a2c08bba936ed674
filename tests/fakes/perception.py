"""Models that see what a script says: who is in the picture from when on, and what goes wrong.

Pictures are not looked at, the clock decides. Sound is: loud is speech.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from proctor.domain.candidates import FaceTemplate, ModelRef
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.geometry import BodyPoint, Box, FaceRegion, Gaze, HeadPose
from proctor.domain.observations import Producer
from proctor.domain.perception import (
    BodyAnswer,
    BodyAsk,
    Embedding,
    FaceAnswer,
    FaceAsk,
    FaceReading,
    Fault,
    FoundObject,
    HeardVoice,
    ObjectsAnswer,
    ObjectsAsk,
    SpeakersAnswer,
    SpeakersAsk,
    SpeakerTurn,
    SpeechAnswer,
    SpeechAsk,
    WordsAnswer,
    WordsAsk,
)
from proctor.domain.sessions import SessionSpec
from proctor.ports import Clock

DETECTOR = Producer("fake-detector", "1", "d" * 64)
MESH = Producer("fake-mesh", "1", "e" * 64)
EMBEDDER = Producer("fake-embedding", "3", "f" * 64)
POSE = Producer("fake-pose", "1", "a" * 64)
VOICE = Producer("fake-voice", "1", "b" * 64)
SPEAKERS = Producer("fake-speakers", "1", "c" * 64)
WORDS = Producer("fake-words", "1", "9" * 64)
OBJECTS = Producer("fake-objects", "1", "8" * 64)
EMBEDDING = ModelRef(EMBEDDER.model, EMBEDDER.version)

AnyAsk = FaceAsk | BodyAsk | SpeechAsk | SpeakersAsk | WordsAsk | ObjectsAsk
SPEECH_ABOVE_RMS = 0.05
CHUNK = 512


def embedding_of(name: str) -> Embedding:
    """The unit vector of a named person, always the same; two persons are about 1.4 apart."""
    vector = np.random.default_rng(list(name.encode())).normal(size=128)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def voice_of(name: str) -> Embedding:
    """The unit vector of a named person's voice, always the same; two are nearly orthogonal."""
    vector = np.random.default_rng([*name.encode(), 7]).normal(size=256)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def template_of(spec: SessionSpec, name: str, version: int = 1) -> FaceTemplate:
    """An enrolment of `name` as the session's candidate."""
    return FaceTemplate(
        tenant_id=spec.tenant_id,
        candidate_id=spec.candidate_id,
        version=version,
        model=EMBEDDING,
        embeddings=np.stack([embedding_of(name)] * 3),
        created_at=spec.started_at,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is in front of the camera from a moment on.

    Attributes:
        from_ms: The clock's monotonic time.
        people: Names, the nearest (largest face) first.
        left: Where the nearest face is.
        size: Width of the nearest face as a share of the picture's.
        yaw_deg: Where the nearest person looks.
        pitch_deg: The same up and down.
        roll_deg: How far the nearest head is tilted.
        turned_away: The faces are boxes without a mesh.
        live: P(there in the flesh) of the nearest person; None when no model looks.
        voices: Who is heard, one after the other.
        said: The words that are heard.
        things: Labels of objects in the picture.
        lips_still: The nearest person's mouth does not move.
        can_be_followed: A face that was asked for by its track is read alone, without a search. Not where
            people come and go before a lens that shows one picture all the time.
    """

    from_ms: int
    people: tuple[str, ...]
    left: float = 0.35
    size: float = 0.3
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    turned_away: bool = False
    live: float | None = None
    voices: tuple[str, ...] = ("ana",)
    said: str = ""
    things: tuple[str, ...] = ()
    lips_still: bool = False
    can_be_followed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What goes wrong with one group between two moments of the clock.

    `hangs` never answers, `is_away` raises PerceptionUnavailable, `breaks` raises an unknown error,
    `invalid` answers faults, `nan` answers numbers that are none, `slow` answers after `slow_ms`,
    `on_cpu` answers that a CPU did a GPU's work.
    """

    group: Literal["face", "body", "speech", "speakers", "words", "objects"]
    kind: Literal["hangs", "is_away", "breaks", "invalid", "nan", "slow", "on_cpu"]
    from_ms: int
    to_ms: int
    slow_ms: int = 0


class FakePerception:
    """`Perception` by script. `asked` keeps (time, group, batch) of every call.

    While there are `shots`, each picture of faces takes the next of them instead of the clock's scene.
    """

    def __init__(
        self,
        clock: Clock,
        scenes: Sequence[Scene] = (Scene(from_ms=0, people=("ana",)),),
        troubles: Sequence[Trouble] = (),
    ) -> None:
        self._clock = clock
        self.scenes = list(scenes)
        self.troubles = list(troubles)
        self.shots: list[Scene] = []
        self.asked: list[tuple[int, str, Sequence[AnyAsk]]] = []

    def calls(self, group: str) -> list[int]:
        """When a group was called."""
        return [at_ms for at_ms, asked, _ in self.asked if asked == group]

    async def faces(self, asks: Sequence[FaceAsk]) -> Sequence[FaceAnswer]:
        self.asked.append((self._clock.monotonic_ms(), "face", asks))
        scene = self._scene()
        trouble = await self._suffer("face")
        answers = [
            self._face(ask, self.shots.pop(0) if self.shots else scene, trouble) for ask in asks
        ]
        return [replace(answer, fallback=_on_cpu(trouble)) for answer in answers]

    async def bodies(self, asks: Sequence[BodyAsk]) -> Sequence[BodyAnswer]:
        self.asked.append((self._clock.monotonic_ms(), "body", asks))
        scene = self._scene()
        trouble = await self._suffer("body")
        if trouble is not None and trouble.kind == "invalid":
            fault = Fault.MODEL_OUTPUT_INVALID
            return [BodyAnswer(points=None, producers=(POSE,), fault=fault) for _ in asks]
        points = tuple(BodyPoint(0.5, 0.5, 0.9) for _ in range(33)) if scene.people else None
        answer = BodyAnswer(points=points, producers=(POSE,), fallback=_on_cpu(trouble))
        return [answer for _ in asks]

    async def speech(self, asks: Sequence[SpeechAsk]) -> Sequence[SpeechAnswer]:
        self.asked.append((self._clock.monotonic_ms(), "speech", asks))
        trouble = await self._suffer("speech")
        answers = [self._speech(ask, trouble) for ask in asks]
        return [replace(answer, fallback=_on_cpu(trouble)) for answer in answers]

    async def speakers(self, asks: Sequence[SpeakersAsk]) -> Sequence[SpeakersAnswer]:
        self.asked.append((self._clock.monotonic_ms(), "speakers", asks))
        trouble, scene = await self._suffer("speakers"), self._scene()
        if trouble is not None and trouble.kind == "invalid":
            fault = Fault.MODEL_OUTPUT_INVALID
            return [SpeakersAnswer(turns=(), voices=(), producers=(SPEAKERS,), fault=fault)] * len(
                asks
            )
        return [self._speakers(ask, scene.voices) for ask in asks]

    def _speakers(self, ask: SpeakersAsk, names: Sequence[str]) -> SpeakersAnswer:
        share_ms = len(ask.samples) // 16 // max(len(names), 1)
        return SpeakersAnswer(
            turns=tuple(
                SpeakerTurn(voice=at, start_ms=at * share_ms, end_ms=(at + 1) * share_ms)
                for at in range(len(names))
            ),
            voices=tuple(HeardVoice(alone_ms=share_ms, embedding=voice_of(n)) for n in names),
            producers=(SPEAKERS,),
        )

    async def words(self, asks: Sequence[WordsAsk]) -> Sequence[WordsAnswer]:
        self.asked.append((self._clock.monotonic_ms(), "words", asks))
        await self._suffer("words")
        said = self._scene().said
        return [WordsAnswer(text=said, language="en", producers=(WORDS,)) for _ in asks]

    async def objects(self, asks: Sequence[ObjectsAsk]) -> Sequence[ObjectsAnswer]:
        self.asked.append((self._clock.monotonic_ms(), "objects", asks))
        trouble, scene = await self._suffer("objects"), self._scene()
        if trouble is not None and trouble.kind == "invalid":
            fault = Fault.MODEL_OUTPUT_INVALID
            return [ObjectsAnswer(objects=(), producers=(OBJECTS,), fault=fault) for _ in asks]
        score = float("nan") if trouble is not None and trouble.kind == "nan" else 0.8
        found = tuple(
            FoundObject(label=label, box=Box(0.6, 0.6, 0.1, 0.2), score=score)
            for label in scene.things
        )
        return [ObjectsAnswer(objects=found, producers=(OBJECTS,)) for _ in asks]

    def _scene(self) -> Scene:
        now_ms = self._clock.monotonic_ms()
        return [scene for scene in self.scenes if scene.from_ms <= now_ms][-1]

    async def _suffer(self, group: str) -> Trouble | None:
        now_ms = self._clock.monotonic_ms()
        for trouble in self.troubles:
            if trouble.group == group and trouble.from_ms <= now_ms < trouble.to_ms:
                if trouble.kind == "hangs":
                    await asyncio.Event().wait()
                if trouble.kind == "is_away":
                    raise PerceptionUnavailable("no replica answered")
                if trouble.kind == "breaks":
                    raise RuntimeError("the replica died")
                if trouble.kind == "slow":
                    await self._clock.sleep(trouble.slow_ms / 1000)
                return trouble
        return None

    def _face(self, ask: FaceAsk, scene: Scene, trouble: Trouble | None) -> FaceAnswer:
        if trouble is not None and trouble.kind == "invalid":
            fault = Fault.MODEL_OUTPUT_INVALID
            return FaceAnswer(faces=(), producers=(DETECTOR, MESH), fault=fault)
        faces = []
        is_followed = ask.track is not None and not ask.search_small and bool(scene.people)
        for place, name in enumerate(scene.people[:1] if is_followed else scene.people):
            wants_embedding = ask.embed and place == 0 and not scene.turned_away
            faces.append(
                FaceReading(
                    box=Box(scene.left, 0.2, scene.size, 0.4)
                    if place == 0
                    else Box(0.02 + 0.1 * place, 0.1, 0.1, 0.13),
                    score=0.9,
                    presence=0.1 if scene.turned_away else 0.97,
                    width_px=320 * scene.size,
                    sharpness=300.0,
                    brightness=0.5,
                    head=None
                    if scene.turned_away
                    else HeadPose(scene.yaw_deg, scene.pitch_deg, scene.roll_deg),
                    gaze=None if scene.turned_away else Gaze(scene.yaw_deg, 0.0),
                    eyes_open=None if scene.turned_away else 0.3,
                    mouth_open=None if scene.turned_away else self._mouth(scene),
                    embedding=embedding_of(name) if wants_embedding else None,
                    live=scene.live if wants_embedding else None,
                    region=FaceRegion(scene.left + scene.size / 2, 0.4, scene.size)
                    if scene.can_be_followed and place == 0 and not scene.turned_away
                    else None,
                )
            )
        if trouble is not None and trouble.kind == "nan":
            faces = [replace(face, gaze=Gaze(float("nan"), 0.0)) for face in faces]
        embedded = any(face.embedding is not None for face in faces)
        producers = (DETECTOR, MESH, EMBEDDER) if embedded else (DETECTOR, MESH)
        return FaceAnswer(faces=tuple(faces), producers=producers, detected=not is_followed)

    def _mouth(self, scene: Scene) -> float:
        """It opens and closes with the clock, whoever speaks."""
        moved = 0 if scene.lips_still else self._clock.monotonic_ms() // 200 % 3
        return 0.05 + 0.08 * moved

    def _speech(self, ask: SpeechAsk, trouble: Trouble | None) -> SpeechAnswer:
        if trouble is not None and trouble.kind == "invalid":
            return SpeechAnswer(
                probabilities=(),
                state=None,
                context=None,
                producers=(VOICE,),
                fault=Fault.MODEL_OUTPUT_INVALID,
            )
        chunks = ask.samples.reshape(-1, CHUNK)
        loud = np.sqrt(np.mean(np.square(chunks), axis=1)) > SPEECH_ABOVE_RMS
        heard = np.zeros((2, 1, 128), np.float32) if ask.state is None else ask.state
        return SpeechAnswer(
            probabilities=tuple(0.95 if is_loud else 0.02 for is_loud in loud),
            state=heard + len(chunks),
            context=ask.samples[-64:],
            producers=(VOICE,),
        )


def _on_cpu(trouble: Trouble | None) -> bool:
    return trouble is not None and trouble.kind == "on_cpu"
