"""Join the projections of the particles."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    import numpy as np

    from refine2d.tables import read_arrays, write_projection
    from refine2d.working import scale

    vectors, best, weights = (read_arrays(task.input.pieces, name) for name in ("vectors", "best", "weights"))
    total = weights.sum(0).astype(np.float32)
    write_projection(task.output[0], vectors, best, scale(task.run), {"ctf_weight": total})
