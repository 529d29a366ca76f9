"""Time the alignment of particles against references beside a plain matrix product, in one run.

    python benchmarks/kernel.py

prints CPU milliseconds a particle for 7 references at box 64 with mirrors, how good the poses are, and
what a single precision GEMM of the plain exhaustive search would cost on the same machine at the same
time: all templates of its angles, both mirrors, at all of its shifts, in its band.
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow" / "scripts"))
from refine2d import fourier, simulate, transforms
from refine2d.ctf import ctf
from refine2d.search.align import References, align
from refine2d.search.plan import Plan

BATCH = 64
REPEATS = 5


def extent(box: int) -> Plan:
    """The search that is timed."""
    return Plan(box, mask_radius=0.45 * box, maxshift=0.125 * box)


def particles_and_references(
    n: int, k: int, box: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """References (k, L, L), matched-filtered particles y, weights c2, and the particles' true alignments.

    Particles see one of k views at random, turned, shifted and with noise, as in the simulated benchmark.
    """
    sim = replace(simulate.BENCHMARK, n=n, box=box, apix=simulate.BENCHMARK.apix * 64 / box)
    views = simulate.truth(replace(sim, seed=99), k)
    known = simulate.truth(sim)
    truth = transforms.alignment(-known.psi, False, *known.shift.T, ref=np.arange(n) % k)
    known = replace(known, rot=views.rot[truth["ref"]], tilt=views.tilt[truth["ref"]])
    molecule = simulate.molecule(sim.molecule)
    upright = simulate.euler_matrices(views.rot, views.tilt, 0 * views.psi)
    references = simulate.signal_scale(sim) * simulate.project(molecule, upright, None, box, sim.apix)
    transfer = ctf(known.ctf, box, sim.apix)
    band = (fourier.ring_index(box) > 0) & (fourier.ring_index(box) < box // 2)
    y = fourier.ft(np.stack(list(simulate.images(sim, known)))) * transfer * band  # the noise has power 1
    c2 = fourier.ring_mean(transfer**2 * band, box).astype(np.float32)
    return references.astype(np.float32), y, c2, truth


def gemm(n: int, k: int) -> tuple[Callable[[], None], float]:
    """The plain search's matrix products for n particles, and their floating point operations."""
    plan, ring = extent(64), fourier.ring_index(64)
    coefficients = np.count_nonzero((ring > 0) & (ring <= plan.coarse_rings))
    rng = np.random.default_rng(0)
    left = rng.random((BATCH * len(plan.shifts), 2 * coefficients), np.float32)
    right = rng.random((2 * coefficients, k * 2 * plan.coarse_angles), np.float32)
    out = np.empty((len(left), right.shape[1]), np.float32)

    def run() -> None:
        for _ in range(n // BATCH):
            np.matmul(left, right, out=out)

    return run, 2.0 * (n // BATCH) * left.size * right.shape[1]


def cpu_seconds(*works: Callable[[], object]) -> list[float]:
    """The least CPU time that each takes in some repeats, one after another, after one to warm up."""
    for work in works:
        work()
    times = np.empty((REPEATS, len(works)))
    for repeat in times:
        for k, work in enumerate(works):
            start = time.process_time()
            work()
            repeat[k] = time.process_time() - start
    return times.min(axis=0).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=1024, help="particles (default %(default)s)")
    parser.add_argument("--references", type=int, default=7, help="default %(default)s")
    parser.add_argument("--box", type=int, default=64, help="default %(default)s")
    options = parser.parse_args()
    n, k, box = options.n // BATCH * BATCH, options.references, options.box
    images, y, c2, truth = particles_and_references(n, k, box)
    plan = extent(box)

    def aligned() -> np.ndarray:
        return align(References(plan, images), y, c2)

    product, operations = gemm(n, k)
    aligning, multiplying = cpu_seconds(aligned, product)
    found = aligned()[:, 0]
    right = (found["ref"] == truth["ref"]) & ~found["mirror"]
    turned = (found["angle"] - truth["angle"] + 180) % 360 - 180
    moved = np.hypot(found["sx"] - truth["sx"], found["sy"] - truth["sy"])
    print(f"{n} particles, {k} references, box {box}, mirrors, shifts up to {plan.maxshift:g} px, one thread")
    print(f"alignment      {1e3 * aligning / n:7.3f} ms of CPU a particle, coarse and local")
    print(f"  reference    {100 * np.mean(right):7.1f} % right, and unmirrored")
    print(f"  angle        {np.median(np.abs(turned[right])):7.2f} degrees off (median)")
    print(f"  shift        {np.median(moved[right]):7.2f} px off (median)")
    print(f"plain GEMM     {1e3 * multiplying / n:7.3f} ms of CPU a particle, coarse alone")
    print(f"               {operations / multiplying / 1e9:7.0f} GFLOP/s")


if __name__ == "__main__":
    main()
