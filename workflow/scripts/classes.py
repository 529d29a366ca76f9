"""Join the new averages and the alignments of their members, and say how far the classification is."""

from refine2d.job import duration, job

with job(snakemake) as task:
    task.forward_if_converged()

    import numpy as np

    from refine2d.files import write_json
    from refine2d.following import movers
    from refine2d.percent import percent
    from refine2d.stacks.hdf import read_headers
    from refine2d.tables import join_classes, read_classmx, read_members, write_classmx
    from refine2d.transforms import alignment
    from refine2d.working import scale

    options = task.options
    join_classes(task.output.classes, task.input.pieces)
    members = read_members(task.input.pieces)
    labels, kept = np.full(task.run.n, -1, np.int32), np.zeros(task.run.n, bool)
    alignments = alignment(np.zeros(task.run.n))
    rows = members["row"]
    labels[rows], kept[rows], alignments[rows] = members["class"], members["kept"], members["alignment"]
    write_classmx(task.output.resultmx, labels, kept, alignments, scale(task.run))

    used, before = labels >= 0, np.full(len(labels), -1)
    if task.input.classmx_before:
        before = read_classmx(task.input.classmx_before, 1.0)[0]
    changed = movers(before, labels, options.ncls)
    sizes = np.bincount(labels[used], minlength=options.ncls)
    state = {
        "iteration": task.iteration,
        "particles": int(used.sum()),
        "changed": changed,
        "minchange": options.minchange,
        "converged": changed < options.minchange,
        "classes": int((sizes > 0).sum()),
        "largest": int(sizes.max()),
        "sizes": sizes.tolist(),
    }
    write_json(task.output.state, state, seal=True)

    resolution = np.median(
        [header["resolution"] for header in read_headers(task.output.classes, ["resolution"])]
    )
    told = (
        f"Iteration {task.iteration}: {used.sum():,} particles in {state['classes']} classes, "
        f"{percent(changed, used.sum())} changed their class, the largest has {percent(sizes.max(), used.sum())}, "
        f"median resolution {resolution:.1f} A"
    )
    if spent := task.since(task.input.allrefs):
        left = snakemake.params.last - task.iteration
        more = left > 0 and not state["converged"]
        told += f", in {duration(spent)}" + (
            f", about {duration(left * spent)} for {left} more" if more else ""
        )
    task.say(told + (", converged" if state["converged"] else ""))
