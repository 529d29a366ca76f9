"""What each step of the numerics reaches of what the machine can do: python benchmarks/roofline.py [--references 50]

One thread, box 64. Floating point operations and bytes are counted from the shapes; beside them the rate of a plain
single-precision matrix product and of a copy in memory, in the same run.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy

import kernel  # before NumPy: it holds the BLAS to one thread
import numpy as np

from refine2d import fourier, transforms
from refine2d.msa import Projector, basis
from refine2d.search import align, coarse, local
from refine2d.search.plan import Plan

N = 512  # particles
NBEST = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=50)
    k, box = parser.parse_args().references, 64
    images, y, c2, _ = kernel.particles_and_references(N, k, box)
    plan = Plan(box, mask_radius=0.45 * box, maxshift=0.125 * box)
    references = align.References(plan, images)
    (_, templates), *_ = references.templates()

    multiply, operations = kernel.gemm(kernel.BATCH, 7)
    gemm = operations / kernel.cpu_seconds(multiply) / 1e9
    large = np.ones(1 << 26, np.float32)
    other = np.empty_like(large)
    copy = 2 * large.nbytes / kernel.cpu_seconds(lambda: np.copyto(other, large)) / 1e9
    print(f"plain GEMM {gemm:.0f} GFLOP/s, copy {copy:.1f} GB/s\n")
    print(
        "| step | us a particle | MFLOP | MB | GFLOP/s | of GEMM (%) |\n| --- | --- | --- | --- | --- | --- |"
    )

    def row(name: str, work: Callable[[], object], particles: int, mflop: float, mb: float) -> None:
        seconds = kernel.cpu_seconds(lambda: [work() for _ in range(N // particles)]) / N
        rate = mflop / seconds / 1e3
        print(
            f"| {name} | {1e6 * seconds:.0f} | {mflop:.2f} | {mb:.2f} | {rate:.0f} | {100 * rate / gemm:.0f} |"
        )

    ready, one, batch = references.coarse, y[: coarse.BATCH], coarse.BATCH
    rings, shifts, angles = ready.rings, len(plan.shifts), plan.coarse_angles
    harmonics, mirrors, quarter = plan.harmonics, 2, angles // 4 + 1
    sampled = rings.sample(one)
    spectra = rings.harmonics(*sampled, rings.ramps).reshape(harmonics, 2 * rings.n, -1)
    products = [np.matmul(block, spectra) for block in ready._blocks]
    products = [p.reshape(harmonics, 2, -1, shifts * batch) for p in products]
    quarters = [ready._quarters(p) for p in products]
    best = np.empty((angles, mirrors * k, batch), np.float32)
    where = np.empty(best.shape, np.int32)

    def shift() -> None:
        done = 0
        for part in quarters:
            coarse._best_shift(part, best, where, done)
            done += part.shape[2]

    def multiply_all() -> None:
        for block in ready._blocks:
            np.matmul(block, spectra)

    def turn() -> None:
        for product in products:
            ready._quarters(product)

    half, word, tried = rings.half, 4e-6, align.TRIED * NBEST
    ramped, product = half * rings.n * shifts, mirrors * k * shifts
    row("samples on the rings", lambda: rings.sample(one), batch, 4e-6 * len(rings.kx) * half * rings.n, 0.02)
    row(
        "shifts, harmonics",
        lambda: rings.harmonics(*sampled, rings.ramps),
        batch,
        4e-6 * harmonics * ramped,
        6 * word * ramped,
    )
    size = 2 * word * harmonics * product
    row("products over rings", multiply_all, batch, 8e-6 * harmonics * rings.n * product, size)
    summed = 4 * word * quarter * product
    row("angles", turn, batch, 4e-6 * quarter * harmonics * product, size + summed)
    row("best shifts", shift, batch, 8e-6 * quarter * product, summed)
    flops = 4e-6 * harmonics * (ramped + product * (2 * rings.n + quarter)) + 8e-6 * quarter * product
    row(
        "exhaustive search, all of it",
        lambda: ready.peaks(ready.samples(one), c2[:batch], tried),
        batch,
        flops,
        2 * (size + summed),
    )

    found = align.peaks(references, align.sampled(references, y), c2, tried)
    penalty = references.penalty(c2)
    grid = (
        3e-6 * len(references.band.kx) * (6 + 3 * 8)
    )  # for each angle a product and three ramps a coefficient
    known = plan, references.band, references.ramps, templates, 0, y, penalty
    whole, out = slice(0, N), transforms.alignment(np.zeros((N, NBEST)))

    def first_steps() -> local.Walk:
        walk = local.Walk(plan, found)
        local.first_step(*known, walk, whole)
        return walk

    walk = first_steps()
    walk.keep(NBEST)
    row("local search, first steps", first_steps, N, grid * found.shape[1], 0.02)
    row(
        "local search, to its end (4 steps counted)",
        lambda: local.polish(*known, deepcopy(walk), whole, out),
        N,
        4 * grid * NBEST,
        0.02,
    )

    poses = align.best_of_each(out)[:, 0]
    pixels, real = box * box, fourier.ift(y, box)
    row(
        "Fourier transform",
        lambda: fourier.ft(real[:64]),
        64,
        2.5e-6 * pixels * np.log2(pixels),
        3 * word * pixels,
    )
    row(
        "alignment undone",
        lambda: transforms.undo(real[:64], poses[:64]),
        64,
        60e-6 * pixels,
        2 * word * pixels,
    )
    n = min(k - 1, 64)
    space = Projector(basis(images, n, 1e-3))
    flops = 2e-6 * (n * pixels + n * n * box / 2 + n**3 / 3)
    row(
        "projection",
        lambda: space.project(real[:64], c2[:64]),
        64,
        flops,
        word * pixels + 6 * word * n * n,
    )


if __name__ == "__main__":
    main()
