"""Averages of a group of starting classes, each grown from one particle."""

from refine2d.job import job

with job(snakemake) as task:
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.averaging import bootstrap, class_average
    from refine2d.recipes import recipe
    from refine2d.recipes import store as particles
    from refine2d.tables import class_header, members_of, read_classmx, write_classes

    options = task.options
    store = particles(task.input.particles, options, task.run)
    labels, _, _ = read_classmx(task.input.classmx, 1.0)
    how = recipe(options, task.run)
    extent = how.matching.plan

    def average(number):
        rows = np.flatnonzero(labels == number)
        rules = options.classiter, options.classkeep, options.classkeepsig, how
        made = bootstrap(store, rows, extent, *rules)
        if options.classnormproc == "normalize.toimage":
            store.fit(rows, made.alignments, made.image)
            made = class_average(store, rows, made.alignments, extent, *rules[:-1], 0, how)
        members = members_of(number, rows, made)
        header = class_header(number, members, made.frc, task.input.lst, store.apix, made.noise)
        return made.image, header, members

    numbers = range(task.share.group, options.ncls, task.share.groups)
    with ThreadPoolExecutor(task.threads) as pool:
        images, headers, members = zip(*pool.map(average, numbers), strict=True)
    write_classes(task.output[0], images, headers, np.concatenate(members))
