"""Everything the face group says about one picture: find, confirm, point, embed.

The detector says how it wants to search; the mesh confirms each box. A box that no mesh confirms is
kept when it was found in the whole picture (turned away or unknown, not absent) and dropped when only
a tile showed it. Which network does what is the selection's business (models/readers.py).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np

from models.errors import ModelOutputInvalid, PictureUnreadable
from models.face.batches import (
    OWN_FAULTS,
    embeddings,
    gazes,
    head_poses,
    own_fault,
    probabilities,
    searched,
)
from models.face.detected import DetectedFace
from models.face.eyes import eye_patches, look_alike, recall, remember
from models.face.gaze import eyes_open, mouth_open
from models.face.head_pose import head_pose
from models.face.interfaces import (
    FaceDetector,
    FaceEmbedder,
    GazeModel,
    HeadPoseModel,
    LivenessModel,
    Look,
)
from models.face.mesh import (
    FaceMesh,
    Irises,
    MeshAndIris,
    is_nearly,
    region_of_detection,
    region_of_track,
    track_of_region,
)
from models.pictures import decode, face_measures
from proctor.domain.geometry import Box, FaceRegion, Gaze, HeadPose
from proctor.domain.media import Image
from proctor.domain.observations import Producer
from proctor.domain.perception import (
    Embedding,
    FaceAnswer,
    FaceAsk,
    FaceReading,
    Fault,
    KnownEyes,
)

SAME_FACE_OVERLAP = 0.3
MOST_FACES = 40

T = TypeVar("T")
_NO_PICTURE: Image = np.empty((0, 0, 3), np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceParts:
    """The models of the face group.

    Attributes:
        detector: Finds.
        mesh: Confirms, and places the points of face and irises.
        head_pose: Where the nose points.
        gaze: Where the eyes look.
        embedder: Who it is.
        liveness: Whether it is there in the flesh; None when the task is off.
        producers: Signature of every file that a part may name, in the order of an answer.
    """

    detector: FaceDetector
    mesh: MeshAndIris
    head_pose: HeadPoseModel
    gaze: GazeModel
    embedder: FaceEmbedder
    liveness: LivenessModel | None
    producers: Mapping[str, Producer]


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """A box, with its mesh when that was fitted."""

    box: Box
    score: float
    mesh: FaceMesh

    @property
    def is_confirmed(self) -> bool:
        return self.mesh.is_face


@dataclass(slots=True, eq=False)
class _Progress:
    """How far one ask has come.

    Attributes:
        ask: What was asked.
        image: The decoded picture.
        used: Files that looked so far.
        found: Faces, those without a mesh's word included.
        is_tracked: Whether the face was where the track said, so nobody searched.
        main: The candidate's own face, fitted a second time; one of `found`.
        irises: Of `main`.
        eyes: Of `main`, when its irises were placed.
        head: Of `main`.
        gaze: Of `main`.
        embedding: Of `main`, when asked for.
        live: Of `main`, with an embedding, where a model looks.
        fault: What went wrong; nothing more is done then.
    """

    ask: FaceAsk
    image: Image = field(default_factory=lambda: _NO_PICTURE)
    used: list[str] = field(default_factory=list)
    found: list[_Candidate] = field(default_factory=list)
    is_tracked: bool = False
    main: _Candidate | None = None
    irises: Irises | None = None
    eyes: KnownEyes | None = None
    head: HeadPose | None = None
    gaze: Gaze | None = None
    embedding: Embedding | None = None
    live: float | None = None
    fault: Fault | None = None

    @property
    def has_somebody(self) -> bool:
        return any(candidate.is_confirmed for candidate in self.found)


Step = Callable[[_Progress], None]
Each = Callable[[Callable[[_Progress], Any], Sequence[_Progress]], Iterable[Any]]
"""Does a step for every ask, `map` or a pool's `map`; done when what it returns is read to its end."""


