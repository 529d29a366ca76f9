"""MSA of the footprints."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.basisfile import write_basis
    from refine2d.msa import basis
    from refine2d.stacks.hdf import read_hdf

    write_basis(task.output[0], basis(read_hdf(task.input.footprints)[0], task.options.nbasisfp))
