"""What a run will take, told before it starts and held against the truth when it ends."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refine2d.job import duration
from refine2d.names import most_scales
from refine2d.report.times import read_times

# Fitted to runs of 2,000 to 5,000 particles with 20 to 50 classes, a box of 64 pixels, on cores that multiply
# single-precision matrices at REFERENCE GFLOP a second.
REFERENCE = 105.0
PARTICLE = 8e-4  # CPU seconds a particle, iteration and (box / 64)^2
PAIR = 6.5e-6  # and a particle, reference and (box / 64)^4: its pixels, and shifts within a share of the box
JOB = 0.45  # seconds that a job takes besides its work
STEPS = 6  # jobs of an iteration, one after another
ONCE = 30.0  # seconds before and after the iterations, besides the particles
READ = 5e-6  # CPU seconds a row of a table that names the images, each time that a job reads it
MEMORY = 270.0  # MB of a job before it has read a particle
ROW = 200.0  # bytes a particle, in tables of a job
TABLES = 600.0  # bytes a particle and iteration, in tables on disk


@dataclass
class Cost:
    """Wall time in seconds, memory of the largest job in MB, disk in MB."""

    seconds: float
    memory: float
    disk: float

    def __str__(self) -> str:
        return f"{duration(self.seconds)}, {size(self.memory)} of memory in a job, {size(self.disk)} on disk"


def forecast(run, options: dict, iterations: int, cores: int, speed: float | None = None) -> Cost:
    """What the remaining iterations of a run will take.

    Parameters
    ----------
    run : Run
    options : dict
        Resolved options (`options.resolve`).
    iterations : int
        How many are still to be done.
    cores : int
    speed : float, optional
        GFLOP a second of one core; measured by default.
    """
    area = (run.working_box / 64) ** 2
    slower = REFERENCE / (speed or gemm_speed())
    pairs = PAIR * min(options["naliref"], options["ncls"]) * area**2
    work = run.n * (PARTICLE * area + pairs * most_scales(options))
    groups = min(run.chunks, options["ncls"])
    more = (run.chunks + groups - 2) / max(cores, 1)
    jobs = iterations * STEPS + (iterations + 1) * more
    read = READ * run.n_input * (run.chunks + groups) if run.files else 0.0
    seconds = slower * (ONCE + ((iterations + 1) * work + read) / max(cores, 1) + jobs * JOB)
    image = 4 * run.working_box**2
    coefficients = 4 * (options["nbasis"] + 4)
    memory = MEMORY + (4 * 1024 * image + options["ncls"] * 72 * 2 * 8 * 1024 + run.n * ROW) / 1e6
    averages = 6 * options["ncls"] * image + options["ncls"] * 4 * run.box**2 / max(options["iter"], 1)
    disk = run.n * image + options["iter"] * (run.n * (TABLES + 2 * coefficients) + averages) + 8e6
    return Cost(seconds, memory, disk / 1e6)


def gemm_speed() -> float:
    """GFLOP a second of single-precision matrix products on one core, from a twentieth of a second."""
    from threadpoolctl import threadpool_limits

    a = np.ones((512, 512), np.float32)
    with threadpool_limits(1, "blas"):
        a @ a
        start, done = time.perf_counter(), 0
        while (spent := time.perf_counter() - start) < 0.05:
            a @ a
            done += 1
    return 2 * 512**3 * done / spent / 1e9


def truth(folder: str | os.PathLike, seconds: float) -> Cost:
    """What a run took: the wall time given, the largest job by the logs, its folder's size."""
    memory = max((step["memory"] for step in read_times(folder)), default=0.0)
    return Cost(seconds, memory, folder_size(folder))


def folder_size(folder: str | os.PathLike) -> float:
    """Size of all files below a folder, MB."""
    sizes = (path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    return sum(sizes) / 1e6


def size(mb: float) -> str:
    """An amount of bytes as a person says it."""
    return f"{mb / 1000:.1f} GB" if mb >= 1000 else f"{mb:.0f} MB"
