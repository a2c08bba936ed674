"""What the parts of the face group are to each other. One implementation per model, chosen by name.

A part names the files it used (`producers`, manifest ids), so that an answer can be signed with them.
Coordinates are pixels of the picture, angles degrees in the camera's frame (proctor/domain/geometry.py).
Any of them may raise `ModelOutputInvalid`.

A part whose network can take many faces in one run says so by a second method (`Batched...`), which is
used where a batch pays: on a GPU. models/face/batches.py does without it for the others.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from models.errors import ModelOutputInvalid
from models.face.detected import DetectedFace
from models.face.mesh import FaceMesh, Irises, Points
from proctor.domain.geometry import Box, Gaze, HeadPose
from proctor.domain.media import Image
from proctor.domain.perception import Embedding


@dataclass(frozen=True, slots=True)
class Look:
    """One way of searching a picture, in the order in which a detector wants them done.

    Attributes:
        producer: The file that searches.
        search: (h, w, 3) RGB -> boxes, best score first.
        only_when_nobody: Done only when no face is confirmed so far.
        only_confirmed: A box that no mesh confirms is no face (a tile shows less than the picture).
        search_all: The same for many pictures in one run, where the network can; in their order.
    """

    producer: str
    search: Callable[[Image], list[DetectedFace]]
    only_when_nobody: bool = False
    only_confirmed: bool = False
    search_all: (
        Callable[[Sequence[Image]], Sequence[list[DetectedFace] | ModelOutputInvalid]] | None
    ) = None


class FaceDetector(Protocol):
    """Finds faces."""

    def looks(self, *, search_small: bool) -> Sequence[Look]:
        """How to search; `search_small` when a small second face must not be missed."""
        ...


class FaceEmbedder(Protocol):
    """Turns a face into the vector that is compared."""

    producers: tuple[str, ...]

    def chip(self, image: Image, points: Points) -> Image:
        """The face as the network expects it, from the (468, 3) mesh."""
        ...

    def embed(self, chips: Sequence[Image]) -> list[Embedding | ModelOutputInvalid]:
        """A (d,) float32 vector per chip; one that is not finite is the error, in its place."""
        ...


class HeadPoseModel(Protocol):
    """Where the nose points."""

    producers: tuple[str, ...]

    def estimate(self, image: Image, mesh: FaceMesh) -> HeadPose:
        """Of a confirmed face."""
        ...


class GazeModel(Protocol):
    """Where head and eyes together look."""

    producers: tuple[str, ...]

    def estimate(self, image: Image, mesh: FaceMesh, irises: Irises) -> Gaze | None:
        """Of a confirmed face; None when the eyes are closed or cannot be measured."""
        ...


class LivenessModel(Protocol):
    """How likely a face is there in the flesh."""

    producers: tuple[str, ...]

    def probability(self, image: Image, box: Box) -> float:
        """P(live), 0..1, calibrated as the manifest says; `box` in fractions of the picture."""
        ...


@runtime_checkable
class BatchedHeadPose(Protocol):
    """A `HeadPoseModel` that takes many faces in one run."""

    def estimate_all(
        self, faces: Sequence[tuple[Image, FaceMesh]]
    ) -> Sequence[HeadPose | ModelOutputInvalid]:
        """As `estimate`, in order; what is wrong with one is in its place."""
        ...


@runtime_checkable
class BatchedGaze(Protocol):
    """A `GazeModel` that takes many faces in one run."""

    def estimate_all(
        self, faces: Sequence[tuple[Image, FaceMesh, Irises]]
    ) -> Sequence[Gaze | ModelOutputInvalid | None]:
        """As `estimate`, in order; what is wrong with one is in its place."""
        ...


@runtime_checkable
class BatchedLiveness(Protocol):
    """A `LivenessModel` that takes many faces in one run."""

    def probabilities(
        self, faces: Sequence[tuple[Image, Box]]
    ) -> Sequence[float | ModelOutputInvalid]:
        """As `probability`, in order; what is wrong with one is in its place."""
        ...
