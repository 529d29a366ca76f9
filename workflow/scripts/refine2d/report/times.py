"""What each step took, by the logs of its jobs."""

from pathlib import Path

from refine2d import usage


def read_times(folder: str | Path) -> list[dict]:
    """Steps of a run that have ended, the longest first.

    Parameters
    ----------
    folder : path
        The run's.

    Returns
    -------
    list of dict
        step, the name of its rule; jobs; seconds and cpu seconds of all jobs; memory (MB) of the largest.
    """
    steps = {}
    for path in sorted(Path(folder, "logs").glob("*.log")):
        if job := usage.read(path):
            step = steps.setdefault(job.step, {"jobs": 0, "seconds": 0.0, "cpu": 0.0, "memory": 0.0})
            step["jobs"] += 1
            step["seconds"] += job.seconds
            step["cpu"] += job.cpu
            step["memory"] = max(step["memory"], job.memory)
    rows = [{"step": name} | step for name, step in steps.items()]
    return sorted(rows, key=lambda row: (-row["seconds"], row["step"]))
