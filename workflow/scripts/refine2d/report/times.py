"""What each step took, from the benchmark files that Snakemake writes: ``RULE.tsv``, ``RULE.YY.GG.tsv``."""

import csv
from collections import defaultdict
from pathlib import Path


def read_times(folder: str | Path) -> list[dict]:
    """Steps of a run that have ended, the longest first.

    Parameters
    ----------
    folder : path
        The run's.

    Returns
    -------
    list of dict
        step, the name of its rule; jobs; seconds of all jobs; measured, how many of the jobs ran for long enough that
        Snakemake saw their processor time and memory; of those, cpu seconds, and memory (MB) of the largest.
    """
    steps = defaultdict(lambda: {"jobs": 0, "seconds": 0.0, "measured": 0, "cpu": 0.0, "memory": 0.0})
    for path in sorted(Path(folder, "benchmarks").glob("*.tsv")):
        with open(path, newline="", errors="replace") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                step, cpu = steps[path.name.split(".")[0]], _number(row.get("cpu_time"))
                step["jobs"] += 1
                step["seconds"] += _number(row.get("s"))
                if cpu > 0:  # else Snakemake looked once, before the job had begun to work
                    step["measured"] += 1
                    step["cpu"] += cpu
                    step["memory"] = max(step["memory"], _number(row.get("max_rss")))
    rows = [{"step": name} | step for name, step in steps.items()]
    return sorted(rows, key=lambda row: (-row["seconds"], row["step"]))


def _number(text: str | None) -> float:
    """A figure; 0 where there is none, or the file was cut short."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0
