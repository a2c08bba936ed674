"""From uploaded pictures to embeddings and reasons: what enrolment and verification share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from proctor.domain.candidates import ModelRef, QualityReason
from proctor.domain.challenges import ChallengeReason
from proctor.domain.errors import PerceptionUnavailable
from proctor.domain.perception import Embedding, FaceAnswer, FaceAsk, FaceReading, Fault
from proctor.identity.quality import picture_reasons, step_reason
from proctor.ports import Perception
from proctor.services.pictures import Picture, PictureDesk, in_batches

PICTURES_NEEDED = 3  # fewer decide nothing with a small model (ACCURACY.md, Face verification)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Looked:
    """What the models made of a set of pictures.

    Attributes:
        embeddings: (n, d) float32, one row per good picture; (0, 0) when none is good.
        reasons: Why each picture cannot serve, in the order they came; () for a good one.
        faces: The face of each good picture.
        pixels: Digest of every picture's pixels: the same picture sent twice is one picture.
    """

    embeddings: Embedding
    reasons: tuple[tuple[QualityReason, ...], ...]
    faces: tuple[FaceReading, ...] = ()
    pixels: frozenset[str] = frozenset()

    @property
    def good(self) -> int:
        """How many pictures can serve."""
        return len(self.embeddings)

    def told(self, *of_the_set: QualityReason) -> tuple[str, ...]:
        """Every reason once, those of the set last."""
        every = [reason for reasons in self.reasons for reason in reasons]
        return tuple(dict.fromkeys(reason.value for reason in (*every, *of_the_set)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LookedStep:
    """What the models made of one picture of a challenge's step, which need not be a good one.

    Attributes:
        face: The face, with its embedding; None when there is not exactly one.
        against: Why there is none.
        pixels_sha256: Digest of the picture's pixels.
    """

    face: FaceReading | None
    against: ChallengeReason | None
    pixels_sha256: str


class FaceLook:
    """Rebuilds pictures and asks the models for the face in each."""

    def __init__(self, perception: Perception, desk: PictureDesk, model: ModelRef) -> None:
        """`model` is the embedding model that must answer; another's vectors are of no use."""
        self._perception = perception
        self._desk = desk
        self._model = model

    async def look(self, raws: Sequence[bytes]) -> Looked:
        """Look at every picture. The caller has made sure of the candidate's consent.

        Raises:
            InvalidInput: A picture is refused before it is decoded, or cannot be (pictures.rebuild).
            PerceptionUnavailable: No usable answer, or one from another embedding model.
        """
        seen: set[str] = set()
        rows: list[Embedding] = []
        faces: list[FaceReading] = []
        reasons: list[tuple[QualityReason, ...]] = []
        for picture, answer in await self._answers(raws):
            against = self._against(answer)
            if not against and picture.pixels_sha256 in seen:
                against = (QualityReason.DUPLICATE,)
            seen.add(picture.pixels_sha256)
            reasons.append(against)
            if not against:
                face, embedding = self._embedded(answer)
                rows.append(embedding)
                faces.append(face)
        return Looked(
            embeddings=np.stack(rows) if rows else np.empty((0, 0), np.float32),
            reasons=tuple(reasons),
            faces=tuple(faces),
            pixels=frozenset(seen),
        )

    async def look_at_steps(self, raws: Sequence[bytes]) -> list[LookedStep]:
        """Look at pictures of a challenge, whose faces are turned. Raises as `look`."""
        steps = []
        for picture, answer in await self._answers(raws):
            face, against = None, step_reason(answer)
            if answer.fault not in (None, Fault.PICTURE_UNREADABLE):
                raise PerceptionUnavailable("The models gave no usable answer; try again.")
            if against is None:
                face, _ = self._embedded(answer)
            steps.append(
                LookedStep(face=face, against=against, pixels_sha256=picture.pixels_sha256)
            )
        return steps

    async def _answers(self, raws: Sequence[bytes]) -> list[tuple[Picture, FaceAnswer]]:
        pictures = await self._desk.rebuild_all(raws)
        answers: list[FaceAnswer] = []
        for batch in in_batches(pictures):
            asks = [FaceAsk(picture=jpeg, embed=True) for jpeg in batch]
            answers.extend(await self._perception.faces(asks))
        if len(answers) != len(pictures):
            raise PerceptionUnavailable("The models did not answer for every picture; try again.")
        return list(zip(pictures, answers, strict=True))

    @staticmethod
    def _against(answer: FaceAnswer) -> tuple[QualityReason, ...]:
        if answer.fault is Fault.PICTURE_UNREADABLE:
            return (QualityReason.UNREADABLE,)
        if answer.fault is not None:
            raise PerceptionUnavailable("The models gave no usable answer; try again.")
        return picture_reasons(answer)

    def _embedded(self, answer: FaceAnswer) -> tuple[FaceReading, Embedding]:
        embedded = [(face, face.embedding) for face in answer.faces if face.embedding is not None]
        last = answer.producers[-1] if answer.producers else None
        if len(embedded) != 1 or last is None or ModelRef(last.model, last.version) != self._model:
            raise PerceptionUnavailable("The models are being changed; try again in a moment.")
        return embedded[0]
