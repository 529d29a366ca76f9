"""Which images of the input become rows of the run's tables."""

from pathlib import Path

import numpy as np

from refine2d.errors import UserError

EACH = 50  # particles of a starting class at most
SHARE = 8  # one particle in so many, at most
LEAST = 2000  # particles of all starting classes, whatever the other two say
SMALLEST_CLASS = 4  # particles a class, on average: of the run, and of the start whatever the others say


def select(n: int, exclude=(), subset: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Choose the input images that become rows.

    Parameters
    ----------
    n : int
        Images in the input.
    exclude : ints
        0-based numbers of images to leave out.
    subset : int, optional
        Take this many, spread evenly over the images that are not excluded; all become rows otherwise.

    Returns
    -------
    number : int64 array (rows,)
    excluded : bool array (rows,)

    Raises
    ------
    UserError
        For numbers outside the input, and when nothing is left.
    """
    excluded = np.zeros(n, bool)
    exclude = np.asarray(exclude, np.int64)
    wrong = exclude[(exclude < 0) | (exclude >= n)]
    if len(wrong):
        raise UserError(f"exclude names image {wrong[0]}, but the input has images 0 to {n - 1}.")
    excluded[exclude] = True
    left = np.flatnonzero(~excluded)
    if not len(left):
        raise UserError("exclude leaves no image: shorten the list.")
    if subset is None:
        return np.arange(n), excluded
    take = min(subset, len(left))
    return left[(2 * np.arange(take) + 1) * len(left) // (2 * take)], np.zeros(take, bool)


def not_taken(n: int, number: np.ndarray, exclude=()) -> np.ndarray:
    """Numbers of the input's n images that are neither rows (`number`, from `select`) nor excluded: int64 (m,)."""
    taken = np.zeros(n, bool)
    taken[number] = taken[np.asarray(exclude, np.int64)] = True
    return np.flatnonzero(~taken)


def starting(n: int, ncls: int) -> int:
    """How many of n particles the starting classes are made of.

    `EACH` a class, but one in `SHARE` at most, so that their rounds at low resolution are a small part of a large run;
    `LEAST`, or `SMALLEST_CLASS` a class, where that is more.
    """
    return min(n, max(LEAST, SMALLEST_CLASS * ncls, min(EACH * ncls, n // SHARE)))


def read_numbers(path) -> np.ndarray:
    """Image numbers from a text file, int64: split at blanks, commas and lines; ``#`` starts a comment."""
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"exclude: cannot read {path} ({error}).") from error
    words = [word for line in lines for word in line.split("#")[0].replace(",", " ").split()]
    for word in words:
        if not (word.isascii() and word.isdecimal() and len(word) < 12):
            raise UserError(f"exclude: {path} holds {word!r}, expected image numbers from 0.")
    return np.array([int(word) for word in words], np.int64)
