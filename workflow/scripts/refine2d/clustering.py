"""K-means with no empty class, warm starts, and the same bits whatever the number of threads.

Lloyd's algorithm (1982, doi:10.1109/TIT.1982.1056489); seeds by k-means++ (Arthur & Vassilvitskii 2007).
"""

from collections.abc import Callable

import numpy as np

EACH = 200  # vectors a class that tell where centres belong
SMALLEST = 0.1  # least share of the mean class size that a class should have
BLOCK = 4096  # rows of one distance product; fixed, so that its bits are
SPAN = 4 * BLOCK  # rows that a thread labels or sums at a time


def kmeans(
    vectors: np.ndarray,
    centres: np.ndarray,
    rounds: int = 50,
    minchange: int = 0,
    smallest: int = 2,
    run: Callable = map,
) -> tuple[np.ndarray, np.ndarray]:
    """Assign vectors to the nearest of moving centres.

    A class below `smallest` members is reseeded by splitting the largest one along its main direction, none is empty.

    Parameters
    ----------
    vectors : ndarray
        (n, d) float32.
    centres : ndarray
        (K, d) float32 start; class numbers keep its order.
    rounds : int
        Most rounds.
    minchange : int
        Stop when no more vectors than this change class.
    smallest : int
        Least members of a class.
    run : callable
        As for `search.align.align`.

    Returns
    -------
    labels : ndarray
        (n,) int32.
    centres : ndarray
        (K, d) float32: the classes' means.

    Raises
    ------
    ValueError
        With fewer than K * smallest vectors.
    """
    count = len(centres)
    if len(vectors) < count * smallest:
        raise ValueError(f"{len(vectors)} vectors cannot fill {count} classes of {smallest}")
    labels = np.full(len(vectors), -1, np.int32)
    centres = centres.astype(np.float32)
    for _ in range(rounds):
        new = nearest(vectors, centres, run)
        _fill(vectors, new, count, smallest)
        changed = int((new != labels).sum())
        labels = new
        centres = _means(vectors, labels, count, run)
        if changed <= minchange:
            break
    return labels, centres


def nearest(vectors: np.ndarray, centres: np.ndarray, run: Callable = map) -> np.ndarray:
    """Number of the nearest centre of each vector: (n,) int32; the first of equals."""
    half = 0.5 * (centres.astype(np.float64) ** 2).sum(1).astype(np.float32)
    labels = np.empty(len(vectors), np.int32)

    def label(start: int) -> None:
        apart = np.empty((BLOCK, len(centres)), np.float32)
        for first in range(start, min(start + SPAN, len(vectors)), BLOCK):
            block = vectors[first : first + BLOCK]
            count = len(block)
            if count < BLOCK:
                block = np.concatenate([block, np.zeros((BLOCK - count, vectors.shape[1]), np.float32)])
            np.subtract(half, np.matmul(block, centres.T, out=apart), out=apart)
            labels[first : first + count] = apart[:count].argmin(1)

    list(run(label, range(0, len(vectors), SPAN)))
    return labels


def between(centres: np.ndarray) -> np.ndarray:
    """Squared distances between centres (K, d): (K, K) float64, infinite from each to itself."""
    centres = centres.astype(np.float64)
    square = (centres**2).sum(1)
    apart = square[:, None] + square - 2 * centres @ centres.T
    np.fill_diagonal(apart, np.inf)
    return apart


def sample(n: int, count: int) -> np.ndarray:
    """Which of n vectors tell where `count` centres belong: `EACH` a class, spread over all; int64, ascending."""
    return np.linspace(0, n - 1, min(n, EACH * count)).astype(np.int64)


def least(n: int, count: int) -> int:
    """Members that each of `count` classes of n vectors should have at least."""
    return max(2, int(SMALLEST * n / count))


def main_direction(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """Axis (d,) along which centred vectors (n, d), float64, vary most, and their standard deviation along it."""
    variances, axes = np.linalg.eigh(vectors.T @ vectors / len(vectors))
    return axes[:, -1], float(np.sqrt(max(variances[-1], 0.0)))


def seed(vectors: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Start centres among the vectors, far from each other by k-means++: (count, d) float32."""
    chosen = [int(rng.integers(len(vectors)))]
    distance = np.full(len(vectors), np.inf)
    for _ in range(count - 1):
        apart = vectors.astype(np.float64) - vectors[chosen[-1]]
        distance = np.minimum(distance, (apart**2).sum(1))
        cumulated = np.cumsum(distance)
        pick = np.searchsorted(cumulated, rng.random() * cumulated[-1], side="right")
        chosen.append(min(int(pick), len(vectors) - 1))
    return vectors[chosen].astype(np.float32)


def _fill(vectors: np.ndarray, labels: np.ndarray, count: int, smallest: int) -> None:
    """Split the largest class for each one that is too small, in place."""
    while True:
        sizes = np.bincount(labels, minlength=count)
        small = int(np.argmin(sizes))
        if sizes[small] >= smallest:
            return
        rows = np.flatnonzero(labels == np.argmax(sizes))
        apart = vectors[rows].astype(np.float64)
        apart -= apart.mean(0)
        along = apart @ main_direction(apart)[0]
        stay = max(smallest, (len(rows) + 1) // 2)
        labels[rows[np.argsort(along, kind="stable")[stay:]]] = small


def _means(vectors: np.ndarray, labels: np.ndarray, count: int, run: Callable) -> np.ndarray:
    """Mean of each class, none of which is empty: sums over fixed spans, added in their order."""

    def sums(start: int) -> tuple[np.ndarray, np.ndarray]:
        mine = labels[start : start + SPAN]
        order = np.argsort(mine, kind="stable")
        classes, first = np.unique(mine[order], return_index=True)
        return classes, np.add.reduceat(vectors[start + order], first, axis=0, dtype=np.float64)

    total = np.zeros((count, vectors.shape[1]))
    for classes, part in run(sums, range(0, len(vectors), SPAN)):
        total[classes] += part
    return (total / np.bincount(labels, minlength=count)[:, None]).astype(np.float32)
