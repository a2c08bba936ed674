"""Which pieces of sound are one voice: average linkage over cosines.

Two groups of pieces are joined while the mean cosine between them is at least the threshold, the
most alike first (unweighted pair group method). A window has a few dozen pieces, so the plain cubic
way is fast enough.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def group(vectors: Floats, threshold: float, least: int = 1) -> Labels:
    """A group for each vector; groups are numbered by their first vector.

    Args:
        vectors: (n, d) of unit length, n at least 1.
        threshold: Mean cosine from which on two groups are one.
        least: A group of fewer vectors is no voice of its own; it goes to the group that it is most
            like. When all are so small, everything is one group.
    """
    labels = _linked(vectors @ vectors.T, threshold)
    sizes = np.bincount(labels)
    large = [name for name in range(len(sizes)) if sizes[name] >= least]
    if not large:
        return np.zeros(len(vectors), np.int64)
    means = np.stack([vectors[labels == name].mean(axis=0) for name in range(len(sizes))])
    nearest = np.array(large)[np.argmax(means @ means[large].T, axis=1)]
    nearest[large] = large
    return _numbered(nearest[labels])


def _linked(likeness: npt.NDArray[np.floating], threshold: float) -> Labels:
    groups = [[at] for at in range(len(likeness))]
    between = likeness.astype(np.float64)
    np.fill_diagonal(between, -np.inf)
    while len(groups) > 1:
        one, other = sorted(divmod(int(np.argmax(between)), len(groups)))
        if between[one, other] < threshold:
            break
        sizes = len(groups[one]), len(groups[other])
        joined = (between[one] * sizes[0] + between[other] * sizes[1]) / sum(sizes)
        between[one], between[:, one] = joined, joined
        between[one, one] = -np.inf
        between = np.delete(np.delete(between, other, axis=0), other, axis=1)
        groups[one] += groups.pop(other)
    labels = np.zeros(len(likeness), np.int64)
    for name, members in enumerate(groups):
        labels[members] = name
    return _numbered(labels)


def _numbered(labels: Labels) -> Labels:
    """The same groups, counted from 0 in the order in which they first occur."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: Labels = rank[inverse]
    return numbered
