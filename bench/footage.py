"""Footage of the load generator: people at work for longer than five minutes, and what they do wrong.

Encoded once and kept in the user's cache folder, named by a digest of the content and of the encoding;
never part of the product. Real pictures come from the folder that `PROCTOR_MEDIA` names.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from bench.candidate.film import PICTURE_MS, Cue, Film, Library, Strip, digest_of
from bench.candidate.pictures import FPS, Pictures
from bench.candidate.pump import CHUNK
from bench.candidate.reels import KEY_FRAME_EVERY_S, encode_pictures, encode_sound
from bench.candidate.scenes import Expected, Scene, Script
from bench.candidate.sounds import RATE_HZ, Hiss, Sound
from bench.people import Person
from bench.schedule import LASTS_MS, RULES, Event, takes_needed
from bench.story import LOADED_DELIVERY_S, STILL_LIPS, dwell_s
from proctor.fusion.policy import Policy

NO_REPEAT_S = 300
CALM_S = 330
"""Longer than five minutes, and a whole number of key frame distances."""
KBPS = 250
"""What the product asks of a camera by default."""
HEADERS = 20 + 8 + 12 + 10
"""Bytes of IPv4, UDP, RTP and the tag of SRTP around a payload."""
_FORMAT = 1
_KEY_UNITS = KEY_FRAME_EVERY_S * FPS
_CALM_STEP_S = 46
"""Candidates who share a person begin this far apart in the footage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """Everything that can be played.

    Attributes:
        people: Who there is.
        speeches: Recordings to speak with.
        library: The encoded strips.
        source: What it was made of, for the report.
        ptime_ms: Length of a packet of sound.
    """

    people: tuple[Person, ...]
    speeches: tuple[Sound, ...]
    library: Library
    source: str
    ptime_ms: int

    def only(self, people: Sequence[Person]) -> "Footage":
        """The same with these people only."""
        return replace(self, people=tuple(people))


def cache_folder() -> Path:
    """Where encoded footage is kept: `rayproctor/footage` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "rayproctor" / "footage"


def prepare(
    people: Sequence[Person],
    speeches: Sequence[Sound],
    source: str,
    ptime_ms: int,
    folder: Path,
    say: Callable[[str], None],
    workers: int = 2,
    also_ptime_ms: tuple[int, ...] = (),
) -> Footage:
    """Encode what is not in the cache yet.

    Args:
        people: Whose pictures.
        speeches: What is said.
        source: In words.
        ptime_ms: Of the sound.
        folder: The cache.
        say: Told when there is something to encode.
        workers: How many processes encode.
        also_ptime_ms: Other packet times that the sound is wanted in.
    """
    jobs: dict[str, _Job] = {}
    for person in people:
        jobs[f"{person.name}/calm"] = _Shots(person.calm, CALM_S * FPS)
        for kind, takes in person.acts.items():
            for take, pictures in enumerate(takes):
                units = LASTS_MS[kind] // PICTURE_MS
                jobs[f"{person.name}/{kind}/{take}"] = _Shots(pictures, units)
    for ptime in (ptime_ms, *also_ptime_ms):
        for seed in range(2):
            jobs[f"quiet/{seed}/{ptime}"] = _Noises(Hiss(seed), CALM_S * 1000, ptime)
        for take, said in enumerate(speeches):
            jobs[f"speaks/{take}/{ptime}"] = _Noises(said, LASTS_MS["speaks"], ptime)
    files = {name: f"{job.digest()}.npz" for name, job in jobs.items()}
    missing = [name for name, file in files.items() if not (folder / file).is_file()]
    if missing:
        say(f"encoding {len(missing)} of {len(jobs)} strips of footage, once: {folder}")
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            paths = [folder / files[name] for name in missing]
            list(pool.map(_encode_to, [jobs[name] for name in missing], paths))
    return Footage(
        people=tuple(people),
        speeches=tuple(speeches),
        library=Library(folder, files),
        source=source,
        ptime_ms=ptime_ms,
    )


@dataclass(frozen=True, slots=True)
class _Shots:
    pictures: Pictures
    units: int

    def digest(self) -> str:
        samples = [self.pictures.at(n).tobytes() for n in (0, self.units // 3, self.units - 1)]
        spec: dict[str, object] = {"format": _FORMAT, "units": self.units, "kbps": KBPS}
        return digest_of({**spec, "key_units": _KEY_UNITS}, samples)

    def encode(self) -> Strip:
        shown = ((self.pictures.at(n), n == 0) for n in range(self.units))
        return Strip.of(list(encode_pictures(shown, KBPS)))


@dataclass(frozen=True, slots=True)
class _Noises:
    sound: Sound
    length_ms: int
    ptime_ms: int

    def digest(self) -> str:
        starts = (0, self.length_ms * 48 // 3, self.length_ms * 47)
        samples = [self.sound.samples(start, 480).tobytes() for start in starts]
        spec: dict[str, object] = {"format": _FORMAT, "length_ms": self.length_ms}
        return digest_of({**spec, "ptime_ms": self.ptime_ms}, samples)

    def encode(self) -> Strip:
        block = RATE_HZ * self.ptime_ms // 1000
        count = self.length_ms // self.ptime_ms
        heard = (self.sound.samples(n * block, block) for n in range(count))
        return Strip.of(list(encode_sound(heard, self.ptime_ms)))


_Job = _Shots | _Noises


def _encode_to(job: _Job, path: Path) -> None:
    job.encode().save(path)


def person_of(footage: Footage, number: int) -> Person:
    """Who candidate `number` is."""
    return footage.people[number % len(footage.people)]


def write_script(
    footage: Footage, number: int, events: Sequence[Event], length_s: float, policy: Policy
) -> Script:
    """What a proctor must hear of a candidate's events. An alert told twice is not false."""
    person = person_of(footage, number)
    quiet: Sound = Hiss(0)
    scenes: list[Scene] = []

    def add(start_ms: int, name: str, expects: tuple[Expected, ...]) -> None:
        may = STILL_LIPS | {expected.rule_id for expected in expects}
        scenes.append(
            Scene(
                name=f"{name} {len(scenes)}",
                start_s=start_ms / 1000,
                picture=person.calm,
                sound=quiet,
                expects=expects,
                may=may,
            )
        )

    add(0, "calm", ())
    for event in events:
        rule = RULES[event.kind]
        dwell = dwell_s(policy, rule)
        due = Expected(rule_id=rule, within_s=dwell + LOADED_DELIVERY_S, dwell_s=dwell)
        add(event.start_ms, event.kind, (due,))
        add(event.end_ms, "calm", ())
    return Script(scenes, length_s)


