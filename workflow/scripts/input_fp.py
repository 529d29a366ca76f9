"""Footprints of a subset of the particles, the same for any rotation, mirror and shift, and MSA of them."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d.basisfile import write_basis
    from refine2d.invariants import footprints
    from refine2d.msa import basis, coordinates
    from refine2d.particles import ParticleStore
    from refine2d.tables import write_projection
    from refine2d.working import mask_radius

    options, store = task.options, ParticleStore(task.input.particles)
    used = np.flatnonzero(store.used)
    count = min(len(used), max(2000, 10 * options.ncls))
    rows = used[np.arange(count) * len(used) // count]
    vectors = footprints(store.corrected(rows), mask_radius(options, task.run), options.invariant)
    space = basis(vectors, options.nbasisfp)
    write_projection(task.output.footprints, vectors, header={"class_ptcl_idxs": rows})
    write_basis(task.output.basis, space)
    write_projection(task.output.projections, coordinates(vectors, space))
