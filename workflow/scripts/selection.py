"""The particles of chosen classes in the format that they came in, and their averages."""

from pathlib import Path

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.selection import choose

    folder, last = Path(task.input.store).parent, int(Path(task.input.state).stem[-2:])
    task.say(choose(folder, last, vars(task.run), task.input.selection, task.output[0]))
