"""The order in which the observations of one report are judged: by what they say, not by who was faster.

Model groups answer when they answer, so the host may collect the facts of a tick in any order. Which of
two facts of one moment is judged first can matter (a gaze is set aside while the video is blind): the
order is fixed here, for the live judge and for a replay alike. What one source says of one thing within
a millisecond (the media path: blind, then monitored) keeps its order: it is a story, and the last word
counts. Why: docs/decisions/0008.
"""

from collections.abc import Sequence
from itertools import pairwise

from proctor.domain.observations import (
    BodySeen,
    ClientEvent,
    FaceMatched,
    FacesSeen,
    FootageSeen,
    GazeSeen,
    LivenessSeen,
    ObjectsSeen,
    Observation,
    PictureSeen,
    SpeakersHeard,
    SpeechHeard,
    StreamState,
)

_RANKS = {
    kind: rank
    for rank, kind in enumerate(
        (
            StreamState,  # whether anything can be seen or heard at all
            PictureSeen,  # whether the picture shows anything
            FootageSeen,
            FacesSeen,  # what the picture shows, the face before what is read off it
            GazeSeen,
            FaceMatched,
            LivenessSeen,
            BodySeen,
            ObjectsSeen,
            SpeechHeard,
            SpeakersHeard,
            ClientEvent,
        )
    )
}


def in_order(observations: Sequence[Observation]) -> Sequence[Observation]:
    """Oldest first; of one moment the view before what is seen in it; then by what they say."""
    if len(observations) < 2:
        return observations
    places = [(seen.observed_ms, _RANKS[type(seen)]) for seen in observations]
    if all(before < after for before, after in pairwise(places)):
        return observations  # as hosts send them, nearly always
    return sorted(
        observations, key=lambda seen: (seen.observed_ms, _RANKS[type(seen)], _said(seen))
    )


def _said(seen: Observation) -> str:
    return "" if isinstance(seen, StreamState | ClientEvent) else repr(seen)
