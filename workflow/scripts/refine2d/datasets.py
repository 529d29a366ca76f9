"""Reading HDF5 datasets of a run: never more memory than the file has bytes for."""

import h5py
import numpy as np

from refine2d.errors import Damaged


def stored(file: h5py.File, name: str) -> h5py.Dataset:
    """A dataset, whose bytes are there.

    Raises
    ------
    Damaged
        Where it is missing, or says that it is larger than what is stored: HDF5 would fill up a few bytes to any size.
    """
    dataset = file.get(name)
    if not isinstance(dataset, h5py.Dataset) or dataset.id.get_storage_size() < dataset.nbytes:
        raise Damaged(f"{file.filename} is damaged: {name} is not what was written", file.filename)
    return dataset


def read(file: h5py.File, name: str) -> np.ndarray:
    """A dataset, whole; errors as in `stored`."""
    return stored(file, name)[()]
