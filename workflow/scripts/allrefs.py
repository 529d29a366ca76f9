"""The averages as the iteration uses them: centred, aligned to each other, sorted; MSA of their members; references."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d import denoise
    from refine2d.averaging import Recipe
    from refine2d.basisfile import write_basis
    from refine2d.eigenimages import eigenimages
    from refine2d.extent import plan
    from refine2d.msa import basis
    from refine2d.ordering import chain
    from refine2d.particles import ParticleStore
    from refine2d.recipes import centring
    from refine2d.references import choose
    from refine2d.shifts import expected
    from refine2d.stacks.hdf import read_hdf, read_headers, write_hdf
    from refine2d.tables import read_members
    from refine2d.transforms import compose
    from refine2d.working import mask_radius, scale

    options, classes = task.options, read_hdf(task.input.classes)
    how, radius = Recipe(center=centring(options), automask=options.automask), mask_radius(options, task.run)
    order, images, moved = chain(classes, plan(options, task.run, "sim"), task.threads, how)
    headers = read_headers(task.input.classes, ("apix_x", "apix_y", "ptcl_repr", "noise"))
    headers = [headers[i] | {"source_class": int(i)} for i in order]
    noise = denoise.per_component([header["noise"] for header in headers])

    if task.input.members:
        members = read_members(task.input.members)
        members, place = members[members["kept"]], np.argsort(order)
        alignments = compose(members["alignment"], moved[place[members["class"]]])
        store = ParticleStore(task.input.particles)
        with ThreadPoolExecutor(task.threads) as pool:
            known = store, members["row"], alignments, images.mean(0)
            space = eigenimages(*known, options.nbasis, radius, noise, pool.map)
        shift_sigma = expected(alignments) * task.run.apix * scale(task.run)
        headers = [header | {"shift_sigma": shift_sigma} for header in headers]
    else:
        space = basis(images, options.nbasis, noise)
    write_basis(task.output.basis, space)
    write_hdf(task.output.allrefs, images, headers)

    references = denoise.together(images, noise)
    chosen = choose(references, options.naliref, radius)
    numbered = [headers[i] | {"allrefs_index": int(i)} for i in chosen]
    write_hdf(task.output.aliref, references[chosen], numbered)
