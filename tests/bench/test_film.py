"""Films: strips spliced so that a decoder can follow, from a cache that survives, and only names travel."""

import pickle
from pathlib import Path

import av
import numpy as np
import pytest

from bench.candidate.film import PICTURE_MS, Cue, Film, Library, Spool, Strip, digest_of
from bench.candidate.pictures import Covered, Moved, Swaying
from bench.candidate.reels import encode_pictures
from bench.candidate.stills import empty_room
from bench.footage import CALM_S, Footage, cut_film, prepare, write_script
from bench.people import Person, gather_people
from bench.schedule import Event, plan_events
from proctor.fusion.policy import parse_policy

STANDARD = parse_policy(Path("policies/standard.yaml").read_text())


def strip(name: str, count: int, every: int) -> Strip:
    units = tuple(f"{name}{number}".encode() for number in range(count))
    return Strip(units, tuple(range(0, count, every)))


@pytest.fixture
def library(tmp_path: Path) -> Library:
    strip("a", 20, 10).save(tmp_path / "1.npz")
    strip("b", 6, 6).save(tmp_path / "2.npz")
    return Library(tmp_path, {"a": "1.npz", "b": "2.npz"})


def test_a_strip_is_read_as_it_was_written_and_travels_by_name(library: Library) -> None:
    assert library["a"] == strip("a", 20, 10)
    again = pickle.loads(pickle.dumps(library))
    assert again["b"] == strip("b", 6, 6) and len(pickle.dumps(library)) < 400
    assert [path.suffix for path in library.folder.iterdir()] == [".npz", ".npz"]


def test_a_strip_that_nothing_can_begin_with_is_refused() -> None:
    for units, keys in (((), ()), ((b"x",), ()), ((b"x", b"y"), (1,))):
        with pytest.raises(ValueError, match="begins with"):
            Strip(units, keys)


def test_a_spool_plays_cue_after_cue_and_goes_round(library: Library) -> None:
    cues = (Cue(0, "a", 10), Cue(1200, "b"), Cue(2400, "a"))
    spool = Spool(cues, library, PICTURE_MS, 8.0)
    played = [spool.unit(number).decode() for number in range(spool.count)]
    assert spool.count == 40
    assert played[:6] == ["a10", "a11", "a12", "a13", "a14", "a15"]
    assert played[6:12] == ["b0", "b1", "b2", "b3", "b4", "b5"]
    assert played[12:14] == ["a0", "a1"] and played[31:34] == ["a19", "a0", "a1"]


def test_a_wish_for_a_key_frame_is_granted_at_once_and_ends_with_the_cue(library: Library) -> None:
    spool = Spool((Cue(0, "a"), Cue(3000, "b")), library, PICTURE_MS, 4.0)
    assert spool.unit(2) == b"a2"
    spool.skip_to_key(3)
    assert [spool.unit(number) for number in (3, 4)] == [b"a10", b"a11"]
    spool.skip_to_key(5)
    assert spool.unit(5) == b"a0"  # after the last key frame comes the first
    assert spool.unit(15) == b"b0"


