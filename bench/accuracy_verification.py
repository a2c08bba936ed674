"""How often the wrong person matches and the right one does not, on a folder of people.

The folder holds one folder per person (LFW's layout). Every picture goes through the same reading
and the same quality gate as an enrolment. For people with six good pictures, three enrol and three
verify; everybody with three good pictures is an impostor for everybody else. Shuffled `repeats`
times. LFW is easier than a webcam and its impostors are random pairs: the figures flatter.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.table import Table

from proctor.domain.candidates import Decision
from proctor.domain.perception import Embedding, FaceAsk
from proctor.identity.matching import MatchCalibration, Metric, decide, match_probability
from proctor.identity.quality import picture_reasons
from proctor.ports import Perception

Floats = npt.NDArray[np.float64]

ENROLLED = 3
FRAMES = 3
PICTURES_PER_CALL = 32
STATED_FMR = 1e-3
NEWTON_STEPS = 50
SMALLEST_STEP = 1e-9
LARGEST = 30.0
ERROR_BINS = 10
RIDGE = 3e-4
"""Least log-loss on people not fitted on, of 1e-6 to 3e-3: eight halvings of LFW by three networks (dlib
and EdgeFace-XS and -XXS, 2026-11-22: 0.015, 0.010 and 0.019, and 0.019, 0.024 and 0.060 with 1e-6)."""
PICTURES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Good pictures of each person, and why others were refused."""

    embeddings: dict[str, Embedding]
    pictures: int
    refused: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Shares of decisions for one group of people, and what a fit to them would say.

    Attributes:
        people: How many have six good pictures (genuine) and how many three (impostors).
        genuine: How many decisions about the right person, and how they went.
        impostor: The same about a wrong person.
        distance_at_fmr: Mean distance that one wrong person in a thousand stays under.
        fnmr_at_fmr: Share of right persons beyond that distance.
        genuine_largest: The largest mean distance of a right person.
        slope: Of a logistic fit to single frames, equal priors.
        midpoint: Of the same fit.
    """

    people: tuple[int, int]
    genuine: dict[str, float]
    impostor: dict[str, float]
    distance_at_fmr: float
    fnmr_at_fmr: float
    genuine_largest: float
    slope: float
    midpoint: float


async def read_people(perception: Perception, folder: Path) -> People:
    """Embed every picture that passes the quality gate."""
    pictures = await asyncio.to_thread(_pictures, folder)
    found: dict[str, list[Embedding]] = {}
    refused: Counter[str] = Counter()
    for start in range(0, len(pictures), PICTURES_PER_CALL):
        some = pictures[start : start + PICTURES_PER_CALL]
        asks = [FaceAsk(picture=picture, embed=True) for _, picture in some]
        for (name, _), answer in zip(some, await perception.faces(asks), strict=True):
            reasons = picture_reasons(answer)
            refused.update(str(reason) for reason in reasons)
            vectors = [face.embedding for face in answer.faces if face.embedding is not None]
            if not reasons and vectors:
                found.setdefault(name, []).append(vectors[0])
    embeddings = {name: np.stack(vectors) for name, vectors in found.items()}
    return People(embeddings=embeddings, pictures=len(pictures), refused=dict(refused))


def _pictures(folder: Path) -> list[tuple[str, bytes]]:
    files = [file for file in sorted(folder.glob("*/*")) if file.suffix.lower() in PICTURES]
    return [(file.parent.name, file.read_bytes()) for file in files]


def measure(
    embeddings: Mapping[str, Embedding],
    calibration: MatchCalibration,
    repeats: int = 10,
    seed: int = 0,
) -> Rates:
    """Decide about right and wrong persons with this calibration, in its metric."""
    return rates(compare(embeddings, calibration.metric, repeats, seed), calibration)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Compared:
    """Distances of frames to enrolled pictures, and a logistic fit to them.

    Attributes:
        people: How many have six good pictures and how many three.
        same: (n, 3) the right person's frames, each its mean distance to three pictures.
        other: (m, 3) the wrong persons'.
        slope: Of the fit to single frames.
        midpoint: Of the same fit.
    """

    people: tuple[int, int]
    same: Floats
    other: Floats
    slope: float
    midpoint: float


def rates(compared: Compared, calibration: MatchCalibration) -> Rates:
    """What a calibration decides about them."""
    same, other = compared.same, compared.other
    limit = float(np.quantile(other.mean(axis=1), STATED_FMR))
    return Rates(
        people=compared.people,
        genuine=_shares(same, calibration),
        impostor=_shares(other, calibration),
        distance_at_fmr=limit,
        fnmr_at_fmr=float((same.mean(axis=1) > limit).mean()),
        genuine_largest=float(same.mean(axis=1).max()),
        slope=compared.slope,
        midpoint=compared.midpoint,
    )


def calibration_error(fitted: Compared, seen: Compared) -> float:
    """Expected calibration error of one group's fit on another (ten bins, classes weighted alike)."""
    distances, right, weight = _weighted(seen.same.ravel(), seen.other.ravel())
    odds = np.clip(fitted.slope * (fitted.midpoint - distances), -LARGEST, LARGEST)
    said = 1 / (1 + np.exp(-odds))
    bins = np.minimum((said * ERROR_BINS).astype(int), ERROR_BINS - 1)
    gaps = np.bincount(bins, weights=weight * (said - right), minlength=ERROR_BINS)
    return float(np.abs(gaps).sum())


