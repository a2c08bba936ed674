"""Who can be before a load run's cameras, and what they say: real footage where there is some."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.candidate.pictures import Covered, Pictures, Seated, Swaying
from bench.candidate.sounds import RATE_HZ, Sound, Spoken, from_first_word, load_wave
from bench.candidate.stills import empty_room, jpeg, load_still, people_of
from bench.cast import ENROLMENT_PICTURES, Cast, gather_cast
from bench.schedule import LASTS_MS, RULES

_VOICES = ("audio/jfk.flac", "audio/silero_test.wav")
_VOICE_FOLDER = Path("audio") / "librispeech"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can be before the camera.

    Attributes:
        name: For the library; no name of a human being.
        calm: At work.
        acts: What they can do wrong, a take after another; keys of `schedule.RULES` but `speaks`.
        enrolment: Pictures to enrol, JPEG.
    """

    name: str
    calm: Pictures
    acts: Mapping[str, tuple[Pictures, ...]]
    enrolment: tuple[bytes, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """What they can do, in the order in which they do it."""
        return tuple(kind for kind in RULES if kind == "speaks" or kind in self.acts)


def anybody(_picture: bytes) -> bool:
    """Whoever it is."""
    return True


def gather_people(
    portrait: Path,
    speech: Path,
    media: Path | None,
    most: int,
    takes: int,
    looks_ahead: Callable[[bytes], bool] = anybody,
) -> tuple[tuple[Person, ...], tuple[Sound, ...], str]:
    """People, recordings, and in words what they are.

    Args:
        portrait: The product's own picture of a person.
        speech: The product's own recording.
        media: Real footage (see bench/cast.py); more people come from its folders of pictures.
        most: How many people at most.
        takes: How many takes of every act.
        looks_ahead: Whether somebody in a JPEG looks at the camera. A still that looks aside does so for
            the whole exam, and is told: nobody to hold false alerts against.
    """
    cast = gather_cast(portrait, speech, media)
    people = [_first(cast, takes)]
    recordings = [cast.speech]
    if media is not None:
        others = _faces(media, 4 * most)
        for number, still in enumerate(others):
            if len(people) == most:
                break
            one = _from_still(f"person-{len(people)}", still, others[number - 1], number, takes)
            if looks_ahead(one.enrolment[0]):
                people.append(one)
        recordings = [from_first_word(load_wave(path)) for path in _voices(media)] or recordings
    lasts = LASTS_MS["speaks"] * RATE_HZ // 1000
    speeches = [
        Spoken(recordings[take % len(recordings)][:lasts], seed=take, loop=True)
        for take in range(takes)
    ]
    what = "the product's own portrait and recording, moved" if media is None else "real footage"
    told = f"{what}: {len(people)} people, {len(recordings)} recordings"
    return tuple(people), tuple(speeches), told


def _first(cast: Cast, takes: int) -> Person:
    def moving(source: Pictures, seed: int) -> Pictures:
        return Swaying(source, seed)

    acts: dict[str, tuple[Pictures, ...]] = {
        "leaves": tuple(moving(cast.room, 10 + take) for take in range(takes)),
        "beside": tuple(moving(cast.beside, 30 + take) for take in range(takes)),
        "covers": tuple(Covered(50 + take) for take in range(takes)),
    }
    if cast.aside is not None:
        acts["aside"] = tuple(moving(cast.aside, 70 + take) for take in range(takes))
    return Person(
        name="person-0", calm=moving(cast.calm, 1), acts=acts, enrolment=cast.enrolment[:3]
    )


def _from_still(name: str, still: Path, neighbour: Path, number: int, takes: int) -> Person:
    room = empty_room(20 + number)
    here = (load_still(still), 0.42, 0.9)
    there = (load_still(neighbour), 0.82, 0.6)
    calm = Seated(room, [here], 100 * number + 1)
    seeds = range(100 * number + 2, 100 * number + 2 + takes)
    return Person(
        name=name,
        calm=calm,
        acts={
            "leaves": tuple(Seated(room, [], seed + 20) for seed in seeds),
            "beside": tuple(Seated(room, [there, here], seed + 40) for seed in seeds),
            "covers": tuple(Covered(seed + 60) for seed in seeds),
        },
        enrolment=tuple(jpeg(calm.at(index)) for index in ENROLMENT_PICTURES[:3]),
    )


def _faces(media: Path, most: int) -> list[Path]:
    for folder in (media / "images" / "lfw", media / "people", media):
        if people := people_of(folder, at_least=1, limit=10_000):
            first = sorted(people, key=lambda person: -len(person[1]))[:most]
            return [paths[0] for _, paths in first]
    return []


def _voices(media: Path) -> list[Path]:
    named = [media / name for name in _VOICES if (media / name).is_file()]
    return named[:1] + sorted((media / _VOICE_FOLDER).rglob("*.wav"))
