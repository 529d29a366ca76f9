"""What each step took: time from the benchmark files that Snakemake writes (``RULE.tsv``, ``RULE.YY.GG.tsv``),
CPU time and memory from the logs of the jobs."""

import csv
from collections import defaultdict
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
        step, the name of its rule; jobs; seconds of all jobs; measured, how many of the jobs have a log that tells what
        they used; of those, cpu seconds, and memory (MB) of the largest.
    """
    steps = defaultdict(lambda: {"jobs": 0, "seconds": 0.0, "measured": 0, "cpu": 0.0, "memory": 0.0})
    for path in sorted(Path(folder, "benchmarks").glob("*.tsv")):
        with open(path, newline="", errors="replace") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        if not rows:
            continue
        step = steps[path.name.split(".")[0]]
        step["jobs"] += 1
        step["seconds"] += _number(rows[-1].get("s"))
        if used := usage.read(_log(path)):
            step["measured"] += 1
            step["cpu"] += used[0]
            step["memory"] = max(step["memory"], used[1])
    rows = [{"step": name} | step for name, step in steps.items()]
    return sorted(rows, key=lambda row: (-row["seconds"], row["step"]))


def _log(benchmark: Path) -> Path:
    """The log of a job: that of ``simmx_piece.01.00.tsv`` is ``simmx_01_00.log``."""
    name = benchmark.stem.replace("_piece.", ".").replace(".", "_")
    return benchmark.parents[1] / "logs" / f"{name}.log"


def _number(text: str | None) -> float:
    """A figure; 0 where there is none, or the file was cut short."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0
