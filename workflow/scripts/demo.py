"""The demo's particles, with known truth beside them."""

from pathlib import Path

from refine2d.job import job

with job(snakemake) as task:
    from refine2d import simulate

    simulate.write_dataset(simulate.DEMO, Path(task.output.stack).parent)
