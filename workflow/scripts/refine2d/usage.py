"""What a job used, in its log: Snakemake looks at a job only now and then, and not at its end."""

import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")  # where Linux has the most memory since the program began
SENTENCE = "{:.1f} s of CPU time, {:.0f} MB of memory"
PATTERN = re.compile(r"^([\d.]+) s of CPU time, (\d+) MB of memory$", re.MULTILINE)


def used() -> str:
    """CPU time of this process and those that it waited for, and its largest resident memory, as a sentence."""
    mine, others = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return SENTENCE.format(sum(each.ru_utime + each.ru_stime for each in (mine, others)), _memory(mine))


def _memory(spent: resource.struct_rusage) -> float:
    """MB; the program's own where that is told, since what is counted for a process starts with its parent's."""
    try:
        own = re.search(r"^VmHWM:\s*(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    except OSError:
        own = None
    if own:
        return int(own[1]) / 1024
    return spent.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def read(log: Path) -> tuple[float, float] | None:
    """Seconds and MB that a job's log tells; None where it does not."""
    try:
        found = PATTERN.findall(log.read_text(errors="replace"))
    except OSError:
        return None
    return (float(found[-1][0]), float(found[-1][1])) if found else None
