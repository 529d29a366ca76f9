"""The starting classes: k-means of the footprints chooses particles that differ, and rounds of classification at low
resolution make classes of them."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d import clustering, start
    from refine2d.averaging import Recipe
    from refine2d.errors import UserError
    from refine2d.extent import plan
    from refine2d.particles import ParticleStore
    from refine2d.recipes import centring
    from refine2d.stacks.hdf import read_hdf, read_headers
    from refine2d.tables import write_classmx
    from refine2d.transforms import alignment
    from refine2d.working import scale

    options, store = task.options, ParticleStore(task.input.particles)
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
    alike, _ = clustering.kmeans(vectors, centres, smallest=clustering.least(len(vectors), options.ncls))
    seeds = np.array([rng.choice(np.flatnonzero(alike == number)) for number in range(options.ncls)])

    def say(done: int, moved: float) -> None:
        task.progress(done, start.ROUNDS, "rounds at low resolution (fewer where particles settle)")
        task.note(f"round {done}: {100 * moved:.0f} % of {len(rows):,} particles changed class")

    labels, alignments = np.full(store.n, -1, np.int32), alignment(np.zeros(store.n))
    known = store, rows, seeds, plan(options, task.run, "sim")
    how = Recipe(center=centring(options), automask=options.automask)
    labels[rows], alignments[rows] = start.classify(*known, how, task.threads, say)
    write_classmx(task.output[0], labels, labels >= 0, alignments, scale(task.run))
