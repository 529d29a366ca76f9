"""A copy of the last iteration's alignments to the averages."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.files import copy

    copy(task.input[0], task.output[0])
