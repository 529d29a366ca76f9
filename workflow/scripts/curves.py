"""The run's curves as figures."""

from pathlib import Path

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.report.curves import draw_curves
    from refine2d.report.history import read_history

    state = Path(task.input.states[-1])
    draw_curves(read_history(state.parent, int(state.stem[-2:])), task.output)
