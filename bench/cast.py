"""Who is in front of the camera: the portrait that comes with the product, or real footage.

A folder of media may hold `video/gaze_center_left_center.mp4` (the candidate, who looks aside from
second 6 to 10), people as folders of pictures (`images/lfw/<name>/*.jpg`, or right below the folder)
and a recording of speech (`audio/jfk.flac`). What is absent is replaced or left out, and said so.
"""

from dataclasses import dataclass
from pathlib import Path

from bench.candidate.pictures import Album, Clip, Covered, Excerpt, Moved, Pictures
from bench.candidate.sounds import Wave, from_first_word, load_wave
from bench.candidate.stills import (
    cut,
    empty_room,
    jpeg,
    load_still,
    mirrored,
    people_of,
    standing,
)
from proctor.domain.media import Image

CLIP = Path("video") / "gaze_center_left_center.mp4"
SPEECH = Path("audio") / "jfk.flac"
ENROLMENT_PICTURES = (0, 4, 9, 14, 20)
PROBE_PICTURES = (2, 7, 12, 17)
_ROOM_SEED = 3
_PORTRAIT = (0.04, 0.0, 0.80, 0.57)
"""Head and shoulders of the astronaut, 4:3, away from the edges."""
_UPRIGHT = (0.22, 0.0, 0.62, 0.60)
"""The same person, 2:3, to stand beside another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everything that the story shows and says.

    Attributes:
        calm: The candidate at work.
        aside: The candidate looking to the left; None without footage of it.
        room: The room without anybody.
        beside: The candidate with somebody else beside.
        other: Another person in the candidate's place; None without a picture of one.
        covered: The lens with something over it.
        speech: Somebody speaking.
        enrolment: Pictures to enrol, JPEG.
        probes: Pictures to verify, JPEG.
        other_probes: Pictures of the other person; empty without one.
        notes: What is left out or replaced, and why.
    """

    calm: Pictures
    aside: Pictures | None
    room: Pictures
    beside: Pictures
    other: Pictures | None
    covered: Pictures
    speech: Wave
    enrolment: tuple[bytes, ...]
    probes: tuple[bytes, ...]
    other_probes: tuple[bytes, ...]
    notes: tuple[str, ...]


def gather_cast(portrait: Path, speech: Path, media: Path | None) -> Cast:
    """Load what there is. `portrait` and `speech` are the product's own; `media` may add to them."""
    notes: list[str] = []
    room = empty_room(_ROOM_SEED)
    stranger = _stranger(media)
    clip_path = media / CLIP if media else None
    calm: Pictures
    aside: Pictures | None = None
    if clip_path is not None and clip_path.is_file():
        clip = Clip(clip_path, top=0.05, bottom=0.72)
        calm, aside = Excerpt(clip, 0.4, 4.8), Excerpt(clip, 6.4, 9.4)
        standing_candidate = cut(clip.at(0), 0.18, 0.0, 0.82, 1.0)
    else:
        still = load_still(portrait)
        calm = Moved(cut(still, *_PORTRAIT), seed=1)
        standing_candidate = cut(still, *_UPRIGHT)
        notes.append("looks aside: left out, a still portrait cannot move its eyes")
    if stranger:
        neighbour = stranger[0]
    else:
        neighbour = mirrored(standing_candidate)
        notes.append("the person beside is the portrait mirrored: no second person's picture here")
        notes.append("replaced by another person: left out, no second person's picture here")
    pair = standing(room, standing_candidate, 0.29, 1.0)
    beside = standing(pair, neighbour, 0.75, 0.62 if stranger else 0.86)
    other = Album([standing(room, face, 0.5, 0.85) for face in stranger], 7) if stranger else None
    spoken = media / SPEECH if media and (media / SPEECH).is_file() else speech
    return Cast(
        calm=calm,
        aside=aside,
        room=Moved(room, seed=2),
        beside=Moved(beside, seed=4),
        other=other,
        covered=Covered(seed=5),
        speech=from_first_word(load_wave(spoken)),
        enrolment=tuple(jpeg(calm.at(index)) for index in ENROLMENT_PICTURES),
        probes=tuple(jpeg(calm.at(index)) for index in PROBE_PICTURES),
        other_probes=tuple(jpeg(other.at(index)) for index in PROBE_PICTURES) if other else (),
        notes=tuple(notes),
    )


def _stranger(media: Path | None) -> tuple[Image, ...]:
    """A few pictures of the one person of whom there are most; nothing without a folder of people."""
    if media is None:
        return ()
    for folder in (media / "images" / "lfw", media / "people", media):
        if people := people_of(folder, at_least=1, limit=10_000):
            _, paths = max(people, key=lambda person: len(person[1]))
            return tuple(load_still(path) for path in paths[:3])
    return ()
