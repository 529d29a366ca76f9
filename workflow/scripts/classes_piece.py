"""New averages of a group of classes, their members aligned to the class's own average."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.averagers import FLOOR
    from refine2d.averaging import class_average
    from refine2d.basisfile import read_basis
    from refine2d.fourier import ft, ring_mean
    from refine2d.recipes import recipe
    from refine2d.recipes import store as particles
    from refine2d.stacks.hdf import read_hdf
    from refine2d.tables import class_header, members_of, read_classmx, read_shift_sigma, write_classes
    from refine2d.working import scale

    options = task.options
    store = particles(task.input.particles, options, task.run)
    labels, _, alignments = read_classmx(task.input.classmx, scale(task.run))
    allrefs, shift_sigma = read_hdf(task.input.allrefs), read_shift_sigma(task.input.allrefs)
    floor = FLOOR * ring_mean(np.abs(ft(allrefs)) ** 2, store.box).mean(0)
    space = read_basis(task.input.basis)

    def average(number):
        rows = np.flatnonzero(labels == number)
        how = recipe(options, task.run, allrefs[number] if options.classrefsf else None, shift_sigma)
        if options.classnormproc == "normalize.toimage":
            store.fit(rows, alignments[rows], allrefs[number])
        rules = options.classiter, options.classkeep, options.classkeepsig, floor, how, space
        made = class_average(store, rows, alignments[rows], how.matching.plan, *rules)
        members = members_of(number, rows, made)
        header = class_header(number, members, made.frc, task.input.lst, store.apix, made.noise)
        return made.image, header, members

    numbers = range(task.share.group, options.ncls, task.share.groups)
    with ThreadPoolExecutor(task.threads) as pool:
        images, headers, members = zip(*pool.map(average, numbers), strict=True)
    write_classes(task.output[0], images, headers, np.concatenate(members))
