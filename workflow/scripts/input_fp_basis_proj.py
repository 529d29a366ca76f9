"""The footprints in their MSA space."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.basisfile import read_basis
    from refine2d.msa import coordinates
    from refine2d.stacks.hdf import read_hdf
    from refine2d.tables import write_projection

    vectors = coordinates(read_hdf(task.input.footprints)[0], read_basis(task.input.basis))
    write_projection(task.output[0], vectors)
