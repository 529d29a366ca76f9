"""K-means of the particles in the MSA space, started from the averages."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    import numpy as np

    from refine2d.basisfile import read_basis
    from refine2d.clustering import SMALLEST, kmeans
    from refine2d.errors import UserError
    from refine2d.msa import Projector, coordinates, unit
    from refine2d.particles import ParticleStore
    from refine2d.stacks.hdf import read_hdf, read_headers
    from refine2d.tables import read_projection, write_classmx
    from refine2d.working import scale

    options, used = task.options, ParticleStore(task.input.particles).used
    if used.sum() < 2 * options.ncls:
        raise UserError(
            f"Only {used.sum()} particles can be used, too few for {options.ncls} classes: lower ncls."
        )
    space = read_basis(task.input.basis)
    vectors, alignments = read_projection(task.input.projections, scale(task.run))
    weight = read_headers(task.input.projections)[0]["ctf_weight"] / used.sum()
    averages = coordinates(read_hdf(task.input.allrefs), space)
    centres = Projector(space).shrunken(averages, weight)
    if options.normproj:
        centres = unit(centres)
    labels = np.full(len(used), -1, np.int32)
    least = max(2, int(SMALLEST * used.sum() / options.ncls))
    labels[used], _ = kmeans(vectors[used], centres, minchange=options.minchange, smallest=least)
    write_classmx(task.output[0], labels, used, alignments, scale(task.run))