class FaceReader:
    """Reads faces. One instance serves all threads; it remembers nobody.

    Asks go through the same steps together: what is done picture by picture (decoding, meshes) may be
    spread over threads, what a network does for all faces at once is one run.
    """

    def __init__(self, parts: FaceParts) -> None:
        """Read with these models."""
        self._parts = parts

    def close(self) -> None:
        """Close what its parts hold open. Idempotent."""
        for part in fields(self._parts):
            close = getattr(getattr(self._parts, part.name), "close", None)
            if close is not None:
                close()

    def read(self, ask: FaceAsk) -> FaceAnswer:
        """Answer one ask; what is wrong with its picture or a model's answer is a fault, not an error."""
        return self.read_all([ask])[0]

    def read_all(self, asks: Sequence[FaceAsk], each: Each = map) -> list[FaceAnswer]:
        """Answer many, in order; what is wrong with one is a fault of its own.

        Args:
            asks: At most as many as memory holds pictures for.
            each: How a step that is done picture by picture is done for all of them.
        """
        every = [_Progress(ask) for ask in asks]
        _do(self._begin, every, each)
        self._search([p for p in every if not p.is_tracked], each)
        _do(self._look_closer, every, each)
        self._estimate([p for p in every if p.main is not None and p.fault is None])
        return list(each(self._answer_or_fault, every))

    def _begin(self, p: _Progress) -> None:
        """Decode, and look where the face was a moment ago."""
        try:
            p.image = decode(p.ask.picture)
        except PictureUnreadable:
            p.used = [self._parts.detector.looks(search_small=False)[0].producer]
            p.fault = Fault.PICTURE_UNREADABLE
            return
        if p.ask.search_small:
            return
        tracked = self._follow(p.image, p.ask.track)
        if tracked is not None:
            p.used.append(self._parts.mesh.mesh_file)
            p.found = [tracked]
            p.is_tracked = True

    def _follow(self, image: Image, track: FaceRegion | None) -> _Candidate | None:
        """The face where it was a moment ago, or None when it is not there.

        Fitted again when it has moved: a mesh is best where the face is in the middle of its region.
        """
        if track is None or not track.side > 0:
            return None
        height, width = image.shape[:2]
        region = region_of_track(track, width, height)
        mesh = self._parts.mesh.fit(image, region)
        if mesh.is_face and not is_nearly(mesh.region(), region):
            mesh = self._parts.mesh.fit(image, mesh.region())
        if not mesh.is_face:
            return None
        return _Candidate(mesh.box(width, height), mesh.presence, mesh)

    def _search(self, every: Sequence[_Progress], each: Each) -> None:
        for small in (False, True):
            group = [p for p in every if p.ask.search_small is small and p.fault is None]
            if not group:
                continue
            for p in group:
                p.used.append(self._parts.mesh.mesh_file)
            for look in self._parts.detector.looks(search_small=small):
                wanting = [p for p in group if not (look.only_when_nobody and p.has_somebody)]
                self._look(look, wanting, each)

    def _look(self, look: Look, every: Sequence[_Progress], each: Each) -> None:
        """One way of searching, in all pictures that want it."""
        every = [p for p in every if p.fault is None]
        for p in every:
            p.used.append(look.producer)
        if look.search_all is None or len(every) < 2:
            _do(lambda p: self._confirm(p, look, look.search(p.image)), every, each)
            return
        boxes = dict(zip(map(id, every), searched(look, [p.image for p in every]), strict=True))
        _do(lambda p: self._confirm(p, look, _valid(boxes[id(p)])), every, each)

    def _confirm(self, p: _Progress, look: Look, boxes: list[DetectedFace]) -> None:
        """Add those of `boxes` that are other faces than the known ones, each with its mesh."""
        height, width = p.image.shape[:2]
        known = set(p.found)
        found = list(p.found)
        for face in boxes[:MOST_FACES]:
            box = Box(
                face.left / width, face.top / height, face.width / width, face.height / height
            )
            mesh = self._parts.mesh.fit(p.image, region_of_detection(face))
            if mesh.is_face:
                box = mesh.box(width, height)
            candidate = _Candidate(box, face.score, mesh)
            same = [c for c in found if c.box.overlap(box) > SAME_FACE_OVERLAP]
            if not same:
                found.append(candidate)
            elif candidate.is_confirmed and not any(c.is_confirmed for c in same):
                found = [c for c in found if c not in same] + [candidate]
        if look.only_confirmed:
            found = [c for c in found if c in known or c.is_confirmed]
        p.found = found

    def _look_closer(self, p: _Progress) -> None:
        """The candidate's own face: where it was searched for, a second fit on its turn; the irises."""
        p.found.sort(key=lambda candidate: -candidate.box.area)
        at = next((at for at, c in enumerate(p.found) if c.is_confirmed), None)
        if at is None:
            return
        mesh, first = self._parts.mesh, p.found[at]
        if not p.is_tracked:
            again = mesh.fit(p.image, first.mesh.region())
            if again.is_face:
                box = again.box(p.image.shape[1], p.image.shape[0])
                p.found[at] = _Candidate(box, first.score, again)
        p.main = p.found[at]
        self._find_irises(p, p.main.mesh)
        p.used += [mesh.iris_file, *self._parts.head_pose.producers, *self._parts.gaze.producers]

    def _find_irises(self, p: _Progress, mesh: FaceMesh) -> None:
        """Where they were, in eyes that look as they did; else the network places them."""
        patches, known = eye_patches(p.image, mesh), p.ask.eyes
        if p.is_tracked and known is not None and look_alike(known.patches, patches):
            p.irises, p.eyes = recall(known, mesh), known
            return
        p.irises = self._parts.mesh.irises(p.image, mesh)
        p.eyes = remember(patches, p.irises, mesh)

    def _estimate(self, every: Sequence[_Progress]) -> None:
        """What needs a network per face: one run of each for all of them."""
        parts = self._parts
        faces = [(p, p.image, *_fitted(p)) for p in every]
        heads = head_poses(parts.head_pose, [(image, mesh) for _, image, mesh, _ in faces])
        for p, head in zip(every, heads, strict=True):
            _set(p, "head", head)
        faces = [each for each in faces if each[0].fault is None]
        looks = gazes(parts.gaze, [(image, mesh, irises) for _, image, mesh, irises in faces])
        for (p, *_), gaze in zip(faces, looks, strict=True):
            _set(p, "gaze", gaze)
        known, chips = [], []
        for p, image, mesh, _ in faces:
            if not p.ask.embed or p.fault is not None:
                continue
            try:
                chips.append(parts.embedder.chip(image, mesh.points))
            except OWN_FAULTS as error:
                _fail(p, error)
            else:
                known.append(p)
        for p, vector in zip(known, embeddings(parts.embedder, chips), strict=True):
            p.used += parts.embedder.producers
            _set(p, "embedding", vector)
        if parts.liveness is None:
            return
        known = [p for p in known if p.fault is None]
        boxes = [(p.image, p.main.box) for p in known if p.main is not None]
        for p, live in zip(known, probabilities(parts.liveness, boxes), strict=True):
            p.used += parts.liveness.producers
            _set(p, "live", live)

    def _answer_or_fault(self, p: _Progress) -> FaceAnswer:
        try:
            return self._answer(p)
        except OWN_FAULTS as error:
            _fail(p, error)
            return self._answer(p)

    def _answer(self, p: _Progress) -> FaceAnswer:
        if p.fault is not None:
            return FaceAnswer(faces=(), producers=self._signed(p.used), fault=p.fault)
        return FaceAnswer(
            faces=tuple(_told(p, candidate) for candidate in p.found),
            producers=self._signed(p.used),
            detected=not p.is_tracked,
        )

    def _signed(self, used: Sequence[str]) -> tuple[Producer, ...]:
        known = self._parts.producers
        return tuple(known[name] for name in known if name in used)


