"""Join the new averages, in the order of their numbers, and the alignments of their members."""

from refine2d.job import job

with job(snakemake) as task:
    task.forward_if_converged()

    import numpy as np

    from refine2d.tables import join_classes, read_members, write_classmx
    from refine2d.transforms import alignment
    from refine2d.working import scale

    join_classes(task.output.classes, task.input.pieces)
    members = read_members(task.input.pieces)
    labels, kept = np.full(task.run.n, -1, np.int32), np.zeros(task.run.n, bool)
    alignments = alignment(np.zeros(task.run.n))
    rows = members["row"]
    labels[rows], kept[rows], alignments[rows] = members["class"], members["kept"], members["alignment"]
    write_classmx(task.output.resultmx, labels, kept, alignments, scale(task.run))
