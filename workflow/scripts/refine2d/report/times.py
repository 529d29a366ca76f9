"""What each step took, from the benchmark files that Snakemake writes."""

import csv
import re
from collections import defaultdict
from pathlib import Path


def read_times(folder: str | Path) -> list[dict]:
    """Steps of a run, the longest first: name, jobs, seconds of all jobs, CPU seconds, memory (MB) of the largest job.

    Parameters
    ----------
    folder : path
        The run's.
    """
    steps = defaultdict(lambda: {"jobs": 0, "seconds": 0.0, "cpu": 0.0, "memory": 0.0})
    for path in sorted(Path(folder, "benchmarks").glob("*.tsv")):
        with open(path, newline="", errors="replace") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                step = steps[re.sub(r"(_\d\d+)+$", "", path.stem)]
                step["jobs"] += 1
                step["seconds"] += _number(row.get("s"))
                step["cpu"] += _number(row.get("cpu_time"))
                step["memory"] = max(step["memory"], _number(row.get("max_rss")))
    rows = [{"step": name} | step for name, step in steps.items()]
    return sorted(rows, key=lambda row: (-row["seconds"], row["step"]))


def _number(text: str | None) -> float:
    """A figure; 0 where Snakemake did not see the job for long enough, or the file was cut short."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0
