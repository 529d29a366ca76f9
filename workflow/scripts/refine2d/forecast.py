"""What a run will take, told before it starts and held against the truth when it ends."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refine2d.clustering import EACH
from refine2d.input_rows import starting
from refine2d.job import duration
from refine2d.names import most_scales
from refine2d.references import SORTED, count_tried
from refine2d.report.times import read_times

# Of cores that take REFERENCE seconds for the transform of an image of 64 pixels, fitted to runs of 2,000 to 200,000
# particles with 20 to 200 classes on one and on two of them. CPU seconds, shared by the cores:
REFERENCE = 1.75e-5
PARTICLE = 6e-4  # for a particle in an iteration, times (box / 64)^2
PAIR = 1.6e-6  # for a particle and a reference, times (box / 64)^4: its pixels, and shifts within a share of the box
ROUND_PAIR = 9e-6  # for a particle and a class in a round of the start
READ = 5e-6  # for a row of a table that names the images, each time that a job reads it
# Seconds, whatever the number of cores:
CLUSTERED = 7e-7  # for a vector of k-means and a class in an iteration
CLASS = 0.02  # for a class in an iteration, times (box / 64)^2: averages in one frame, their references
ITERATION = 0.4  # for an iteration, besides
ROUND = 0.25  # for a round of the start
ROUND_CLASS = 0.012  # for a class in it
PICTURED = 0.035  # for a class on the page
ROUNDS = 7  # of the start: mostly 4 to 6 where views are clear, 12 where they are not
START_THREADS = 8  # of its rule
JOB = 0.06  # seconds that a job takes besides its work
STEPS = 6  # jobs of an iteration, one after another
ONCE = 5.0  # seconds before the first step and after the last one
COMPILATION = 20.0  # of kernels, the first time that they are needed
KERNELS = Path(__file__).parent / "search/__pycache__"
MEMORY = 270.0  # MB of a job before it has read a particle
SEARCHED = 0.2  # of an image: what the exhaustive search takes of it, and finds
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


def forecast(run, options: dict, iterations: int, cores: int, slowness: float | None = None) -> Cost:
    """What the remaining iterations of a run will take.

    Parameters
    ----------
    run : Run
    options : dict
        Resolved options (`options.resolve`).
    iterations : int
        How many are still to be done; where it is all of them, the start is, too.
    cores : int
    slowness : float, optional
        How many times as long work takes on these cores as on those of `REFERENCE`; measured by default.
    """
    last = options["iter"]
    seconds = _once(run, options, cores)
    seconds += sum(
        _iteration(run, options, cores, number) for number in range(last - iterations + 1, last + 1)
    )
    if iterations == last and not options["initial"]:
        threads = min(cores, START_THREADS)
        seconds += ROUNDS * start_round(starting(run.n, options["ncls"]), options["ncls"], threads)
    image = 4 * run.working_box**2
    coefficients = 4 * (options["nbasis"] + 4)
    sorted_ones = SEARCHED * min(SORTED, run.n / run.chunks) * image
    memory = (
        MEMORY + (4 * 1024 * image + sorted_ones + options["ncls"] * 72 * 2 * 8 * 1024 + run.n * ROW) / 1e6
    )
    averages = 6 * options["ncls"] * image + options["ncls"] * 4 * run.box**2 / max(options["iter"], 1)
    disk = run.n * image + options["iter"] * (run.n * (TABLES + 2 * coefficients) + averages) + 8e6
    return Cost((slowness or measured_slowness()) * seconds, memory, disk / 1e6)


def _once(run, options: dict, cores: int) -> float:
    """Seconds besides the iterations and the start: particles read, averages at full size, the page."""
    jobs = run.chunks + min(run.chunks, options["ncls"])
    work = run.n * PARTICLE * (run.box / 64) ** 2 + (READ * run.n_input * jobs if run.files else 0.0)
    first = ONCE if any(KERNELS.glob("*.nbi")) else ONCE + COMPILATION
    return first + PICTURED * options["ncls"] + (work + jobs * JOB) / cores


def _iteration(run, options: dict, cores: int, number: int) -> float:
    """Seconds of an iteration."""
    area, classes = (run.working_box / 64) ** 2, options["ncls"]
    pairs = PAIR * count_tried(options, number) * area**2
    work = run.n * (PARTICLE * area + pairs * most_scales(options))
    more = run.chunks + min(run.chunks, classes) - 2  # jobs beside others of their step
    alone = ITERATION + classes * (CLASS * area + CLUSTERED * min(run.n, EACH * classes))
    return alone + STEPS * JOB + (work + more * JOB) / cores


def start_round(particles: int, classes: int, threads: int) -> float:
    """What a round of the start takes; its box is the same whatever the particles' is.

    Parameters
    ----------
    particles : int
        Of all starting classes.
    classes : int
    threads : int

    Returns
    -------
    float
        Seconds, on cores of `REFERENCE`.
    """
    return ROUND + classes * (ROUND_CLASS + ROUND_PAIR * particles / threads)


def measured_slowness() -> float:
    """How slow a core is beside one of `REFERENCE`, by the fastest of some Fourier transforms.

    Most of the work is as little suited to a core's fastest instructions as these.
    """
    images, out, times = np.ones((4, 64, 64), np.float32), np.empty((4, 64, 33), np.complex64), []
    for _ in range(200):
        start = time.perf_counter()
        np.fft.rfft2(images, out=out)
        times.append(time.perf_counter() - start)
    return float(np.quantile(times, 0.1)) / len(images) / REFERENCE


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
