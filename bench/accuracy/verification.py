"""Is it the same person? Error rates over all pictures of a folder of people.

One picture against one, over every pair of pictures; and as the product decides, three enrolled
pictures against three frames, each past the enrolment's quality gate. The labelled person of such a
folder is the one in the middle of the picture.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bench.accuracy.figures import Estimate, Figure, Wanted, missing
from bench.accuracy.media import Media, Pair
from bench.accuracy.statistics import (
    Floats,
    Rates,
    Whole,
    bootstrap,
    share,
    sorted_comparisons,
)
from proctor.domain.candidates import Decision
from proctor.domain.perception import Embedding, FaceAnswer, FaceAsk, FaceReading
from proctor.identity.matching import MatchCalibration, Metric, decide, match_probability
from proctor.identity.quality import picture_reasons
from proctor.ports.world import Perception

PICTURES_PER_CALL = 32
ENROLLED = FRAMES = 3
SHUFFLES = 10
KEPT_SHARE = 0.2
"""Of the wrong comparisons the nearest fifth is kept: no rate that matters lies beyond."""
MIDDLE_SHARE = 0.6
NO_CALIBRATION = "the model has no calibration yet"

WANTED: tuple[Wanted, ...] = (
    ("verification.accuracy", "labelled pairs told right", "share"),
    ("verification.eer", "equal error, one picture against one", "share"),
    ("verification.fnmr_at_fmr_1e3", "right person refused at FMR 1e-3, one against one", "share"),
    ("verification.fnmr_at_fmr_1e4", "right person refused at FMR 1e-4, one against one", "share"),
    ("verification.fnmr_3x3_at_fmr_1e3", "the same, 3 enrolled x 3 frames, FMR 1e-3", "share"),
    ("verification.failure_to_acquire", "pictures without a usable face", "share"),
    ("verification.refused_by_quality_gate", "pictures the enrolment would refuse", "share"),
    ("verification.match_right_person", "right person, 3 x 3, manifest's limits: match", "share"),
    ("verification.no_match_right_person", "right person: no match", "share"),
    ("verification.match_wrong_person", "wrong person, 3 x 3, manifest's limits: match", "share"),
    ("verification.no_match_wrong_person", "wrong person: no match", "share"),
)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Faces:
    """What was read of a folder of people; row n of each array is one picture.

    Attributes:
        vectors: (n, d) embeddings of the pictures that have one.
        person: (n,) whose, a number.
        good: (n,) whether the enrolment would take the picture.
        row: Picture -> row; pictures without a face have none.
        names: Person's number -> name.
        failures: (m, 2) per picture asked: person, whether no face was had.
    """

    vectors: Floats
    person: Whole
    good: npt.NDArray[np.bool_]
    row: Mapping[Path, int]
    names: Sequence[str]
    failures: Whole


async def read_faces(perception: Perception, people: Mapping[str, Sequence[Path]]) -> Faces:
    """Embed the labelled face of every picture."""
    pictures = [(number, path) for number, paths in enumerate(people.values()) for path in paths]
    vectors: list[Embedding] = []
    person, good, failures = [], [], []
    row: dict[Path, int] = {}
    for start in range(0, len(pictures), PICTURES_PER_CALL):
        some = pictures[start : start + PICTURES_PER_CALL]
        answers = await read_labelled(perception, [path.read_bytes() for _, path in some])
        for (number, path), answer in zip(some, answers, strict=True):
            face = embedded(answer)
            failures.append((number, int(face is None)))
            if face is None or face.embedding is None:
                continue
            row[path] = len(vectors)
            vectors.append(face.embedding)
            person.append(number)
            good.append(not picture_reasons(answer))
    return Faces(
        vectors=np.array(vectors, np.float64).reshape(len(vectors), -1),
        person=np.array(person, np.int64),
        good=np.array(good, bool),
        row=row,
        names=list(people),
        failures=np.array(failures, np.int64).reshape(-1, 2),
    )


async def read_labelled(perception: Perception, pictures: Sequence[bytes]) -> list[FaceAnswer]:
    """Read the labelled face of each picture, the one in the middle."""
    asked = [FaceAsk(picture=picture, embed=True) for picture in pictures]
    answers = list(await perception.faces(asked))
    aside = [at for at, answer in enumerate(answers) if not _shows_the_middle(answer)]
    again = [FaceAsk(picture=_middle(pictures[at]), embed=True) for at in aside]
    for at, answer in zip(aside, await perception.faces(again) if again else (), strict=True):
        if embedded(answer) is not None:
            answers[at] = answer
    return answers


def embedded(answer: FaceAnswer) -> FaceReading | None:
    """The face that has an embedding; None without one."""
    return next((face for face in answer.faces if face.embedding is not None), None)


def _shows_the_middle(answer: FaceAnswer) -> bool:
    """Whether the face that was embedded is the one in the middle of the picture."""
    face = embedded(answer)
    if face is None:
        return False
    box = face.box
    return box.left <= 0.5 <= box.left + box.width and box.top <= 0.5 <= box.top + box.height


def _middle(picture: bytes) -> bytes:
    """The middle of a picture alone, as PNG; the picture itself when it cannot be read."""
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return picture
    height, width = image.shape[:2]
    top, left = (round(side * (1 - MIDDLE_SHARE) / 2) for side in (height, width))
    cut = image[top : height - top, left : width - left]
    return cv2.imencode(".png", cut)[1].tobytes()


def distances(one: Floats, other: Floats, metric: Metric) -> Floats:
    """(n, m) distances of the rows of two matrices, as `proctor.identity.matching` takes them."""
    if metric == "cosine":
        a = one / np.maximum(np.linalg.norm(one, axis=1, keepdims=True), 1e-12)
        b = other / np.maximum(np.linalg.norm(other, axis=1, keepdims=True), 1e-12)
        cosine: Floats = 1 - a @ b.T
        return cosine
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)[None]
    l2: Floats = np.sqrt(np.maximum(squares - 2 * one @ other.T, 0))
    return l2


def one_against_one(faces: Faces, metric: Metric) -> Rates:
    """Every pair of pictures."""
    person = faces.person
    right, right_of = [], []
    for number in np.unique(person):
        own = faces.vectors[person == number]
        if len(own) > 1:
            between = distances(own, own, metric)[np.triu_indices(len(own), 1)]
            right.append(between)
            right_of.append(np.full(len(between), number))
    farthest = _farthest_kept(faces, metric)
    wrong, first, second = [], [], []
    for at in range(0, len(person), 512):
        between = distances(faces.vectors[at : at + 512], faces.vectors, metric)
        rows, columns = np.nonzero(between <= farthest)
        ahead = (columns > rows + at) & (person[rows + at] != person[columns])
        rows, columns = rows[ahead], columns[ahead]
        wrong.append(between[rows, columns])
        first.append(person[rows + at])
        second.append(person[columns])
    return Rates(
        sorted_comparisons(
            np.concatenate(right or [np.empty(0)]),
            np.concatenate(right_of or [np.empty(0, np.int64)]),
            np.concatenate(wrong or [np.empty(0)]),
            np.stack([np.concatenate(each or [np.empty(0, np.int64)]) for each in (first, second)]),
            np.bincount(person, minlength=len(faces.names)),
        )
    )


def _farthest_kept(faces: Faces, metric: Metric) -> float:
    rng = np.random.default_rng(0)
    some = rng.choice(len(faces.person), min(len(faces.person), 1000), replace=False)
    between = distances(faces.vectors[some], faces.vectors[some], metric)
    other = faces.person[some][:, None] != faces.person[some][None]
    if not other.any():
        return 0.0
    return float(np.quantile(between[other], KEPT_SHARE if len(faces.person) > 1000 else 1.0))


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ThreeByThree:
    """Decisions about people with enough good pictures.

    Attributes:
        rates: Of the mean distance.
        right: Mean distances of right persons; `right_of` says whose.
        right_of: Numbers of those people.
        wrong: Mean distances of wrong persons.
        wrong_of: (2, n) whose pictures were enrolled and whose were held against them.
        people: How many have six good pictures, how many three.
    """

    rates: Rates
    right: Floats
    right_of: Whole
    wrong: Floats
    wrong_of: Whole
    people: tuple[int, int]


def three_by_three(faces: Faces, metric: Metric, seed: int = 0) -> ThreeByThree | None:
    """Mean distances of three enrolled pictures and three frames, shuffled ten times.

    Log-odds are linear in the distance, so the mean distance decides as the product does. None when
    nobody has six good pictures, or nobody else three.
    """
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero((faces.person == n) & faces.good) for n in range(len(faces.names))]
    impostors = [n for n, own in enumerate(rows) if len(own) >= ENROLLED]
    genuine = np.array([len(rows[n]) >= ENROLLED + FRAMES for n in impostors])
    if not genuine.any() or len(impostors) < 2:
        return None
    count = len(impostors)
    apart = ~np.eye(count, dtype=bool)
    right, wrong = [], []
    for _ in range(SHUFFLES):
        orders = [rng.permutation(rows[n]) for n in impostors]
        enrolled = np.concatenate([order[:ENROLLED] for order in orders])
        probes = np.concatenate([order[-FRAMES:] for order in orders])
        between = distances(faces.vectors[enrolled], faces.vectors[probes], metric)
        mean = between.reshape(count, ENROLLED, count, FRAMES).mean(axis=(1, 3))
        right.append(np.diag(mean)[genuine])
        wrong.append(mean[apart])
    right_of = np.tile(np.flatnonzero(genuine), SHUFFLES)
    wrong_of = np.tile(np.stack(np.nonzero(apart)), SHUFFLES)
    all_right, all_wrong = np.concatenate(right), np.concatenate(wrong)
    return ThreeByThree(
        rates=Rates(
            sorted_comparisons(
                all_right,
                right_of,
                all_wrong,
                wrong_of,
                np.ones(count, np.int64),
                ordered=True,
                rounds=SHUFFLES,
            )
        ),
        right=all_right,
        right_of=right_of,
        wrong=all_wrong,
        wrong_of=wrong_of,
        people=(int(genuine.sum()), count),
    )


def pairs_told_right(
    pairs: Sequence[Pair], faces: Faces, calibration: MatchCalibration
) -> tuple[Estimate | None, int]:
    """Share of labelled pairs on the right side of the manifest's midpoint, and how many there were.

    A pair with a picture in which no face was found is told wrong.
    """
    number = {name: at for at, name in enumerate(faces.names)}
    hits, owners = [], []
    for pair in pairs:
        people = [number.get(path.parent.name) for path in (pair.one, pair.other)]
        if people[0] is None or people[1] is None:
            continue
        rows = [faces.row.get(path) for path in (pair.one, pair.other)]
        is_told_same = None
        if rows[0] is not None and rows[1] is not None:
            one, other = faces.vectors[rows[0]][None], faces.vectors[rows[1]][None]
            distance = float(distances(one, other, calibration.metric)[0, 0])
            is_told_same = match_probability(distance, calibration) >= 0.5
        hits.append(is_told_same is pair.same)
        owners.append(people)
    if not hits:
        return None, 0
    whose, right = np.array(owners, np.int64), np.array(hits, np.float64)
    alone = whose[:, 0] == whose[:, 1]

    def accuracy(weights: Floats) -> float:
        each = weights[whose[:, 0]] * np.where(alone, 1.0, weights[whose[:, 1]])
        return float(each @ right / each.sum()) if each.sum() else float("nan")

    return bootstrap(len(faces.names), accuracy), len(hits)


async def measure_verification(
    perception: Perception,
    media: Media,
    people: Mapping[str, Sequence[Path]],
    calibration: MatchCalibration | None,
    most_people: int | None = None,
) -> list[Figure]:
    """All figures of this part.

    Args:
        perception: With the face group.
        media: Where the labels are.
        people: As `Media.people` tells them.
        calibration: The manifest's; None for a model that was never calibrated.
        most_people: Only so many people, those with the most pictures first.
    """
    people = those_with_most(people, most_people)
    if not people:
        return missing(WANTED, "no pictures of people")
    faces = await read_faces(perception, people)
    found = taken(faces.failures, faces.good, faces.person, len(people))
    if len(faces.vectors):
        found |= _rates(faces, calibration, media.pairs())
    why = NO_CALIBRATION if len(faces.vectors) else "no face was found"
    return [
        Figure(key=key, label=label, unit=unit, found=value, basis=basis)
        for key, label, unit in WANTED
        for value, basis in [found.get(key, (None, why))]
    ]


def those_with_most(
    people: Mapping[str, Sequence[Path]], most_people: int | None
) -> Mapping[str, Sequence[Path]]:
    """Only so many people, those with the most pictures; all of them for None."""
    if most_people is None:
        return people
    most = sorted(people, key=lambda name: (-len(people[name]), name))[:most_people]
    return {name: people[name] for name in sorted(most)}


def taken(
    failures: Whole, good: npt.NDArray[np.bool_], person: Whole, people: int
) -> dict[str, tuple[Estimate | None, str]]:
    """How many pictures give a face, and how many of these the enrolment would refuse.

    Args:
        failures: As in `Faces`.
        good: The same.
        person: The same.
        people: How many there are.
    """
    acquired = share(failures[:, 1], failures[:, 0])
    asked = f"{len(failures):,} pictures of {people:,} people"
    refused = share(~good, person)
    return {
        "verification.failure_to_acquire": (acquired, asked),
        "verification.refused_by_quality_gate": (refused, f"{len(good):,} faces"),
    }


def _rates(
    faces: Faces, calibration: MatchCalibration | None, pairs: Sequence[Pair]
) -> dict[str, tuple[Estimate | None, str]]:
    metric: Metric = "cosine" if calibration is None else calibration.metric
    single = one_against_one(faces, metric)
    people = np.bincount(faces.person, minlength=len(faces.names))
    ones = np.ones(len(people))
    wrong = (len(faces.person) ** 2 - int((people**2).sum())) // 2
    right = int((people * (people - 1) // 2).sum())
    basis = f"{right:,} right and {wrong:,} wrong comparisons, people drawn again"
    found: dict[str, tuple[Estimate | None, str]] = {}
    if right and wrong:
        found["verification.eer"] = bootstrap(len(ones), single.equal_error), basis
        for name, fmr in (("1e3", 1e-3), ("1e4", 1e-4)):
            enough = wrong * fmr >= 1
            value = None
            if enough:
                value = bootstrap(len(ones), partial(single.fnmr_at, fmr))
            told = basis if enough else f"{wrong:,} wrong comparisons are too few"
            found[f"verification.fnmr_at_fmr_{name}"] = value, told
    else:
        why = "it takes two people, and two pictures of one of them"
        found |= {key: (None, why) for key, _, _ in WANTED if "eer" in key or "_at_fmr" in key}
    if calibration is None:
        found["verification.accuracy"] = None, NO_CALIBRATION
    else:
        accuracy, count = pairs_told_right(pairs, faces, calibration)
        told = f"{count:,} pairs, the manifest's midpoint" if count else "no labelled pairs"
        found["verification.accuracy"] = accuracy, told
    several = three_by_three(faces, metric)
    if several is None:
        why = "nobody has six good pictures, or nobody else three"
        found |= {key: (None, why) for key, _, _ in WANTED if "3x3" in key or "person" in key}
        return found
    genuine, impostors = several.people
    basis = f"{genuine} people with 6 good pictures, {impostors} with 3, ten shuffles"
    found["verification.fnmr_3x3_at_fmr_1e3"] = (
        bootstrap(impostors, partial(several.rates.fnmr_at, 1e-3)),
        basis,
    )
    if calibration is not None:
        found |= _decisions(several, calibration, basis)
    return found


def _decisions(
    several: ThreeByThree, calibration: MatchCalibration, basis: str
) -> dict[str, tuple[Estimate | None, str]]:
    """What the product would have said."""

    def told(means: Floats) -> list[Decision]:
        return [
            decide([match_probability(float(mean), calibration)] * FRAMES, calibration)
            for mean in means
        ]

    right, wrong = np.array(told(several.right)), np.array(told(several.wrong))
    first, second = several.wrong_of

    def of_wrong(decision: Decision) -> Estimate | None:
        hits = (wrong == decision).astype(np.float64)

        def mean(weights: Floats) -> float:
            each = weights[first] * weights[second]
            return float(each @ hits / each.sum()) if each.sum() else float("nan")

        return bootstrap(several.people[1], mean)

    def of_right(decision: Decision) -> Estimate | None:
        return share(right == decision, several.right_of)

    return {
        "verification.match_right_person": (of_right(Decision.MATCH), basis),
        "verification.no_match_right_person": (of_right(Decision.NO_MATCH), basis),
        "verification.match_wrong_person": (of_wrong(Decision.MATCH), basis),
        "verification.no_match_wrong_person": (of_wrong(Decision.NO_MATCH), basis),
    }
