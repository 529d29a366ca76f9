"""Join the projections of the particles, and k-means of them in the MSA space and by what is left outside it,
started from the averages."""

from pathlib import Path

from refine2d.job import duration, job

with job(snakemake) as task:
    task.forward_if_converged()

    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.basisfile import read_basis
    from refine2d.breathing import breathe
    from refine2d.clustering import kmeans, least
    from refine2d.errors import UserError
    from refine2d.msa import Projector, coordinates, unit
    from refine2d.particles import ParticleStore
    from refine2d.residual import coordinate
    from refine2d.stacks.hdf import read_hdf
    from refine2d.tables import packed, read_arrays, write_classmx, write_projection
    from refine2d.working import scale

    options, used = task.options, ParticleStore(task.input.particles).used
    if used.sum() < 2 * options.ncls:
        raise UserError(
            f"Only {used.sum()} particles can be used, too few for {options.ncls} classes: lower ncls."
        )
    done = max(Path(piece).stat().st_mtime for piece in task.input.pieces)
    if spent := task.since(task.input.allrefs, done):
        speed = f"{used.sum() / spent:,.0f} a second"
        task.say(
            f"Iteration {task.iteration}: {used.sum():,} particles aligned in {duration(spent)}, {speed}"
        )

    space = read_basis(task.input.basis)
    points, best, weights = (read_arrays(task.input.pieces, name) for name in ("points", "best", "weights"))
    alignments, total = best[:, 0].copy(), weights.sum(0).astype(np.float32)
    del best
    projections = unit(points[:, :-1]) if options.normproj else points[:, :-1]
    write_projection(task.output.projections, projections, alignments, scale(task.run), {"ctf_weight": total})
    del projections
    averages = coordinates(read_hdf(task.input.allrefs), space)
    centres = Projector(space).shrunken(averages, total / used.sum())
    points = packed(points, used)
    points[:, -1] = coordinate(points[:, -1], centres, options.residual)
    centres = np.concatenate([centres, np.zeros((len(centres), 1), np.float32)], axis=1)
    if options.normproj:
        points, centres = unit(points), unit(centres)
    labels = np.full(len(used), -1, np.int32)
    smallest = least(len(points), options.ncls)
    with ThreadPoolExecutor(task.threads) as pool:
        centres = breathe(points, centres, pool.map)
        found = kmeans(points, centres, minchange=options.minchange, smallest=smallest, run=pool.map)
    labels[used], _ = found
    write_classmx(task.output.classmx, labels, used, alignments, scale(task.run))
