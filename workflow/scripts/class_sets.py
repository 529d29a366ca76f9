"""The particles of each class as a list for EMAN2."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.stacks.lst import copy_lines
    from refine2d.tables import read_members

    members = read_members(task.input.pieces)
    for label, path in enumerate(task.output):
        mine = members["row"][members["class"] == label]
        copy_lines(task.input.lst, mine, path, f"Particles of class {label}, a line each.")