@pytest.mark.parametrize(
    ("starts", "said"),
    [((), "start at 0"), ((600,), "start at 0"), ((0, 700), "grid"), ((0, 0), "0")],
)
def test_cues_out_of_order_or_beside_the_grid_are_refused(
    starts: tuple[int, ...], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Film(
            video=tuple(Cue(start, "a") for start in starts),
            audio=(Cue(0, "a"),),
            length_s=9,
            ptime_ms=60,
        )


def test_a_digest_follows_the_content_and_the_encoding() -> None:
    names = {
        digest_of({"kbps": 1}, [b"x"]),
        digest_of({"kbps": 2}, [b"x"]),
        digest_of({"kbps": 1}, [b"y"]),
        digest_of({"kbps": 1}, [b"x", b"y"]),
    }
    assert len(names) == 4 and digest_of({"kbps": 1}, [b"x"]) in names


def person(name: str = "person-0") -> Person:
    moved = Moved(empty_room(1))
    acts = dict.fromkeys(("leaves", "beside", "covers"), (moved, moved))
    return Person(name=name, calm=moved, acts=acts, enrolment=())


def footage(tmp_path: Path) -> Footage:
    from bench.candidate.sounds import QuietRoom

    return Footage(
        people=(person("person-0"), person("person-1")),
        speeches=(QuietRoom(1), QuietRoom(2)),
        library=Library(tmp_path, {}),
        source="a room",
        ptime_ms=60,
    )


def test_a_film_shows_each_event_at_its_time_and_calm_between(tmp_path: Path) -> None:
    events = (Event(12_000, "leaves", 0), Event(30_000, "speaks", 3))
    film = cut_film(footage(tmp_path), 1, events, 60)
    assert [(cue.start_ms, cue.strip) for cue in film.video] == [
        (0, "person-1/calm"),
        (12_000, "person-1/leaves/0"),
        (18_000, "person-1/calm"),
    ]
    assert film.video[2].first == 90  # eighteen seconds on, where a decoder can begin
    assert [(cue.start_ms, cue.strip) for cue in film.audio] == [
        (0, "quiet/1/60"),
        (30_000, "speaks/1/60"),
        (36_000, "quiet/1/60"),
    ]
    fine = cut_film(footage(tmp_path), 1, events, 60, 20)
    assert {cue.strip.rpartition("/")[2] for cue in fine.audio} == {"20"} and fine.ptime_ms == 20


def test_candidates_who_share_a_person_are_elsewhere_in_the_footage(tmp_path: Path) -> None:
    firsts = [cut_film(footage(tmp_path), number, (), 60).video[0] for number in range(12)]
    assert len({(cue.strip, cue.first) for cue in firsts}) == 12
    assert all(cue.first % 10 == 0 and cue.first < CALM_S * 5 for cue in firsts)


def test_what_is_expected_is_what_the_film_shows(tmp_path: Path) -> None:
    of = footage(tmp_path)
    events = plan_events(0, 200, 40, of.people[0].kinds)
    script = write_script(of, 0, events, 200, STANDARD)
    told = [(s.start_s * 1000, s.expects[0].rule_id) for s in script.scenes if s.expects]
    rules = {"leaves": "no_face", "beside": "several_faces", "covers": "camera_covered"}
    assert told == [(e.start_ms, rules.get(e.kind, "speech")) for e in events] and len(told) >= 4
    assert all("video_repeated" not in scene.may for scene in script.scenes)


def test_spliced_pictures_decode_to_what_was_filmed(tmp_path: Path) -> None:
    light, dark = Moved(empty_room(1), 1), Covered(2)
    shots = {"light": (light, 20), "dark": (dark, 10)}
    for name, (source, count) in shots.items():
        pictures = ((source.at(n), n == 0) for n in range(count))
        Strip.of(list(encode_pictures(pictures, 250))).save(tmp_path / name)
    cues = (Cue(0, "light", 10), Cue(1200, "dark"), Cue(2400, "light", 10))
    library = Library(tmp_path, {name: name for name in shots})
    spool = Spool(cues, library, PICTURE_MS, 3.6)
    decoder = av.CodecContext.create("libvpx", "r")
    seen = [
        float(frame.to_ndarray(format="rgb24").mean())
        for number in range(spool.count)
        for frame in decoder.decode(av.Packet(spool.unit(number)))
    ]
    assert [value > 50 for value in seen] == [True] * 6 + [False] * 6 + [True] * 6


def test_a_short_clip_before_a_moving_camera_never_comes_again() -> None:
    class Blinking:
        def at(self, index: int) -> np.ndarray:
            return Moved(empty_room(1), 1).at(index % 3)

    swaying = Swaying(Blinking(), 2)
    shown = [swaying.at(index) for index in range(0, 60, 3)]
    apart = [np.abs(a.astype(int) - b).mean() for n, a in enumerate(shown) for b in shown[:n]]
    assert min(apart) > 1.0


def test_footage_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2

    from tests.bench.test_story import _write_wave

    monkeypatch.setattr("bench.footage.CALM_S", 2)
    cv2.imwrite(str(tmp_path / "who.png"), np.random.default_rng(1).integers(0, 255, (64, 64, 3)))
    _write_wave(tmp_path / "said.wav")
    people, speeches, source = gather_people(
        tmp_path / "who.png", tmp_path / "said.wav", None, 4, 1
    )
    assert len(people) == 1 and "portrait" in source and len(speeches) == 1
    steps: list[str] = []
    cache = tmp_path / "cache"
    first = prepare(people, speeches, source, 60, cache, steps.append, 1)
    made = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = prepare(people, speeches, source, 60, cache, steps.append, 1)
    assert len(steps) == 1 and again.library.files == first.library.files
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == made
    assert len(first.library["person-0/calm"].units) == 10


def test_only_people_who_look_ahead_are_before_the_cameras(tmp_path: Path) -> None:
    import cv2

    from tests.bench.test_story import _write_wave

    for name in ("ada", "ben", "cleo", "dana"):
        folder = tmp_path / "people" / name
        folder.mkdir(parents=True)
        picture = np.random.default_rng(len(name)).integers(0, 255, (64, 64, 3))
        cv2.imwrite(str(folder / "1.jpg"), picture)
    cv2.imwrite(str(tmp_path / "who.png"), picture)
    _write_wave(tmp_path / "said.wav")
    asked: list[bytes] = []

    def every_other(picture: bytes) -> bool:
        asked.append(picture)
        return len(asked) % 2 == 0

    own = (tmp_path / "who.png", tmp_path / "said.wav")
    (tmp_path / "audio").mkdir()
    people, _, _ = gather_people(*own, tmp_path, 3, 1, every_other)
    assert [one.name for one in people] == ["person-0", "person-1", "person-2"]
    assert len(asked) == 4
