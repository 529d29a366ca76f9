"""The page of the run, and the classes that their quality suggests."""

from pathlib import Path

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.report.collect import collect
    from refine2d.report.page import write_page
    from refine2d.report.times import read_times
    from refine2d.selection import doubt, suggested, write_selection

    folder = Path(task.output.page).parent
    last, diameter = task.options.iter, task.options.mask_diameter
    report = collect(folder, last, diameter, vars(task.run), snakemake.params.listed, task.input.stack)
    suggestion = suggested(report)
    write_selection(task.output.selection, suggestion)
    write_page(task.output.page, report, read_times(folder))
    if sentence := doubt(suggestion):
        task.say(sentence)
