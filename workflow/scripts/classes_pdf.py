"""The contact sheet of the averages for paper."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d.report.sheet import draw_sheet
    from refine2d.stacks.opening import open_source
    from refine2d.tables import class_sizes

    sizes = class_sizes(task.input.classes)
    averages = open_source(task.input.stack).images(np.arange(len(sizes)))
    draw_sheet(averages, sizes, task.run.apix, task.output[0])
