"""Align a chunk of the particles to the references, project them, aligned, into the MSA space, and
measure what they show beyond it and what they lack of their references."""

from refine2d.job import job

STEP = 1024  # particles between two lines of progress
BEST = 3  # poses that are refined of each particle; the best of each reference is kept
BLOCK = 64  # rows of one projection; fixed, and chunks are multiples of it, so that chunks do not change the result

with job(snakemake) as task:
    task.forward_if_converged()

    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.basisfile import read_basis
    from refine2d.contrast import Contrast
    from refine2d.extent import matching
    from refine2d.fourier import ift, stretched
    from refine2d.matching import Matcher
    from refine2d.msa import Projector
    from refine2d.particles import ParticleStore
    from refine2d.residual import Residual
    from refine2d.stacks.hdf import read_hdf
    from refine2d.tables import read_shift_sigma, write_arrays
    from refine2d.transforms import alignment, undo

    store = ParticleStore(task.input.particles)
    references, space = read_hdf(task.input.aliref), read_basis(task.input.basis)
    search = matching(task.options, task.run, "sim", read_shift_sigma(task.input.aliref))
    matcher, projector = Matcher(search, references), Projector(space)
    residual, contrast = Residual(space, search.plan), Contrast(references)

    def project(y, c2, pose):
        c2 = stretched(c2, pose["scale"])
        aligned = undo(ift(y, store.box), pose)
        vectors = projector.project(aligned, c2)
        signs = residual.share(aligned, c2, vectors), contrast.lack(aligned, c2, pose["ref"])
        return vectors, np.stack(signs, axis=1), c2.sum(0, dtype=np.float64)

    def blocks(array):
        return [array[first : first + BLOCK] for first in range(0, len(array), BLOCK)]

    best, projected = [], []
    with ThreadPoolExecutor(task.threads) as pool:
        for first in range(task.rows.start, task.rows.stop, STEP):
            task.progress(first - task.rows.start, task.rows.stop - task.rows.start, "particles are aligned")
            rows = np.arange(first, min(first + STEP, task.rows.stop))
            matched = [
                np.concatenate(parts) for parts in zip(*pool.map(store.matched, blocks(rows)), strict=True)
            ]
            found = matcher.align(store, rows, BEST, pool.map, matched)
            found[~store.used[rows]] = alignment(ref=-1, score=-np.inf)
            best.append(found)
            projected += pool.map(project, *map(blocks, (*matched, found[:, 0])))
    points, signs, weights = zip(*projected, strict=True)
    write_arrays(
        task.output[0],
        best=np.concatenate(best),
        points=np.concatenate(points),
        junk=np.concatenate(signs),
        weights=np.stack(weights),
    )