def cut_film(
    footage: Footage, number: int, events: Sequence[Event], length_s: float, ptime_ms: int = 0
) -> Film:
    """The film of a candidate: calm, and every event at its time; nothing is encoded.

    Args:
        footage: Of which strips.
        number: The candidate, from 0.
        events: As planned.
        length_s: Of the film.
        ptime_ms: Of the sound; 0: as the footage says.
    """
    person = person_of(footage, number)
    ptime_ms = ptime_ms or footage.ptime_ms
    begins_s = (number // len(footage.people)) * _CALM_STEP_S
    calm_units = CALM_S * FPS

    def calm(at_ms: int) -> Cue:
        unit = begins_s * FPS + at_ms // PICTURE_MS
        return Cue(at_ms, f"{person.name}/calm", -(-unit // _KEY_UNITS) * _KEY_UNITS % calm_units)

    def quiet(at_ms: int) -> Cue:
        units = CALM_S * 1000 // ptime_ms
        unit = (begins_s * 1000 + at_ms) // ptime_ms
        return Cue(at_ms, f"quiet/{number % 2}/{ptime_ms}", unit % units)

    video, audio = [calm(0)], [quiet(0)]
    for event in events:
        if event.kind == "speaks":
            take = event.turn % len(footage.speeches)
            audio += [Cue(event.start_ms, f"speaks/{take}/{ptime_ms}"), quiet(event.end_ms)]
        else:
            take = event.turn % len(person.acts[event.kind])
            strip = f"{person.name}/{event.kind}/{take}"
            video += [Cue(event.start_ms, strip), calm(event.end_ms)]
    return Film(video=tuple(video), audio=tuple(audio), length_s=length_s, ptime_ms=ptime_ms)


def kbps_of(footage: Footage) -> float:
    """What a candidate at work sends, kbit/s, with the headers of RTP, SRTP, UDP and IP."""
    ptime_ms = footage.ptime_ms
    sound = footage.library[f"quiet/0/{ptime_ms}"].units
    video = [footage.library[f"{person.name}/calm"].units for person in footage.people]
    pictures = sum(
        len(unit) + -(-len(unit) // CHUNK) * (HEADERS + 4) for units in video for unit in units
    )
    heard = sum(len(unit) + HEADERS for unit in sound) / (len(sound) * ptime_ms)
    seen = pictures / (sum(len(units) for units in video) * PICTURE_MS)
    return 8 * (heard + seen)


def takes_for(every_s: float) -> int:
    """Takes of every act so that a candidate's footage does not repeat within five minutes."""
    return min(8, takes_needed(every_s, len(RULES) - 1, NO_REPEAT_S))
