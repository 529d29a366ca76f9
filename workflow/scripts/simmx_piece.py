"""Align a chunk of the particles to the references; the best few of each particle are kept."""

from refine2d.job import job

STEP = 1024  # particles between two lines of progress
BEST = 3  # poses that are refined of each particle; the best of each reference is kept

with job(snakemake) as task:
    task.forward_if_converged()

    import numpy as np

    from refine2d.extent import matching
    from refine2d.matching import Matcher
    from refine2d.particles import ParticleStore
    from refine2d.stacks.hdf import read_hdf
    from refine2d.tables import write_arrays
    from refine2d.transforms import alignment

    store = ParticleStore(task.input.particles)
    matcher = Matcher(matching(task.options, task.run, "sim"), read_hdf(task.input.aliref))
    rows = np.arange(task.rows.start, task.rows.stop)
    best = []
    for first in range(0, len(rows), STEP):
        task.progress(first, len(rows), "particles of this piece are aligned")
        block = rows[first : first + STEP]
        found = matcher.align(store, block, BEST, task.threads)
        found[~store.used[block]] = alignment(ref=-1, score=-np.inf)
        best.append(found)
    write_arrays(task.output[0], best=np.concatenate(best))
