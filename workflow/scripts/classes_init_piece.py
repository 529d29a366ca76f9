"""Averages of a group of starting classes."""

from refine2d.job import job

with job(snakemake) as task:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.averaging import class_average
    from refine2d.recipes import recipe
    from refine2d.recipes import store as particles
    from refine2d.tables import class_header, members_of, read_classmx, write_classes
    from refine2d.working import scale

    options = task.options
    store = particles(task.input.particles, options, task.run)
    labels, _, alignments = read_classmx(task.input.classmx, scale(task.run))
    how = recipe(options, task.run)
    extent = how.matching.plan

    def average(number):
        rows = np.flatnonzero(labels == number)
        rules = options.classiter, options.classkeep, options.classkeepsig, 0, how
        made = class_average(store, rows, alignments[rows], extent, *rules)
        if options.classnormproc == "normalize.toimage":
            store.fit(rows, made.alignments, made.image)
            made = class_average(store, rows, made.alignments, extent, *rules)
        members = members_of(number, rows, made)
        header = class_header(number, members, made.frc, task.input.lst, store.apix, made.noise)
        return made.image, header, members

    numbers = range(task.share.group, options.ncls, task.share.groups)
    with ThreadPoolExecutor(task.threads) as pool:
        images, headers, members = zip(*pool.map(average, numbers), strict=True)
    write_classes(task.output[0], images, headers, np.concatenate(members))
