"""Footprints of a subset of the particles, the same for any rotation, mirror and shift, and MSA of them."""

from refine2d.job import job

with job(snakemake) as task:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.basisfile import write_basis
    from refine2d.input_rows import starting
    from refine2d.invariants import BLOCK, footprints
    from refine2d.msa import basis, coordinates
    from refine2d.particles import ParticleStore
    from refine2d.tables import write_vectors
    from refine2d.working import mask_radius

    options, store = task.options, ParticleStore(task.input.particles)
    used = np.flatnonzero(store.used)
    count, radius = starting(len(used), options.ncls), mask_radius(options, task.run)
    rows = used[np.arange(count) * len(used) // count]

    def footprint(first: int) -> np.ndarray:
        return footprints(store.corrected(rows[first : first + BLOCK]), radius, options.invariant)

    with ThreadPoolExecutor(task.threads) as pool:
        vectors = np.concatenate(list(pool.map(footprint, range(0, len(rows), BLOCK))))
    space = basis(vectors, options.nbasisfp)
    write_vectors(task.output.footprints, vectors, {"class_ptcl_idxs": rows})
    write_basis(task.output.basis, space)
    write_vectors(task.output.projections, coordinates(vectors, space))