def compare(
    embeddings: Mapping[str, Embedding], metric: Metric, repeats: int = 10, seed: int = 0
) -> Compared:
    """Three pictures enrol, three frames verify; shuffled `repeats` times."""
    impostors = sorted(name for name, rows in embeddings.items() if len(rows) >= ENROLLED)
    everything = np.concatenate([embeddings[name] for name in impostors]).astype(np.float64)
    starts = np.cumsum([0] + [len(embeddings[name]) for name in impostors])
    distances = _distances(everything, metric)
    genuine = np.array([len(embeddings[name]) >= ENROLLED + FRAMES for name in impostors])
    rng = np.random.default_rng(seed)
    right, wrong = [], []
    for _ in range(repeats):
        orders = [rng.permutation(np.arange(a, b)) for a, b in pairwise(starts)]
        enrolled = np.array([order[:ENROLLED] for order in orders])
        probes = np.array([order[-FRAMES:] for order in orders])
        blocks = distances[np.ix_(enrolled.ravel(), probes.ravel())]
        shape = (len(orders), ENROLLED, len(orders), FRAMES)
        frames = blocks.reshape(shape).mean(axis=1)
        right.append(frames[genuine, genuine.nonzero()[0]])
        wrong.append(frames[~np.eye(len(orders), dtype=bool)])
    same, other = np.concatenate(right), np.concatenate(wrong)
    slope, midpoint = _logistic(same.ravel(), other.ravel())
    people = (int(genuine.sum()), len(impostors))
    return Compared(people=people, same=same, other=other, slope=slope, midpoint=midpoint)


def _distances(rows: Floats, metric: Metric) -> Floats:
    """(n, n) distances of every picture to every other, as `pair_distance` takes them."""
    if metric == "cosine":
        rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return np.asarray(1 - rows @ rows.T)
    squares = (rows**2).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares[None] - 2 * rows @ rows.T, 0)))


def halves(embeddings: Mapping[str, Embedding]) -> tuple[dict[str, Embedding], ...]:
    """Two groups that share nobody: fit on one, look at the other."""
    names = sorted(embeddings)
    return tuple({name: embeddings[name] for name in names[start::2]} for start in (0, 1))


