"""The particles of each class as a list for EMAN2."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.particles import ParticleStore
    from refine2d.stacks.lst import write_lst
    from refine2d.stacks.opening import open_source
    from refine2d.tables import read_members

    source, number = open_source(task.input.particles), ParticleStore(task.input.store).number
    members = read_members(task.input.pieces)
    for label, path in enumerate(task.output):
        mine = number[members["row"][members["class"] == label]]
        write_lst(path, *source.locations(mine), comment=f"Particles of class {label}, a line each.")
