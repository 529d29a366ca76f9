"""What a job used, in its log: Snakemake looks at a job only now and then, and not at its end."""

import re
import resource
from pathlib import Path

STATUS = Path("/proc/self/status")  # where Linux has the most memory since the program began
SENTENCE = "{:.1f} s of processor time, {:.0f} MB of memory"
PATTERN = re.compile(r"^([\d.]+) s of processor time, (\d+) MB of memory$", re.MULTILINE)


def used() -> str:
    """Processor time of this process and its largest resident memory, as a sentence."""
    spent = resource.getrusage(resource.RUSAGE_SELF)
    if STATUS.exists():
        memory = int(re.search(r"^VmHWM:\s*(\d+) kB$", STATUS.read_text(), re.MULTILINE)[1]) / 1024
    else:
        memory = spent.ru_maxrss / 2**20
    return SENTENCE.format(spent.ru_utime + spent.ru_stime, memory)


def read(log: Path) -> tuple[float, float] | None:
    """Seconds and MB that a job's log tells; None where it does not."""
    try:
        found = PATTERN.findall(log.read_text(errors="replace"))
    except OSError:
        return None
    return (float(found[-1][0]), float(found[-1][1])) if found else None
