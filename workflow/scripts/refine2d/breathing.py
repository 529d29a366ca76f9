"""K-means out of a poor optimum: wide classes are split and needless ones given up where that lessens the squares.

Breathing k-means (Fritzke 2020, arXiv:2006.15666), with splits along a class's main direction.
"""

from collections.abc import Callable

import numpy as np

from .clustering import between, kmeans, least, main_direction

SPLIT = 0.1  # share of the classes that are split at first
GAIN = 1e-4  # share of the sum of squares that a change has to save
ROUNDS = 50  # most rounds of k-means after a change


def breathe(vectors: np.ndarray, centres: np.ndarray, run: Callable = map) -> np.ndarray:
    """K-means, then centres moved to where they leave less of the vectors' variance.

    The widest classes are split, k-means goes on, and as many classes are given up as cost least. What lessens the sum
    of squares stays; if nothing does, fewer classes are split, at last a single one.

    Parameters
    ----------
    vectors : ndarray
        (n, d) float32, at least two a class.
    centres : ndarray
        (K, d) float32 start of k-means.
    run : callable
        As for `search.align.align`.

    Returns
    -------
    ndarray
        (K, d) float32. A centre that stays has its number; the others take those of the classes given up.

    Raises
    ------
    ValueError
        With fewer than two vectors a class.
    """
    count = len(centres)
    smallest = least(len(vectors), count)
    labels, centres = kmeans(vectors, centres, ROUNDS, smallest=smallest, run=run)
    total = _squares(vectors, labels, centres).sum()
    splits = max(1, int(SPLIT * count))
    while splits:
        more = _split(vectors, labels, centres, splits)
        more = kmeans(vectors, more, ROUNDS, smallest=1, run=run)
        fewer = _merged(vectors, *more, count)
        found = kmeans(vectors, fewer, ROUNDS, smallest=smallest, run=run)
        new = _squares(vectors, *found).sum()
        if new < total * (1 - GAIN):
            (labels, centres), total = found, new
        else:
            splits //= 2
    return centres


def _squares(vectors: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances from the classes' centres, summed over each class: (K,) float64."""
    apart = vectors - centres[labels]
    return np.bincount(labels, np.einsum("nd,nd->n", apart, apart), minlength=len(centres))


def _split(vectors: np.ndarray, labels: np.ndarray, centres: np.ndarray, splits: int) -> np.ndarray:
    """Centres (K + splits, d), the classes with most squares each split in two."""
    widest = np.argsort(-_squares(vectors, labels, centres), kind="stable")[:splits]
    first = centres.copy()
    second = np.empty((splits, centres.shape[1]), np.float32)
    for i, k in enumerate(widest):
        axis, deviation = main_direction(vectors[labels == k] - centres[k].astype(np.float64))
        first[k] -= (deviation * axis).astype(np.float32)
        second[i] = centres[k] + deviation * axis
    return np.concatenate([first, second])


def _merged(vectors: np.ndarray, labels: np.ndarray, centres: np.ndarray, count: int) -> np.ndarray:
    """The first `count` numbers for the centres (count, d) that stay when those whose loss costs least are given up.

    No centre goes whose neighbour has gone to it.
    """
    neighbour = between(centres).argmin(1)
    gone, needed = [], set()
    for k in np.argsort(_costs(vectors, labels, centres), kind="stable"):
        if len(gone) < len(centres) - count and k not in needed:
            gone.append(k)
            needed.add(neighbour[k])
    number = np.arange(count)
    number[[k for k in gone if k < count]] = [k for k in range(count, len(centres)) if k not in gone]
    return centres[number]


def _costs(vectors: np.ndarray, labels: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """What the squares grow by when the members of a class go to their next centres: (K,) float64."""
    half = 0.5 * np.square(centres, dtype=np.float64).sum(1)
    costs = np.empty(len(centres))
    for k in range(len(centres)):
        apart = half - vectors[labels == k] @ centres.T
        own = apart[:, k].copy()
        apart[:, k] = np.inf
        costs[k] = 2 * (apart.min(1) - own).sum()
    return costs
