"""Everything the face group says about one picture: find, confirm, point, embed.

Short-range detection first, full range when nothing is confirmed, tiles when small faces are asked
for; the mesh confirms each box. A box that no mesh confirms is kept when it was found in the whole
picture (turned away or unknown, not absent) and dropped when only a tile showed it.
"""

from dataclasses import dataclass, replace

from models.catalogue import Catalogue
from models.errors import ModelOutputInvalid, PictureUnreadable
from models.face_detection import (
    DetectedFace,
    full_range,
    search_tiles,
    search_whole,
    short_range,
)
from models.face_embedding import EmbeddingModel, face_chip
from models.face_mesh import (
    FaceMesh,
    IrisModel,
    MeshModel,
    region_of_detection,
    region_of_track,
)
from models.gaze import eyes_open, gaze, mouth_open
from models.head_pose import head_pose
from models.pictures import decode, face_measures
from proctor.domain.geometry import Box
from proctor.domain.media import Image
from proctor.domain.observations import Producer
from proctor.domain.perception import FaceAnswer, FaceAsk, FaceReading, Fault

PRESENT = 0.5
SAME_FACE_OVERLAP = 0.3
MOST_FACES = 40

SHORT, FULL = "face-detection-short", "face-detection-full"
MESH, IRIS, EMBEDDING = "face-mesh", "iris", "face-embedding"


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

    def __init__(self, catalogue: Catalogue) -> None:
        """Load the face group's models from a fetched catalogue.

        Raises:
            ModelFileError: A file is missing or altered.
        """
        self._short = short_range(catalogue.read(SHORT), SHORT)
        self._full = full_range(catalogue.read(FULL), FULL)
        self._mesh = MeshModel(catalogue.read(MESH), MESH)
        self._iris = IrisModel(catalogue.read(IRIS), IRIS)
        self._embedding = EmbeddingModel(catalogue.read(EMBEDDING), EMBEDDING)
        names = (SHORT, FULL, MESH, IRIS, EMBEDDING)
        self._producers = {name: catalogue.producer(name) for name in names}

    def read(self, ask: FaceAsk) -> FaceAnswer:
        """Answer one ask; what is wrong with its picture or a model's answer is a fault, not an error."""
        used: list[str] = []
        try:
            image = decode(ask.picture)
        except PictureUnreadable:
            return FaceAnswer(
                faces=(), producers=self._signed([SHORT]), fault=Fault.PICTURE_UNREADABLE
            )
        try:
            tracked = None if ask.search_small else self._follow(image, ask.track)
            if tracked is not None:
                used += [MESH]
                found = [tracked]
            else:
                found = self._search(image, used, search_small=ask.search_small)
            faces = self._readings(image, found, used, embed=ask.embed)
        except ModelOutputInvalid:
            return FaceAnswer(
                faces=(), producers=self._signed(used), fault=Fault.MODEL_OUTPUT_INVALID
            )
        return FaceAnswer(faces=faces, producers=self._signed(used), detected=tracked is None)

    def _signed(self, used: list[str]) -> tuple[Producer, ...]:
        return tuple(self._producers[name] for name in self._producers if name in used)

    def _follow(self, image: Image, track: Box | None) -> _Candidate | None:
        """The face where it was a moment ago, or None when it is not there."""
        if track is None or track.area <= 0:
            return None
        height, width = image.shape[:2]
        mesh = self._mesh.fit(image, region_of_track(track, width, height))
        if mesh.presence < PRESENT:
            return None
        return _Candidate(mesh.box(width, height), mesh.presence, mesh)

    def _search(self, image: Image, used: list[str], *, search_small: bool) -> list[_Candidate]:
        used += [SHORT, MESH]
        found = self._confirm(image, search_whole(self._short, image), [])
        if not any(candidate.is_confirmed for candidate in found):
            used.append(FULL)
            found = self._confirm(image, search_whole(self._full, image), found)
        if search_small:
            used.append(FULL)
            whole = len(found)
            found = self._confirm(image, search_tiles(self._full, image), found)
            found = [c for at, c in enumerate(found) if at < whole or c.is_confirmed]
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
            mesh = self._mesh.fit(image, region_of_detection(face))
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
        again = self._mesh.fit(image, candidate.mesh.region())
        if again.presence >= PRESENT:
            box = again.box(image.shape[1], image.shape[0])
            candidate = _Candidate(box, candidate.score, again)
        used.append(IRIS)
        reading = _reading(image, candidate, self._iris)
        if not embed:
            return reading
        used.append(EMBEDDING)
        (vector,) = self._embedding.embed([face_chip(image, candidate.mesh.points)])
        if isinstance(vector, ModelOutputInvalid):
            raise vector
        return replace(reading, embedding=vector)


def _reading(image: Image, candidate: _Candidate, irises: IrisModel | None = None) -> FaceReading:
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
        gaze=gaze(points, irises.find(image, candidate.mesh)) if irises else None,
        eyes_open=eyes_open(points) if confirmed else None,
        mouth_open=mouth_open(points) if confirmed else None,
    )