def _shares(frames: Floats, calibration: MatchCalibration) -> dict[str, float]:
    """Shares of the three answers. Log-odds are linear in the distance, so the mean distance decides."""
    decisions = Counter(
        decide([match_probability(float(mean), calibration)] * FRAMES, calibration)
        for mean in frames.mean(axis=1)
    )
    shares = {str(kind): decisions[kind] / len(frames) for kind in Decision}
    return shares | {"decisions": float(len(frames))}


def _logistic(same: Floats, other: Floats) -> tuple[float, float]:
    """Slope and midpoint of logit(P) = slope * (midpoint - distance), both classes weighted alike.

    Newton's method on standardised distances, its steps halved until they help; the ridge keeps the
    slope from growing without end where no right distance reaches a wrong one.
    """
    x, right, weight = _weighted(same, other)
    signs = 2 * right - 1
    middle, scale = float(weight @ x), float(x.std())
    design = np.stack([np.ones_like(x), (x - middle) / scale])
    ridge = np.array([0.0, RIDGE])

    def loss(beta: Floats) -> float:
        return float(weight @ np.logaddexp(0, -signs * (beta @ design)) + ridge @ beta**2 / 2)

    beta = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(beta @ design, -LARGEST, LARGEST)))
        curvature = (design * (weight * p * (1 - p))) @ design.T + np.diag(ridge)
        slope_of_loss = design @ (weight * (p - right)) + ridge * beta
        step = np.linalg.solve(curvature, slope_of_loss)
        now = loss(beta)
        while loss(beta - step) > now and np.abs(step).max() > SMALLEST_STEP:
            step = step / 2
        beta = beta - step
        if np.abs(step).max() <= SMALLEST_STEP:
            break
    return float(-beta[1] / scale), float(middle - beta[0] * scale / beta[1])


def _weighted(same: Floats, other: Floats) -> tuple[Floats, Floats, Floats]:
    """Distances, 1 for a right person and 0 for a wrong one, and weights that make both classes a half."""
    labels = np.concatenate([np.ones(len(same)), np.zeros(len(other))])
    weight = np.concatenate(
        [np.full(len(same), 0.5 / len(same)), np.full(len(other), 0.5 / len(other))]
    )
    return np.concatenate([same, other]), labels, weight


def table(groups: Sequence[tuple[str, Rates]], people: People) -> Table:
    """The figures as people read them."""
    used = sum(len(rows) for rows in people.embeddings.values())
    made = Table(
        title=f"{people.pictures} pictures, {used} pass the gate; refused: {people.refused}"
    )
    rows = [
        "people with 6 / 3 pictures", "right person: match", "cannot tell", "no match",
        "wrong person: match", "cannot tell", "no match", f"distance at FMR {STATED_FMR:g}",
        "FNMR there", "largest distance of a right person", "fitted slope", "fitted midpoint",
    ]  # fmt: skip
    made.add_column("3 enrolled pictures, 3 frames")
    columns = []
    for name, rates in groups:
        made.add_column(name, justify="right")
        shares = [
            f"{100 * part[kind]:.2f} %"
            for part in (rates.genuine, rates.impostor)
            for kind in (Decision.MATCH, Decision.CANNOT_TELL, Decision.NO_MATCH)
        ]
        limits = [f"{rates.distance_at_fmr:.3f}", f"{100 * rates.fnmr_at_fmr:.2f} %"]
        fit = [f"{rates.genuine_largest:.3f}", f"{rates.slope:.1f}", f"{rates.midpoint:.3f}"]
        columns.append([f"{rates.people[0]} / {rates.people[1]}", *shares, *limits, *fit])
    for row, *cells in zip(rows, *columns, strict=True):
        made.add_row(row, *cells)
    return made


def as_json(groups: Sequence[tuple[str, Rates]], people: People) -> dict[str, object]:
    """The same for a file."""
    return {
        "pictures": people.pictures,
        "refused": people.refused,
        "groups": {name: asdict(rates) for name, rates in groups},
    }
