from pathlib import Path

from refine2d import simulate
from refine2d.job import job

with job(snakemake) as this:
    simulate.write_dataset(simulate.DEMO, Path(this.output.stack).parent)
