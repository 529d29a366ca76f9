"""Images without a particle come together."""

from dataclasses import replace

import mrcfile
import numpy as np
from small_project import Project

from refine2d.simulate import BENCHMARK, write_dataset
from refine2d.tables import read_classmx

N, CLASSES = 600, 8


def test_empty_images_have_a_class_of_their_own(tmp_path):
    write_dataset(replace(BENCHMARK, n=N, box=32, apix=9.8, snr=0.15, seed=2), tmp_path / "data")
    empty = np.random.default_rng(0).random(N) < 0.1
    with mrcfile.open(tmp_path / "data/particles.mrcs", "r+") as file:
        for number in np.flatnonzero(empty):
            file.data[number] = np.random.default_rng([9, number]).standard_normal((32, 32), np.float32)
    project = Project(tmp_path)
    project.run("exclude=", f"ncls={CLASSES}", "iter=3", "chunk=0", "mask_diameter=260")
    labels, _, _ = read_classmx(tmp_path / "run/classmx_03.hdf", 1.0)
    mostly_empty = [k for k in range(CLASSES) if empty[labels == k].mean() > 0.5]
    inside = np.isin(labels, mostly_empty)
    assert inside[empty].mean() >= 0.9
    assert inside[~empty].mean() <= 0.03
