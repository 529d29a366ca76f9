"""What no later step waits for: the similarity matrix, and how good each class looks, as a table.

While the run goes on, also the page of what is there so far.
"""

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
    from refine2d.stacks.hdf import read_headers
    from refine2d.tables import read_arrays, write_simmx
    from refine2d.working import scale

    references = len(read_headers(task.input.aliref, ()))
    aligned = (read_arrays([piece], "best") for piece in task.input.aligned)
    write_simmx(task.output.simmx, aligned, task.run.n, references, scale(task.run))

    folder, diameter = Path(task.output.quality).parent, task.options.mask_diameter
    (now,) = read_history(folder, task.iteration, first=task.iteration)
    radius = diameter / 2 / ParticleStore(task.input.particles).apix
    found = measure(now.averages, now.sizes, now.frc, radius)
    write_quality(task.output.quality, found, now.sizes, now.resolution)

    page, listed = folder / "report.html", snakemake.params.listed
    ((_, _, last),) = listed["iter"]
    if task.iteration < last and not recent(page):
        from refine2d.report.collect import collect
        from refine2d.report.page import write_page
        from refine2d.report.times import read_times

        write_page(
            page, collect(folder, task.iteration, diameter, vars(task.run), listed), read_times(folder)
        )
