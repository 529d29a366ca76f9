"""What each step of the numerics reaches of what the machine can do: python benchmarks/roofline.py [--references 50]

One thread, box 64. Floating point operations and bytes are counted from the shapes; beside them the rate of a plain
single-precision matrix product, by turns with the step, and of a copy in memory.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy

import kernel  # before NumPy: it holds the BLAS to one thread
import numpy as np

from refine2d import fourier, transforms
from refine2d.msa import Projector, basis
from refine2d.search import align, coarse, local

N = 512  # particles
NBEST = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--references", type=int, default=50)
    k, box = parser.parse_args().references, 64
    images, y, c2, _ = kernel.particles_and_references(N, k, box)
    plan = kernel.extent(box)
    references = align.References(plan, images)
    (_, templates), *_ = references.templates()

    multiply, operations = kernel.gemm(kernel.BATCH, 7)
    large = np.ones(1 << 26, np.float32)
    other = np.empty_like(large)
    (copying,) = kernel.cpu_seconds(lambda: np.copyto(other, large))
    print(f"copy {2 * large.nbytes / copying / 1e9:.1f} GB/s\n")
    print("| step | us a particle | MFLOP | MB | GFLOP/s | plain GEMM | of GEMM (%) |")
    print("| --- | --- | --- | --- | --- | --- | --- |")

    def row(name: str, work: Callable[[], object], particles: int, mflop: float, mb: float) -> None:
        def all_of_them() -> None:
            for _ in range(N // particles):
                work()

        seconds, of_gemm = kernel.cpu_seconds(all_of_them, multiply)
        us, gemm, rate = 1e6 * seconds / N, operations / of_gemm / 1e9, mflop * N / seconds / 1e3
        print(
            f"| {name} | {us:.0f} | {mflop:.2f} | {mb:.2f} | {rate:.0f} | {gemm:.0f} | {100 * rate / gemm:.0f} |"
        )

    ready, one, batch = references.coarse, y[: coarse.BATCH], coarse.BATCH
    rings, grid, shifts, angles = ready.rings, coarse.grid_of(plan), len(plan.shifts), plan.coarse_angles
    mirrors, quarter, word, tried = 2, angles // 4 + 1, 4e-6, align.TRIED * NBEST
    samples = ready.samples(one)
    best = np.empty((k, mirrors, angles, batch), np.int32)
    no_penalty, picked = np.zeros((k, batch), np.float32), np.empty((batch, tried, 4), np.int32)

    def search(count: int) -> None:
        coarse.try_all(np.ascontiguousarray(samples.T), ready._templates[:count], grid, best[:count])

    present = sum(rings.n - rings.innermost)  # harmonics of rings
    sampling = 4e-6 * len(rings.kx) * rings.half * rings.n
    analysis = 1e-6 * shifts * (rings.n * (6 * rings.half + 4 * quarter) + 4 * quarter * present)
    trial = k * shifts * 1e-6 * (8 * present + mirrors * quarter * (4 * plan.harmonics + 8))
    templates_and_best = word * shifts * (ready._templates.size / batch + 2 * best.size / batch)
    row("samples on the rings", lambda: ready.samples(one), batch, sampling, 0.02)
    row("shifts, harmonics", lambda: search(0), batch, analysis, word * shifts * 2 * rings.half * rings.n)
    row(
        "all of the search's kernel (with shifts and harmonics)",
        lambda: search(k),
        batch,
        analysis + trial,
        templates_and_best,
    )
    row(
        "peaks",
        lambda: coarse.pick(best.copy(), no_penalty, grid.mark, picked),
        batch,
        0,
        3 * word * best.size / batch,
    )
    row(
        "exhaustive search, all of it",
        lambda: ready.peaks(ready.samples(one), c2[:batch], tried),
        batch,
        sampling + analysis + trial,
        templates_and_best,
    )

    found = align.peaks(references, align.sampled(references, y), c2, tried)
    penalty = references.penalty(c2)
    step = (
        3e-6 * len(references.band.kx) * (6 + 18)
    )  # at each angle a coefficient's product, and nine sums of two operations
    known = plan, references.band, references.ramps, templates, 0, y, penalty
    whole, out = slice(0, N), transforms.alignment(np.zeros((N, NBEST)))

    def first_steps() -> local.Walk:
        walk = local.Walk(plan, found)
        local.first_step(*known, walk, whole)
        return walk

    walk = first_steps()
    walk.keep(NBEST)
    row("local search, first steps (12 peaks)", first_steps, N, step * found.shape[1], 0.02)
    row(
        "local search, to its end (3 poses, 4 steps each counted)",
        lambda: local.polish(*known, deepcopy(walk), whole, out),
        N,
        4 * step * NBEST,
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
