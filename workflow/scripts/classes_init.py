"""Join the averages of the starting classes, in the order of their numbers."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.tables import join_classes

    join_classes(task.output[0], task.input.pieces)
