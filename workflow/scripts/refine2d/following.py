"""Which class of one iteration is which of the next: the one with its members, whatever their numbers."""

import numpy as np


def shared(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Count the particles that each class before shares with each class now.

    Parameters
    ----------
    before, now : int arrays (n,)
        Class of each particle, -1 for none.

    Returns
    -------
    int64 array (m, 3)
        Class before, class now, particles, the most first, equal ones by their numbers; no pair without any.
    """
    both = (before >= 0) & (now >= 0)
    width = int(now.max(initial=0)) + 1
    particles = np.bincount(before[both].astype(np.int64) * width + now[both])
    pairs = np.flatnonzero(particles)
    pairs = pairs[np.argsort(-particles[pairs], kind="stable")]
    return np.stack([*divmod(pairs, width), particles[pairs]], axis=1)


def origins(before: np.ndarray, now: np.ndarray, count: int) -> np.ndarray:
    """Pair classes one to one, those that share most particles first.

    Parameters
    ----------
    before, now : int arrays (n,)
        Class of each particle, -1 for none.
    count : int
        Classes K, before and now.

    Returns
    -------
    int array (K,)
        The class before of each class now. Those left that share no particles are paired by their numbers.
    """
    origin, taken = np.full(count, -1), np.zeros(count, bool)
    for old, new, _ in shared(before, now).tolist():
        if origin[new] < 0 and not taken[old]:
            origin[new], taken[old] = old, True
    origin[origin < 0] = np.flatnonzero(~taken)
    return origin


def movers(before: np.ndarray, now: np.ndarray, count: int) -> int:
    """How many particles of a class now were not in the class that it comes from; arguments as for `origins`."""
    used = now >= 0
    return int((origins(before, now, count)[now[used]] != before[used]).sum())
