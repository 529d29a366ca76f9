"""Benchmarks of the kernels and of a whole run, which the docs quote, still run and say what their tables promise."""

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from class2d import class2d
from run import ROOT, measure


def said(name, *arguments):
    command = [sys.executable, ROOT / "benchmarks" / name, *arguments]
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
    assert {
        "samples on the rings",
        "shifts, harmonics",
        "all of the search's kernel (with shifts and harmonics)",
        "exhaustive search, all of it",
        "alignment undone",
        "projection",
    } <= set(steps)
    assert all(time > 0 and gemm > 0 for time, _, _, _, gemm, _ in steps.values())
    assert all(work > 0 for name, (_, work, *_) in steps.items() if name != "peaks")  # which only compares


def test_a_run_is_timed_and_scored(tmp_path):
    text = said("run.py", "--scratch", tmp_path, "--n", "120", "--set", "ncls=3", "iter=1")
    assert re.search(r"^wall \d+ s, CPU \d+ s, largest process \d+ MB$", text, re.M)
    at_work = float(re.search(r"^a job at work for ([\d.]+) s$", text, re.M)[1])
    assert 0 < at_work < float(re.search(r"^wall (\d+) s", text, re.M)[1]) + 0.5
    assert re.search(r"^simmx_piece +[\d.]+ +[\d.]+ +\d+$", text, re.M)
    assert re.search(r"^particles in classes +120$", text, re.M) and "spread / ideal" in text


def test_sets_are_compared_iteration_by_iteration(tmp_path):
    some = ("--sets", "c1", "--n", "120", "--k", "3", "--iter", "3")
    text = said("compare.py", "--scratch", tmp_path, *some, "--each")
    table = text[text.index("| set |") :].splitlines()
    header, rows = table[0].split("|")[1:-1], [line.split("|")[1:-1] for line in table[2:]]
    cells = [{name.strip(): cell.strip() for name, cell in zip(header, row, strict=True)} for row in rows]
    assert [row["program"] for row in cells] == [f"refine2d, {number}" for number in range(1, 4)]
    assert all(float(row["spread / ideal"]) > 0 for row in cells)
    assert [bool(row["CPU s"]) for row in cells] == [False] * 2 + [True]
    last = said("compare.py", "--scratch", tmp_path, *some)
    assert last.splitlines()[-1].split("|")[3:] == table[-1].split("|")[3:]


def test_relion_gets_the_particles_and_the_settings_of_its_tutorial(tmp_path, monkeypatch):
    program = tmp_path / "bin/relion_refine"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\npwd\nprintf "%s\\n" "$@"\n[ "$4" = good.star ]\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    folder = tmp_path / "with a blank"
    cost = class2d(tmp_path / "good.star", folder, k=7, diameter=200.0, ctf=True, cores=3)
    where, *options = (folder / "log").read_text().splitlines()
    assert where == str(tmp_path) and options[:2] == ["--o", str(folder / "run")]
    given = dict(pairwise(options))
    asked = {"--K": "7", "--particle_diameter": "200", "--iter": "25", "--tau2_fudge": "2", "--j": "3"}
    assert asked.items() <= given.items() and options[-1] == "--ctf"
    assert 0 < cost.wall < 60 and cost.memory > 0
    with pytest.raises(SystemExit, match=r"RELION failed; what it said is in .*log"):
        class2d(tmp_path / "bad.star", folder, k=7, diameter=200.0, ctf=False, cores=3)


def test_a_measured_command_costs_what_it_and_its_children_take():
    burning = "import time\nwhile time.process_time() < 0.4: pass"
    shell = f"{sys.executable} -c '{burning}' && {sys.executable} -c '{burning}'; exit 3"
    status, cost = measure(["sh", "-c", shell])
    assert status == 3 and 0.7 < cost.cpu < 5 and cost.wall > 0.7
