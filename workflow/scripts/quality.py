"""How good each class looks, as a table; while the run goes on, the page of what is there so far."""

import time
from pathlib import Path

from refine2d.job import job

REFRESH = 60  # seconds; a page takes two to make


def recent(page: Path) -> bool:
    return page.exists() and abs(time.time() - page.stat().st_mtime) < REFRESH


with job(snakemake) as task:
    task.forward_if_converged()

    from refine2d.particles import ParticleStore
    from refine2d.quality import measure, write_quality
    from refine2d.report.history import read_history

    folder, diameter = Path(task.output[0]).parent, task.options.mask_diameter
    (now,) = read_history(folder, task.iteration, first=task.iteration)
    radius = diameter / 2 / ParticleStore(task.input.particles).apix
    found = measure(now.averages, now.sizes, now.frc, radius)
    write_quality(task.output[0], found, now.sizes, now.resolution)
    page = folder / "report.html"
    if task.iteration == int(snakemake.config["iter"]):
        page.unlink(missing_ok=True)  # or Snakemake wonders where its output comes from
    elif not recent(page):
        from refine2d.report.collect import collect
        from refine2d.report.page import write_page
        from refine2d.report.times import read_times

        report = collect(folder, task.iteration, diameter, vars(task.run), snakemake.config)
        write_page(page, report, read_times(folder))
