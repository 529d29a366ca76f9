"""The averages at full size as one stack, in the order of their numbers, RELION's table of them, and EMAN2's file."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.relion import class_blocks
    from refine2d.stacks.hdf import read_hdf
    from refine2d.stacks.mrc import write_mrcs
    from refine2d.stacks.star_text import write_star
    from refine2d.tables import class_places, class_sizes, join_classes

    sizes = class_sizes(task.input.classes)
    places = class_places(task.input.pieces)
    images = (read_hdf(path, [number])[0] for path, number in places)
    write_mrcs(task.output.stack, images, task.run.apix, len(places), task.run.box)
    write_star(task.output.star, class_blocks(task.output.stack, sizes))
    join_classes(task.output.hdf, task.input.pieces)
