"""Are live faces taken for live ones, and shown pictures not?

The figures are those of ISO/IEC 30107-3: attacks taken for live (APCER) and live ones taken for
attacks (BPCER), at P(live) = 0.5 after the manifest's calibration.
"""

from collections.abc import Sequence

from bench.accuracy.figures import Figure, Wanted, missing
from bench.accuracy.media import Media
from bench.accuracy.statistics import share
from proctor.domain.perception import FaceAsk
from proctor.ports.world import Perception

LIVE_FROM = 0.5

WANTED: tuple[Wanted, ...] = (
    ("liveness.apcer", "shown pictures taken for live", "share"),
    ("liveness.bpcer", "live faces taken for shown ones", "share"),
)


async def measure_liveness(perception: Perception, media: Media) -> list[Figure]:
    """All figures of this part."""
    labelled = media.spoof_pictures()
    if not labelled:
        return missing(WANTED, "no labelled pictures of attacks")
    answers = await perception.faces(
        [FaceAsk(picture=path.read_bytes(), embed=True) for path, _ in labelled]
    )
    told = [
        next((face.live for face in answer.faces if face.live is not None), None)
        for answer in answers
    ]
    return liveness_figures([live for _, live in labelled], told)


def liveness_figures(labels: Sequence[bool], told: Sequence[float | None]) -> list[Figure]:
    """All figures from what is true and P(live) of each picture; None where no model told."""
    errors: dict[bool, list[bool]] = {True: [], False: []}
    for live, probability in zip(labels, told, strict=True):
        if probability is not None:
            errors[live].append((probability >= LIVE_FROM) != live)
    return [
        Figure(
            key=key,
            label=label,
            unit=unit,
            found=share(errors[live]),
            basis=f"{len(errors[live])} pictures: an example, no measurement of detection",
        )
        for (key, label, unit), live in zip(WANTED, (False, True), strict=True)
    ]
