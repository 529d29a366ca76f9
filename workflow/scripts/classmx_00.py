"""K-means of the footprints: the starting classes."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d import clustering
    from refine2d.errors import UserError
    from refine2d.particles import ParticleStore
    from refine2d.stacks.hdf import read_hdf, read_headers
    from refine2d.tables import write_classmx
    from refine2d.transforms import alignment

    options = task.options
    n = ParticleStore(task.input.particles).n
    rows = np.atleast_1d(read_headers(task.input.footprints, ["class_ptcl_idxs"])[0]["class_ptcl_idxs"])
    vectors = read_hdf(task.input.projections)[0]
    if len(vectors) < 2 * options.ncls:
        raise UserError(
            f"Only {len(vectors)} particles can be used, too few for {options.ncls} classes: lower ncls."
        )
    rng = np.random.default_rng(options.seed)
    if options.fastseed:
        centres = vectors[np.sort(rng.choice(len(vectors), options.ncls, replace=False))]
    else:
        centres = clustering.seed(vectors, options.ncls, rng)
    labels = np.full(n, -1, np.int32)
    smallest = clustering.least(len(vectors), options.ncls)
    labels[rows], _ = clustering.kmeans(vectors, centres, smallest=smallest)
    write_classmx(task.output[0], labels, labels >= 0, alignment(np.zeros(n)), 1.0)
