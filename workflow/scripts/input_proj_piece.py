"""Project a chunk of the aligned particles into the MSA space of the averages."""

from refine2d.job import job

BLOCK = 64  # rows of one projection; fixed, and chunks are multiples of it, so that chunks do not change the result

with job(snakemake) as task:
    task.forward_if_converged()

    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.basisfile import read_basis
    from refine2d.fourier import ift, stretched
    from refine2d.msa import Projector, unit
    from refine2d.particles import ParticleStore
    from refine2d.tables import read_arrays, write_arrays
    from refine2d.transforms import undo

    store = ParticleStore(task.input.particles)
    projector = Projector(read_basis(task.input.basis))
    best = read_arrays([task.input.simmx], "best")[:, 0]
    rows = np.arange(task.rows.start, task.rows.stop)

    def project(first):
        block = slice(first, first + BLOCK)
        y, c2 = store.matched(rows[block])
        c2 = stretched(c2, best["scale"][block])
        return projector.project(undo(ift(y, store.box), best[block]), c2), c2.sum(0, dtype=np.float64)

    with ThreadPoolExecutor(task.threads) as pool:
        vectors, weights = zip(*pool.map(project, range(0, len(rows), BLOCK)), strict=True)
    vectors = np.concatenate(vectors)
    if task.options.normproj:
        vectors = unit(vectors)
    write_arrays(task.output[0], vectors=vectors, best=best, weights=np.stack(weights))
