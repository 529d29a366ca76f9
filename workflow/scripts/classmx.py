"""Join the projections of the particles, and k-means of them in the MSA space and by signs of junk, started from
the averages.

Of many particles a sample tells where the centres belong, so that the points are never in memory all at once.
"""

from pathlib import Path

from refine2d.job import duration, job

with job(snakemake) as task:
    task.forward_if_converged()

    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d import junk
    from refine2d.basisfile import read_basis
    from refine2d.breathing import breathe
    from refine2d.clustering import kmeans, least, nearest, sample
    from refine2d.errors import UserError
    from refine2d.msa import Projector, coordinates, unit
    from refine2d.particles import ParticleStore
    from refine2d.stacks.hdf import read_hdf
    from refine2d.tables import read_arrays, read_parts, read_rows, write_classmx, write_projection
    from refine2d.working import scale

    options, pieces = task.options, task.input.pieces
    used = ParticleStore(task.input.particles).used
    if used.sum() < 2 * options.ncls:
        raise UserError(
            f"Only {used.sum()} particles can be used, too few for {options.ncls} classes: lower ncls."
        )
    done = max(Path(piece).stat().st_mtime for piece in pieces)
    if spent := task.since(task.input.allrefs, done):
        speed = f"{used.sum() / spent:,.0f} a second"
        task.say(
            f"Iteration {task.iteration}: {used.sum():,} particles aligned in {duration(spent)}, {speed}"
        )

    space, total = read_basis(task.input.basis), read_arrays(pieces, "weights").sum(0).astype(np.float32)

    def normed(vectors):
        return unit(vectors) if options.normproj else vectors

    parts = ((normed(points), best[:, 0]) for _, points, best in read_parts(pieces, "points", "best"))
    shape = len(used), len(space.vectors)
    write_projection(task.output.projections, parts, shape, scale(task.run), {"ctf_weight": total})

    averages = coordinates(read_hdf(task.input.allrefs), space)
    centres = Projector(space).shrunken(averages, total / used.sum())
    signs = read_arrays(pieces, "junk")
    signs[used] = junk.coordinates(signs[used], centres, options.residual)
    centres = normed(np.pad(centres, ((0, 0), (0, signs.shape[1]))))

    def vectors(points, rows):
        return normed(np.concatenate([points, signs[rows]], axis=1))

    rows = np.flatnonzero(used)
    rows = rows[sample(len(rows), options.ncls)]
    seen, smallest = vectors(read_rows(pieces, "points", rows), rows), least(len(rows), options.ncls)
    labels = np.empty(len(used), np.int32)
    with ThreadPoolExecutor(task.threads) as pool:
        centres = breathe(seen, centres, pool.map)
        minchange = options.minchange * len(rows) / used.sum()
        found, centres = kmeans(seen, centres, minchange=minchange, smallest=smallest, run=pool.map)
        for mine, points in read_parts(pieces, "points"):
            labels[mine] = nearest(vectors(points, mine), centres, pool.map)
    labels[rows], labels[~used] = found, -1
    alignments = np.concatenate([best[:, 0].copy() for _, best in read_parts(pieces, "best")])
    write_classmx(task.output.classmx, labels, used, alignments, scale(task.run))
