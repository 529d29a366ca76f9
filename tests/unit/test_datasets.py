"""Datasets that say more than they hold."""

import h5py
import numpy as np
import pytest

from refine2d.datasets import read
from refine2d.errors import Damaged
from refine2d.tables import read_arrays


def test_what_is_stored_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["best"] = np.arange(5)
        np.testing.assert_array_equal(read(file, "best"), np.arange(5))


@pytest.mark.parametrize("layout", [{}, {"chunks": (1024,)}])
def test_a_size_without_bytes_is_refused(tmp_path, layout):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("best", (10**12,), "f8", **layout)
    assert path.stat().st_size < 100_000
    with pytest.raises(Damaged, match="best is not what was written"):
        read_arrays([path], "best")


def test_a_group_or_nothing_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("best")
        for name in ("best", "rest"):
            with pytest.raises(Damaged):
                read(file, name)
