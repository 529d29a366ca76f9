"""A few images of gold do not spoil the classes of all others."""

import re
import sys
from dataclasses import replace
from pathlib import Path

from small_project import Project

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import score

from refine2d.simulate import BENCHMARK, has_gold, read_truth, write_dataset

SIM = replace(BENCHMARK, n=600, box=32, apix=9.8, snr=0.5, seed=2)


def spread(sim, folder):
    """Degrees within the classes of a short run, and what the run said."""
    write_dataset(sim, folder / "data")
    printed = Project(folder).run("exclude=", "ncls=8", "iter=3", "chunk=0", "mask_diameter=260")
    _, known = read_truth(folder / "data/truth.h5")
    return score.score(score.read_run(folder / "run", sim.apix), sim, known)["spread (deg)"], printed


def test_gold_is_told_of_and_spoils_little(tmp_path):
    clean, printed = spread(SIM, tmp_path / "clean")
    assert "weakened" not in printed
    sim = replace(SIM, gold=0.02)
    with_gold, printed = spread(sim, tmp_path / "gold")
    numbers = [number for number in range(sim.n) if has_gold(sim, number)]
    assert re.search(
        rf"weakened: {len(numbers)} far stronger .*: {', '.join(map(str, numbers[:10]))}", printed
    )
    assert with_gold < 1.25 * clean
