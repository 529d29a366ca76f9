"""The options of the run, as it ended."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.files import write_json

    write_json(task.output[0], vars(task.options) | {"particles": vars(task.run)})
