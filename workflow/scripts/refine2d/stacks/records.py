"""Records of equal size in a file, by number. They are read, not mapped: pages around them would count as memory."""

import os
from itertools import pairwise

import numpy as np

from refine2d.errors import UserError

BATCH = 256  # records in memory at a time, where they are copied


def read_records(path: str, record, start: int, n: int, numbers: np.ndarray) -> np.ndarray:
    """Some records.

    Parameters
    ----------
    path : str
    record : dtype
        Of one of them: a structured type, or a pair of a type and a shape.
    start : int
        Where in the file the first one begins, bytes.
    n : int
        How many are there.
    numbers : int array (m,)
        0-based, in any order.

    Returns
    -------
    array (m,), or (m, ...) for records with a shape

    Raises
    ------
    UserError
        When the file is missing, or shorter.
    """
    record, numbers = np.dtype(record), np.asarray(numbers, np.int64)
    out = np.empty(len(numbers), record)
    runs = [*np.flatnonzero(np.diff(numbers, prepend=-2) != 1), len(numbers)]
    try:
        with open(path, "rb") as file:
            whole = os.fstat(file.fileno()).st_size >= start + n * record.itemsize
            for first, last in pairwise(runs):
                file.seek(start + int(numbers[first]) * record.itemsize)
                wanted = out[first:last].reshape(-1).view(np.uint8)
                whole &= file.readinto(wanted) == len(wanted)
    except OSError as error:
        raise UserError(f"{path} can no longer be read: {error.strerror or error}.") from error
    if not whole:
        raise UserError(f"{path} can no longer be read: it is shorter than it was.")
    return out


def batches(numbers: np.ndarray, size: int | None = None) -> list[np.ndarray]:
    """Numbers (m,) in parts of a size, by default of `BATCH`."""
    size = size or BATCH
    return [numbers[first : first + size] for first in range(0, len(numbers), size)]
