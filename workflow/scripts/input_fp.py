"""Footprints of a subset of the particles: the same for any rotation, mirror and shift."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d.invariants import footprints
    from refine2d.particles import ParticleStore
    from refine2d.tables import write_projection
    from refine2d.working import mask_radius

    store = ParticleStore(task.input.particles)
    used = np.flatnonzero(store.used)
    count = min(len(used), max(2000, 10 * task.options.ncls))
    rows = used[np.arange(count) * len(used) // count]
    vectors = footprints(store.corrected(rows), mask_radius(task.options, task.run), task.options.invariant)
    write_projection(task.output[0], vectors, header={"class_ptcl_idxs": rows})
