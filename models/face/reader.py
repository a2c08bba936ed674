"""Everything the face group says about one picture: find, confirm, point, embed.

The detector says how it wants to search; the mesh confirms each box. A box that no mesh confirms is
kept when it was found in the whole picture (turned away or unknown, not absent) and dropped when only
a tile showed it. Which network does what is the selection's business (models/readers.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from models.errors import ModelOutputInvalid, PictureUnreadable
from models.face.detected import DetectedFace
from models.face.gaze import eyes_open, mouth_open
from models.face.head_pose import head_pose
from models.face.interfaces import (
    FaceDetector,
    FaceEmbedder,
    GazeModel,
    HeadPoseModel,
    LivenessModel,
)
from models.face.mesh import FaceMesh, MeshAndIris, region_of_detection, region_of_track
from models.pictures import decode, face_measures
from proctor.domain.geometry import Box
from proctor.domain.media import Image
from proctor.domain.observations import Producer
from proctor.domain.perception import FaceAnswer, FaceAsk, FaceReading, Fault

PRESENT = 0.5
SAME_FACE_OVERLAP = 0.3
MOST_FACES = 40


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
        return self.mesh.presence >= PRESENT


class FaceReader:
    """Reads faces. One instance serves all threads; it remembers nobody."""

    def __init__(self, parts: FaceParts) -> None:
        """Read with these models."""
        self._parts = parts

    def read(self, ask: FaceAsk) -> FaceAnswer:
        """Answer one ask; what is wrong with its picture or a model's answer is a fault, not an error."""
        used: list[str] = []
        try:
            image = decode(ask.picture)
        except PictureUnreadable:
            first = self._parts.detector.looks(search_small=False)[0].producer
            return FaceAnswer(
                faces=(), producers=self._signed([first]), fault=Fault.PICTURE_UNREADABLE
            )
        try:
            tracked = None if ask.search_small else self._follow(image, ask.track)
            if tracked is not None:
                used += [self._parts.mesh.mesh_file]
                found = [tracked]
            else:
                found = self._search(image, used, search_small=ask.search_small)
            faces = self._readings(image, found, used, embed=ask.embed)
        except ModelOutputInvalid:
            return FaceAnswer(
                faces=(), producers=self._signed(used), fault=Fault.MODEL_OUTPUT_INVALID
            )
        return FaceAnswer(faces=faces, producers=self._signed(used), detected=tracked is None)

    def _signed(self, used: Sequence[str]) -> tuple[Producer, ...]:
        known = self._parts.producers
        return tuple(known[name] for name in known if name in used)

    def _follow(self, image: Image, track: Box | None) -> _Candidate | None:
        """The face where it was a moment ago, or None when it is not there."""
        if track is None or track.area <= 0:
            return None
        height, width = image.shape[:2]
        mesh = self._parts.mesh.fit(image, region_of_track(track, width, height))
        if mesh.presence < PRESENT:
            return None
        return _Candidate(mesh.box(width, height), mesh.presence, mesh)

    def _search(self, image: Image, used: list[str], *, search_small: bool) -> list[_Candidate]:
        used.append(self._parts.mesh.mesh_file)
        found: list[_Candidate] = []
        for look in self._parts.detector.looks(search_small=search_small):
            if look.only_when_nobody and any(candidate.is_confirmed for candidate in found):
                continue
            used.append(look.producer)
            known = len(found)
            found = self._confirm(image, look.search(image), found)
            if look.only_confirmed:
                found = [c for at, c in enumerate(found) if at < known or c.is_confirmed]
        return found

    def _confirm(
        self, image: Image, boxes: list[DetectedFace], known: list[_Candidate]
    ) -> list[_Candidate]:
        """`known` and those of `boxes` that are other faces, each with its mesh."""
        height, width = image.shape[:2]
        found = list(known)
        for face in boxes[:MOST_FACES]:
            box = Box(
                face.left / width, face.top / height, face.width / width, face.height / height
            )
            mesh = self._parts.mesh.fit(image, region_of_detection(face))
            if mesh.presence >= PRESENT:
                box = mesh.box(width, height)
            candidate = _Candidate(box, face.score, mesh)
            same = [c for c in found if c.box.overlap(box) > SAME_FACE_OVERLAP]
            if not same:
                found.append(candidate)
            elif candidate.is_confirmed and not any(c.is_confirmed for c in same):
                found = [c for c in found if c not in same] + [candidate]
        return found

    def _readings(
        self, image: Image, found: list[_Candidate], used: list[str], *, embed: bool
    ) -> tuple[FaceReading, ...]:
        found = sorted(found, key=lambda candidate: -candidate.box.area)
        largest = next((at for at, c in enumerate(found) if c.is_confirmed), None)
        readings = []
        for at, candidate in enumerate(found):
            if at == largest:
                readings.append(self._look_closer(image, candidate, used, embed=embed))
            else:
                readings.append(_reading(image, candidate))
        return tuple(readings)

    def _look_closer(
        self, image: Image, candidate: _Candidate, used: list[str], *, embed: bool
    ) -> FaceReading:
        """The candidate's own face: a second fit on the first one's turn, then gaze and embedding."""
        parts = self._parts
        again = parts.mesh.fit(image, candidate.mesh.region())
        if again.presence >= PRESENT:
            box = again.box(image.shape[1], image.shape[0])
            candidate = _Candidate(box, candidate.score, again)
        mesh = candidate.mesh
        used += [parts.mesh.iris_file, *parts.head_pose.producers, *parts.gaze.producers]
        reading = replace(
            _reading(image, candidate),
            head=parts.head_pose.estimate(image, mesh),
            gaze=parts.gaze.estimate(image, mesh, parts.mesh.irises(image, mesh)),
        )
        if not embed:
            return reading
        used += parts.embedder.producers
        (vector,) = parts.embedder.embed([parts.embedder.chip(image, mesh.points)])
        if isinstance(vector, ModelOutputInvalid):
            raise vector
        live = None
        if parts.liveness is not None:
            used += parts.liveness.producers
            live = parts.liveness.probability(image, candidate.box)
        return replace(reading, embedding=vector, live=live)


def _reading(image: Image, candidate: _Candidate) -> FaceReading:
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
        head=head_pose(points) if confirmed else None,
        gaze=None,
        eyes_open=eyes_open(points) if confirmed else None,
        mouth_open=mouth_open(points) if confirmed else None,
    )
