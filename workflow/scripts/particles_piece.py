"""Read a chunk of the particles, prepare them and write them at the working size."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.input_rows import read_numbers, select
    from refine2d.prepare import write_piece
    from refine2d.stacks.opening import open_source
    from refine2d.working import mask_radius

    options, run, rows = task.options, task.run, task.rows
    source = open_source(task.input.particles)
    exclude = read_numbers(task.input.exclude) if task.input.exclude else ()
    number, excluded = select(source.n, exclude, options.subset or None)
    mine = slice(rows.start, rows.stop)
    radius = mask_radius(options, run)
    write_piece(task.output[0], source, number[mine], excluded[mine], run.working_box, radius, options.invert)
