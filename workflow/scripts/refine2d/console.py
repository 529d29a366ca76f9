"""What Snakemake says, as a person likes it: `quiet` alone leaves the scheduler's lines, or takes errors with them."""

import logging
import re
from typing import TextIO

PIECE = re.compile(r", (piece|group) \d+$")
ZERO = re.compile(r"(?<=^Iteration )0")
NOT_TOLD = (
    "Select jobs to execute...",
    # That page is the one of what is there so far.
    "Warning: the following output files of rule report were not present",
)


class OneLineAStep(logging.Filter):
    """Of Snakemake's lines, those for a person: each step's own, once for all of its pieces; warnings and errors.

    Parameters
    ----------
    stream : text file
        Where the handler that has this filter writes.
    """

    def __init__(self, stream: TextIO):
        super().__init__()
        self.stream, self.told = stream, set()

    def filter(self, record: logging.LogRecord) -> bool:
        event = getattr(record, "event", None)
        if event != "job_info" or not record.rule_msg:
            return event != "job_started" and not str(record.msg).startswith(NOT_TOLD)
        step = ZERO.sub("", PIECE.sub("", record.rule_msg))
        if step not in self.told:
            print(step, file=self.stream, flush=True)
            self.told.add(step)
        return False
