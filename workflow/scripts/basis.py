"""MSA of the averages."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    from refine2d.basisfile import write_basis
    from refine2d.denoise import per_component
    from refine2d.msa import basis
    from refine2d.stacks.hdf import read_hdf, read_headers

    noise = per_component([header["noise"] for header in read_headers(task.input.allrefs)])
    write_basis(task.output[0], basis(read_hdf(task.input.allrefs), task.options.nbasis, noise))
