"""What a job used, in its log: Snakemake looks at a job only now and then, and not at its end."""

import re
import resource
import sys
from pathlib import Path
from typing import NamedTuple

STATUS = Path("/proc/self/status")  # where Linux has the most memory since the program began
SENTENCE = "{}: {:.2f} s, {:.2f} s of CPU time, {:.0f} MB of memory"
PATTERN = re.compile(r"^(\w+): ([\d.]+) s, ([\d.]+) s of CPU time, (\d+) MB of memory$", re.MULTILINE)


class Used(NamedTuple):
    """What a job used: its step, seconds, seconds of CPU time, and its largest resident memory in MB."""

    step: str
    seconds: float
    cpu: float
    memory: float


def used(step: str, seconds: float) -> str:
    """As a sentence: the time given, CPU time of this process and those that it waited for, its largest memory."""
    mine, others = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    cpu = sum(each.ru_utime + each.ru_stime for each in (mine, others))
    return SENTENCE.format(step, seconds, cpu, _memory(mine))


def _memory(spent: resource.struct_rusage) -> float:
    """MB; the program's own where that is told, since what is counted for a process starts with its parent's."""
    try:
        own = re.search(r"^VmHWM:\s*(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    except OSError:
        own = None
    if own:
        return int(own[1]) / 1024
    return spent.ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def read(log: Path) -> Used | None:
    """What a job's log tells; None where it does not."""
    try:
        found = PATTERN.findall(log.read_text(errors="replace"))
    except OSError:
        return None
    return Used(found[-1][0], *map(float, found[-1][1:])) if found else None
