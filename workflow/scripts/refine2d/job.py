"""What every script of the workflow has around its work: a log, one BLAS thread, errors as sentences, an early stop."""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from threadpoolctl import threadpool_limits

from refine2d.errors import UserError
from refine2d.files import copy

PATIENCE = 10.0  # seconds between two lines of progress


class _Forwarded(Exception):
    """The job's files were copied from the iteration before."""


class Job:
    """A running job: Snakemake's object, with options as attributes.

    Attributes
    ----------
    input, output
        As in the rule.
    options, run, rows, share : namespaces
        The rule's parameters of these names.
    threads : int
    iteration : int
        0 outside the iterations.
    """

    def __init__(self, snakemake, log: logging.Logger):
        self.input, self.output, self.threads = snakemake.input, snakemake.output, snakemake.threads
        for name in ("options", "run", "rows", "share"):
            setattr(self, name, SimpleNamespace(**snakemake.params.get(name, {})))
        self.iteration = int(snakemake.wildcards.get("YY", 0))
        self._log, self._last = log, time.monotonic()

    def say(self, sentence: str) -> None:
        """A line for the console and the log."""
        self._log.warning(sentence)

    def progress(self, done: int, total: int, what: str) -> None:
        """Say how far a long step is, now and then."""
        now = time.monotonic()
        if now - self._last > PATIENCE and done < total:
            self._last = now
            self.say(f"{done} of {total} {what}")

    def forward_if_converged(self) -> None:
        """End the job with copies of its files of the iteration before, if that one found nothing left to change."""
        if not self.input.get("state") or not json.loads(Path(self.input.state).read_text())["converged"]:
            return
        now, before = f"_{self.iteration:02d}", f"_{self.iteration - 1:02d}"
        for path in self.output:
            folder, name = Path(path).parent, Path(path).name
            if now in name:
                name = name.replace(now, before)
            else:
                folder = folder.with_name(folder.name.replace(now, before))
            copy(folder / name, path)
        self._log.info("converged: copied from iteration %d", self.iteration - 1)
        raise _Forwarded


@contextmanager
def job(snakemake) -> Iterator[Job]:
    """Run the body of a script.

    Warnings and what `Job.say` says go to the console and to the rule's log, everything else to the log alone. A
    `UserError` ends the script with its sentence and exit code 1, without a traceback.

    Parameters
    ----------
    snakemake
        The object that Snakemake gives to a script.
    """
    log = _logger(str(snakemake.log[0]))
    try:
        with threadpool_limits(1, "blas"):
            yield Job(snakemake, log)
    except _Forwarded:
        pass
    except UserError as error:
        log.error(str(error))
        sys.exit(1)
    except Exception:
        log.exception("This should not have happened; please report it with this log.")
        raise
    finally:
        logging.shutdown()


def _logger(path: str) -> logging.Logger:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    console, file = logging.StreamHandler(), logging.FileHandler(path, "w")
    console.setLevel(logging.WARNING)
    for handler in (console, file):
        handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("refine2d")
    log.setLevel(logging.INFO)
    log.handlers = [console, file]
    return log
