"""RELION's Class2D with the settings of its tutorial: 25 iterations, T=2, 12 degrees with one oversampling."""

import shlex
import sys
from pathlib import Path

import run as benchmark

ITERATIONS = 25


def class2d(
    particles: Path, folder: Path, k: int, diameter: float, ctf: bool, cores: int, prefix: str = ""
) -> benchmark.Cost:
    """Classify the particles of a STAR file, relative to whose folder its image names are.

    `diameter` is the mask's in A; `prefix` comes before the command, such as nice. Results are ``run_it*`` in `folder`.

    Raises
    ------
    SystemExit
        When RELION fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = ["--o", str(folder.resolve() / "run"), "--i", particles.name]
    model = f"--iter {ITERATIONS} --tau2_fudge 2 --K {k} --particle_diameter {diameter:g} --flatten_solvent --zero_mask"
    search = "--oversampling 1 --psi_step 12 --offset_range 5 --offset_step 2 --norm --scale --random_seed 1"
    machine = f"--dont_combine_weights_via_disc --pool 3 --j {cores}"
    options = files + f"{model} {search} {machine}".split() + ["--ctf"] * ctf
    with (folder / "log").open("w") as log:
        command = [*shlex.split(prefix), "relion_refine", *options]
        status, cost = benchmark.measure(command, cwd=particles.parent, stdout=log, stderr=log)
    if status:
        sys.exit(f"RELION failed; what it said is in {folder / 'log'}.")
    return cost
