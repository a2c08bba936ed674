"""The limits of detectors, as the manifest states them: never a number in a decoder."""

from dataclasses import dataclass

from models.catalogue import Catalogue


@dataclass(frozen=True, slots=True)
class DetectionLimits:
    """Which boxes of a detector are told (`thresholds` of its file).

    Attributes:
        score: Least score, 0..1.
        overlap: Boxes that overlap a better one by more (IoU) are the same thing.
    """

    score: float
    overlap: float

    @classmethod
    def of(cls, catalogue: Catalogue, file: str) -> "DetectionLimits":
        """As the manifest states them. Raises `ModelFileError` when it does not."""
        return cls(
            score=catalogue.threshold(file, "score"), overlap=catalogue.threshold(file, "overlap")
        )