def _do(step: Step, every: Iterable[_Progress], each: Each) -> None:
    """A step for every ask that is still well; an invalid answer or crop is that ask's fault."""

    def guarded(p: _Progress) -> None:
        try:
            step(p)
        except OWN_FAULTS as error:
            _fail(p, error)

    for _ in each(guarded, [p for p in every if p.fault is None]):
        pass


def _fail(p: _Progress, error: Exception) -> None:
    own_fault(error)
    p.fault = Fault.MODEL_OUTPUT_INVALID


def _valid(answer: T | ModelOutputInvalid) -> T:
    if isinstance(answer, ModelOutputInvalid):
        raise answer
    return answer


def _set(p: _Progress, what: str, answer: object) -> None:
    if isinstance(answer, ModelOutputInvalid):
        p.fault = Fault.MODEL_OUTPUT_INVALID
    else:
        setattr(p, what, answer)


def _fitted(p: _Progress) -> tuple[FaceMesh, Irises]:
    assert p.main is not None
    assert p.irises is not None
    return p.main.mesh, p.irises


def _told(p: _Progress, candidate: _Candidate) -> FaceReading:
    reading = _reading(p.image, candidate, with_pose=candidate is not p.main)
    if candidate is not p.main:
        return reading
    region = track_of_region(candidate.mesh.region(), p.image.shape[1], p.image.shape[0])
    return replace(
        reading,
        head=p.head,
        gaze=p.gaze,
        embedding=p.embedding,
        live=p.live,
        region=region,
        eyes=p.eyes,
    )


def _reading(image: Image, candidate: _Candidate, *, with_pose: bool) -> FaceReading:
    """What the box and the mesh alone say."""
    points = candidate.mesh.points
    sharpness, brightness = face_measures(image, candidate.box)
    confirmed = candidate.is_confirmed
    return FaceReading(
        box=candidate.box,
        score=candidate.score,
        presence=candidate.mesh.presence,
        width_px=candidate.box.width * image.shape[1],
        sharpness=sharpness,
        brightness=brightness,
        head=head_pose(points) if confirmed and with_pose else None,
        gaze=None,
        eyes_open=eyes_open(points) if confirmed else None,
        mouth_open=mouth_open(points) if confirmed else None,
    )
