"""How far the head's measured direction is from the labelled one.

Both are Euler's angles of R = Rx(pitch) Ry(yaw) Rz(roll), as 300W-LP and AFLW2000 have them
(proctor/domain/geometry.py); only the signs differ.
"""

from collections.abc import Sequence

import numpy as np

from bench.accuracy.figures import Figure, Wanted, missing
from bench.accuracy.media import Media, PosedFace
from bench.accuracy.statistics import share
from proctor.domain.geometry import HeadPose
from proctor.domain.perception import FaceAsk
from proctor.ports.world import Perception

ANGLES = ("yaw", "pitch", "roll")
SIGNS = np.array([-1.0, -1.0, 1.0])
"""From the labels' directions (yaw to the picture's left, pitch up) to ours (right, down)."""

WANTED: tuple[Wanted, ...] = (
    *((f"head_pose.mae_deg.{angle}", f"mean error, {angle}", "degrees") for angle in ANGLES),
    ("head_pose.not_found", "labelled heads without a confirmed face", "share"),
)  # fmt: skip


async def measure_head_pose(perception: Perception, media: Media) -> list[Figure]:
    """Mean absolute error of each angle; a head that is not found is told apart."""
    posed = media.posed_faces()
    if not posed:
        return missing(WANTED, "no labelled heads")
    answers = await perception.faces([FaceAsk(picture=p.picture.read_bytes()) for p in posed])
    heads = [
        next((face.head for face in answer.faces if face.head is not None), None)
        for answer in answers
    ]
    return head_figures(posed, heads)


def head_figures(posed: Sequence[PosedFace], heads: Sequence[HeadPose | None]) -> list[Figure]:
    """All figures from the labels and what was read of each picture."""
    errors, found = [], []
    for label, head in zip(posed, heads, strict=True):
        found.append(head is not None)
        if head is not None:
            true = np.array([label.yaw_deg, label.pitch_deg, label.roll_deg]) * SIGNS
            seen = np.array([head.yaw_deg, head.pitch_deg, head.roll_deg])
            errors.append(np.abs(turned(seen - true)))
    basis = f"{len(errors)} of {len(posed)} labelled pictures"
    columns = np.array(errors).reshape(-1, 3)
    figures = [
        Figure(key=key, label=label, unit=unit, found=share(columns[:, at]), basis=basis)
        for at, (key, label, unit) in enumerate(WANTED[:3])
    ]
    key, label_, unit = WANTED[3]
    lost = share([not each for each in found])
    return [*figures, Figure(key=key, label=label_, unit=unit, found=lost, basis=f"{len(posed)}")]


def turned(degrees: np.ndarray) -> np.ndarray:
    """A difference of angles as the shorter way round, -180 to 180."""
    return np.asarray((degrees + 180) % 360 - 180)
