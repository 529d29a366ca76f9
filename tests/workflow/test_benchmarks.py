"""Benchmarks of the kernels and of a whole run, which the docs quote, still run and say what their tables promise."""

import re
import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def said(name, *arguments):
    command = [sys.executable, BENCHMARKS / name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kernel_aligns_particles_beside_a_matrix_product():
    text = said("kernel.py", "--n", "64", "--references", "3")
    right, angle, shift = (
        float(re.search(rf"{name} +([\d.]+)", text)[1]) for name in ("reference", "angle", "shift")
    )
    assert right > 95 and angle < 2 and shift < 0.5
    assert float(re.search(r"([\d.]+) GFLOP/s", text)[1]) > 0


def test_roofline_has_a_rate_for_each_step():
    lines = said("roofline.py", "--references", "8").splitlines()
    rows = [line.split("|")[1:-1] for line in lines if "|" in line][2:]
    steps = {name.strip(): [float(cell) for cell in cells] for name, *cells in rows}
    expected = {"angles", "best shifts", "exhaustive search, all of it", "alignment undone", "projection"}
    assert expected <= set(steps)
    assert all(value > 0 for cells in steps.values() for value in cells[:2])


def test_a_run_is_timed_and_scored(tmp_path):
    text = said("run.py", "--scratch", tmp_path, "--n", "120", "--set", "ncls=3", "iter=1")
    assert re.search(r"^wall \d+ s, CPU \d+ s, largest process \d+ MB$", text, re.M)
    assert re.search(r"^simmx_piece +[\d.]+ +[\d.]+ +\d+$", text, re.M)
    assert re.search(r"^particles in classes +120$", text, re.M) and "spread / ideal" in text
