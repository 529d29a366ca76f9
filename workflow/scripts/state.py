"""How far the classification is: particles that changed their class, sizes, and whether to go on."""

import time
from pathlib import Path

from refine2d.job import duration, job

with job(snakemake) as task:
    task.forward_if_converged()

    import numpy as np

    from refine2d.files import write_json
    from refine2d.stacks.hdf import read_headers
    from refine2d.tables import read_classmx

    options = task.options
    labels = read_classmx(task.input.classmx, 1.0)[0]
    before = np.full(len(labels), -1)
    if task.input.classmx_before:
        source = [header["source_class"] for header in read_headers(task.input.allrefs)]
        number = np.full(options.ncls + 1, -1)  # the last for particles of no class
        number[source] = np.arange(len(source))
        before = number[read_classmx(task.input.classmx_before, 1.0)[0]]
    used = labels >= 0
    changed = int((labels != before)[used].sum())
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
    write_json(task.output[0], state, seal=True)
    resolution = np.median([header["resolution"] for header in read_headers(task.input.classes)])
    spent = time.time() - Path(task.input.allrefs).stat().st_mtime
    left = int(snakemake.config["iter"]) - task.iteration
    task.say(
        f"Iteration {task.iteration}: {used.sum()} particles in {state['classes']} classes, "
        f"{changed / used.sum():.1%} changed their class, the largest has {sizes.max() / used.sum():.1%}, "
        f"median resolution {resolution:.1f} A, in {duration(spent)}"
        + (f", about {duration(left * spent)} for {left} more" if left > 0 and not state["converged"] else "")
        + (", converged" if state["converged"] else "")
    )
