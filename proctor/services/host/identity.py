"""Whether the candidate is the enrolled person: when to compare, and the comparison itself.

Comparisons come in bursts of at least three pictures (one is not enough for the dlib embedding,
ACCURACY.md): at the start, on the policy's schedule, after every gap, and when the face track breaks.
The enrolled template stays in this process's memory while the connection lasts and is looked up again
every 45 s, so that an erased or renewed enrolment is followed within a minute. Embeddings live no
longer than the answer that brought them.
"""

import logging
from collections.abc import Mapping

from proctor.domain.candidates import FaceTemplate, ModelRef
from proctor.domain.errors import Unavailable
from proctor.domain.geometry import Box
from proctor.domain.observations import Producer
from proctor.domain.perception import Embedding
from proctor.domain.sessions import SessionSpec
from proctor.identity.matching import MatchCalibration, match_probability, pair_distance
from proctor.ports import FaceIndex, Metrics

logger = logging.getLogger(__name__)

BURST_PICTURES = 3
HURRY_MS = 2_000
REST_MS = 3_000
SAME_TRACK_OVERLAP = 0.2
REFRESH_MS = 45_000
RETRY_MS = 10_000


class IdentitySchedule:
    """When pictures are to be compared with the enrolled face."""

    def __init__(self, every_ms: int) -> None:
        self._every_ms = every_ms
        self._started_ms: int | None = None
        self._again_ms: int | None = None
        self._left = 0

    def wants(self, now_ms: int) -> bool:
        """Whether a picture taken now should be compared; begins a burst that is due."""
        if self._is_due(now_ms):
            self._started_ms, self._again_ms, self._left = now_ms, None, BURST_PICTURES
        return self._left > 0

    def hurries(self, now_ms: int) -> bool:
        """Whether pictures are wanted faster: a burst is due, or incomplete and under 2 s old."""
        if self._started_ms is None or self._is_due(now_ms):
            return True
        return self._left > 0 and now_ms - self._started_ms < HURRY_MS

    def restart(self, now_ms: int) -> None:
        """Something broke the certainty: begin a burst now, at most one every 3 s."""
        rested_ms = now_ms if self._started_ms is None else self._started_ms + REST_MS
        self._again_ms = max(now_ms, rested_ms)

    def compared(self) -> None:
        """A picture of the burst was compared."""
        self._left = max(0, self._left - 1)

    def _is_due(self, now_ms: int) -> bool:
        return (
            self._started_ms is None
            or now_ms >= self._started_ms + self._every_ms
            or (self._again_ms is not None and now_ms >= self._again_ms)
        )


class FaceTrack:
    """Follows the candidate's face from picture to picture."""

    def __init__(self) -> None:
        self._box: Box | None = None

    def follow(self, box: Box | None) -> bool:
        """Take the box of the main face, None when there is none; True when another face may be there.

        That is: a face after none, or a box that overlaps the one before by less than a fifth.
        """
        before, self._box = self._box, box
        if box is None:
            return False
        return before is None or box.overlap(before) < SAME_TRACK_OVERLAP


class IdentityCheck:
    """Compares the faces of one connection with the candidate's enrolment."""

    def __init__(
        self,
        spec: SessionSpec,
        faces: FaceIndex,
        calibrations: Mapping[ModelRef, MatchCalibration],
        every_ms: int,
    ) -> None:
        self._spec = spec
        self._faces = faces
        self._calibrations = calibrations
        self._every_ms = every_ms
        self._templates: dict[ModelRef, FaceTemplate] = {}
        self._look_up_ms: int | None = None
        self._unknown_since_ms: int | None = None
        self._is_looking_up = False
        self._is_over = not spec.biometrics or spec.is_rehearsal
        self.schedule = IdentitySchedule(every_ms)

    def should_look_up(self, now_ms: int) -> bool:
        """Whether the template should be (re)loaded: a True is given once per try, one try at a time.

        Never where nothing is compared: without biometrics, and while a connection is only tried out.
        """
        if (
            self._is_over
            or self._is_looking_up
            or (self._look_up_ms is not None and now_ms < self._look_up_ms)
        ):
            return False
        self._is_looking_up, self._look_up_ms = True, now_ms + RETRY_MS
        if self._unknown_since_ms is None:
            self._unknown_since_ms = now_ms
        return True

    def away_since(self, now_ms: int) -> int | None:
        """Since when nothing can be compared because the enrolment cannot be had; else None.

        Only after the time within which policy wants a comparison (a cold face index takes some
        seconds to answer), and not while an earlier look-up's template is there.
        """
        since_ms = self._unknown_since_ms
        if self._templates or since_ms is None or now_ms - since_ms < self._every_ms:
            return None
        return since_ms

    async def look_up(self, now_ms: int) -> None:
        """Load the candidate's newest template of each known model.

        Raises:
            StateStoreUnavailable: The templates cannot be reached; what was loaded is kept.
        """
        try:
            found = await self._find()
        finally:
            self._is_looking_up = False
        if self._is_over:
            return
        self._unknown_since_ms = None
        if self._versions(found) != self._versions(self._templates) and found:
            self.schedule.restart(now_ms)
        self._templates = found
        self._look_up_ms = now_ms + (REFRESH_MS if found else RETRY_MS)

    async def _find(self) -> dict[ModelRef, FaceTemplate]:
        spec, found = self._spec, {}
        for model in self._calibrations:
            template = await self._faces.find(spec.tenant_id, spec.candidate_id, model)
            if template is not None:
                found[model] = template
        return found

    def wants(self, now_ms: int) -> bool:
        """Whether an embedding should be asked for: somebody is enrolled and a comparison is due."""
        return bool(self._templates) and self.schedule.wants(now_ms)

    def hurries(self, now_ms: int) -> bool:
        """Whether pictures are wanted faster for a comparison."""
        return bool(self._templates) and self.schedule.hurries(now_ms)

    def compare(self, embedding: Embedding, producer: Producer) -> tuple[float, int] | None:
        """(probability of the same person, template version); None without a template of this model.

        Raises:
            ValueError: The embedding does not have the length of the template's.
        """
        model = ModelRef(producer.model, producer.version)
        template = self._templates.get(model)
        if template is None:
            return None
        if embedding.shape != template.embeddings.shape[1:]:
            raise ValueError("an embedding has another length than the template of its model")
        calibration = self._calibrations[model]
        distance = pair_distance(embedding, template.embeddings, calibration.metric)
        self.schedule.compared()
        return match_probability(distance, calibration), template.version

    def forget(self) -> None:
        """Drop the template, and one that is still on its way: the connection is over."""
        self._templates, self._is_over = {}, True

    @staticmethod
    def _versions(templates: Mapping[ModelRef, FaceTemplate]) -> dict[ModelRef, int]:
        return {model: template.version for model, template in templates.items()}


async def look_up(check: IdentityCheck, now_ms: int, metrics: Metrics) -> None:
    """Load the template as a task of its own: whether it could be had is counted, nothing is raised."""
    try:
        await check.look_up(now_ms)
    except Unavailable:
        outcome = "unavailable"
    except Exception:  # a task's boundary: without a template identity stays unverified
        outcome = "failed"
        about = {"session_id": check._spec.session_id, "epoch": check._spec.epoch}
        logger.exception("a template could not be looked up", extra=about)
    else:
        outcome = "answered"
    metrics.count("host_template_lookups", outcome=outcome)
