"""Choose the averages that particles are aligned to, less the noise that MSA of all of them tells apart."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    from refine2d import denoise
    from refine2d.references import choose
    from refine2d.stacks.hdf import read_hdf, read_headers, write_hdf
    from refine2d.working import mask_radius

    headers = read_headers(task.input.allrefs)
    noise = denoise.per_component([header["noise"] for header in headers])
    images = denoise.together(read_hdf(task.input.allrefs), noise)
    chosen = choose(images, task.options.naliref, mask_radius(task.options, task.run))
    write_hdf(task.output[0], images[chosen], [headers[i] | {"allrefs_index": int(i)} for i in chosen])
