"""The similarity matrix of all particles and references."""

from pathlib import Path

from refine2d.job import duration, job

with job(snakemake) as task:
    task.forward_if_converged()

    from refine2d.stacks.hdf import read_headers
    from refine2d.tables import read_arrays, write_simmx
    from refine2d.working import scale

    references = len(read_headers(task.input.aliref))
    pieces = (read_arrays([piece], "best") for piece in task.input.pieces)
    write_simmx(task.output[0], pieces, task.run.n, references, scale(task.run))
    done = max(Path(piece).stat().st_mtime for piece in task.input.pieces)
    spent = max(done - Path(task.input.aliref).stat().st_mtime, 1e-3)
    speed = f"{task.run.n / spent:,.0f} a second"
    task.say(f"Iteration {task.iteration}: {task.run.n:,} particles aligned in {duration(spent)}, {speed}")
