"""Each particle's class and pose for cryoSPARC."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.cryosparc import write_particles
    from refine2d.particles import ParticleStore
    from refine2d.stacks.opening import open_source
    from refine2d.tables import read_members

    source = open_source(task.input.particles)
    source.ctf = None  # the store has it, too
    store = ParticleStore(task.input.store)
    members = read_members(task.input.pieces)
    columns = members["row"], members["class"], members["alignment"]
    write_particles(task.output[0], source, store, *columns, task.options.invert)
