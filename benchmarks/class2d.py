"""RELION's Class2D with the settings of its tutorial: 25 iterations, T=2, 12 degrees, oversampling 1."""

import resource
import shlex
import subprocess
import time
from pathlib import Path

import run as benchmark

ITERATIONS = 25


def class2d(
    particles: Path, folder: Path, k: int, diameter: float, ctf: bool, cores: int, prefix: str = ""
) -> benchmark.Cost:
    """Run `relion_refine` on a STAR file, in whose folder image names are looked up.

    `diameter` is the mask's in A; `prefix` comes before the command, such as nice. Results are ``run_it*`` in `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = (
        f"--o {folder.resolve()}/run --i {particles.name} --iter {ITERATIONS} --tau2_fudge 2 --K {k} "
        f"--particle_diameter {diameter:g} --flatten_solvent --zero_mask --oversampling 1 --psi_step 12 "
        "--offset_range 5 --offset_step 2 --norm --scale --dont_combine_weights_via_disc --pool 3 "
        f"--random_seed 1 --j {cores}" + " --ctf" * ctf
    )
    command = [*shlex.split(prefix), "relion_refine", *options.split()]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with (folder / "log").open("w") as log:
        subprocess.run(command, cwd=particles.parent, check=True, stdout=log, stderr=log)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return benchmark.Cost(time.perf_counter() - start, cpu, after.ru_maxrss / 1024)
