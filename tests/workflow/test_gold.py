"""A few images of gold do not spoil the classes of all others."""

import sys
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
from small_project import Project

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import score

from refine2d.simulate import BENCHMARK, read_truth, write_dataset

N, CLASSES = 600, 8
GOLD = np.arange(0, N, 60)


def spread(folder, gold=()):
    write_dataset(replace(BENCHMARK, n=N, box=32, apix=9.8, snr=0.5, seed=2), folder / "data")
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:32, :32]
    with mrcfile.open(folder / "data/particles.mrcs", "r+") as file:
        for number in gold:
            at = rng.uniform(9, 23, 2)
            file.data[number] += 30 * ((x - at[0]) ** 2 + (y - at[1]) ** 2 < 9)
    project = Project(folder)
    printed = project.run("exclude=", f"ncls={CLASSES}", "iter=3", "chunk=0", "mask_diameter=260")
    sim, known = read_truth(folder / "data/truth.h5")
    return score.score(score.read_run(folder / "run", sim.apix), sim, known)["spread (deg)"], printed


def test_gold_is_told_of_and_spoils_nothing(tmp_path):
    clean, printed = spread(tmp_path / "clean")
    assert "weakened" not in printed
    with_gold, printed = spread(tmp_path / "gold", GOLD)
    assert "weakened: 10 far stronger than the others" in printed
    assert with_gold < 1.2 * clean, (clean, with_gold)
