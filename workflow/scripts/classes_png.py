"""The contact sheet of the averages."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d.report.gallery import contact_sheet
    from refine2d.stacks.opening import open_source
    from refine2d.tables import class_sizes

    sizes = class_sizes(task.input.classes)
    averages = open_source(task.input.stack).images(np.arange(len(sizes)))
    title = f"{sizes.sum():,} particles in {(sizes > 0).sum()} classes"
    contact_sheet(averages, sizes, task.output[0], apix=task.run.apix, title=title)
