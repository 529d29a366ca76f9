"""Centre the averages, align them to each other and sort them by similarity."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    from refine2d.averaging import Recipe
    from refine2d.extent import plan
    from refine2d.ordering import chain
    from refine2d.recipes import centring
    from refine2d.stacks.hdf import read_hdf, read_headers, write_hdf

    options, classes = task.options, read_hdf(task.input.classes)
    how = Recipe(center=centring(options), automask=options.automask)
    order, images = chain(classes, plan(options, task.run, "sim"), task.threads, how)
    headers = read_headers(task.input.classes)
    kept = ("apix_x", "apix_y", "ptcl_repr", "noise")
    headers = [{name: headers[i][name] for name in kept} | {"source_class": int(i)} for i in order]
    write_hdf(task.output[0], images, headers)
