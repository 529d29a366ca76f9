"""What every script of the workflow has around its work: a log, one BLAS thread, errors as sentences, an early stop."""

import errno
import json
import logging
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from threadpoolctl import threadpool_info, threadpool_limits

from refine2d.errors import Damaged, UserError
from refine2d.files import SEALED, check, copy, remove_unfinished, set_aside
from refine2d.usage import used

LOCK = "lock.json"  # written when a command begins
PATIENCE = 10.0  # seconds between two lines of progress
GRACE = 20.0  # seconds that a job has to end after SIGTERM; Slurm waits 30 by default before it kills
BLAS_THREADS = (
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "OMP_NUM_THREADS",
)
FULL = {errno.ENOSPC, errno.EDQUOT}


class _Forwarded(Exception):
    """The job's files were copied from the iteration before."""


class Job:
    """A running job: Snakemake's object, with options as attributes.

    Attributes
    ----------
    input, output
        As in the rule.
    options, run, rows, share, tried : namespaces
        The rule's parameters of these names.
    threads : int
    iteration : int
        0 outside the iterations.
    left : float
        Seconds that it still needs, as far as it has said.
    """

    def __init__(self, snakemake, log: logging.Logger):
        self.input, self.output, self.threads = snakemake.input, snakemake.output, snakemake.threads
        for name in ("options", "run", "rows", "share", "tried"):
            setattr(self, name, SimpleNamespace(**snakemake.params.get(name, {})))
        self.iteration = int(snakemake.wildcards.get("YY", 0))
        self._step, self._log = snakemake.rule, log
        self._start = self._last = time.monotonic()
        self.left = 0.0

    def say(self, sentence: str) -> None:
        """A line for the console and the log."""
        self._log.warning(sentence)

    def note(self, sentence: str) -> None:
        """A line for the log alone."""
        self._log.info(sentence)

    def since(self, path: str, until: float | None = None) -> float | None:
        """Seconds from when a file of the run was written until now, None if this command was not there yet."""
        written, began = Path(path).stat().st_mtime, Path(path).with_name(LOCK)
        if not began.exists() or written < began.stat().st_mtime:
            return None
        return max((until or time.time()) - written, 1e-3)

    def used(self) -> str:
        """What the job has used so far, a line of the log."""
        return used(self._step, time.monotonic() - self._start)

    def progress(self, done: int, total: int, what: str) -> None:
        """Say how far a long step is, now and then: what is done, how fast, the time that is left."""
        now = time.monotonic()
        self.left = (total - done) * (now - self._start) / done if done else float("inf")
        if now - self._last > PATIENCE and 0 < done < total:
            self._last, rate = now, done / (now - self._start)
            where = f"Iteration {self.iteration}: " if self.iteration else ""
            speed = f"{rate:,.{0 if rate > 10 else 1}f} a second, " if rate > 0.1 else ""
            self.say(f"{where}{done:,} of {total:,} {what}, {speed}{duration((total - done) / rate)} left")

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


def duration(seconds: float) -> str:
    """A time as a person says it."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


@contextmanager
def job(snakemake) -> Iterator[Job]:
    """Run the body of a script.

    Warnings and what `Job.say` says go to the console and to the rule's log, everything else to the log alone. A
    `UserError` ends the script with its sentence and exit code 1, without a traceback. Files of the run are compared
    with their checksums before they are read; damaged ones are set aside, so that the next workflow makes them again.
    Where the script is the running program, it ends with the body.

    Parameters
    ----------
    snakemake
        The object that Snakemake gives to a script.
    """
    log = _logger(str(snakemake.log[0]))
    os.environ.update(dict.fromkeys(BLAS_THREADS, "1"))  # for a BLAS that is loaded later
    try:
        with threadpool_limits(1, "blas"):
            task = Job(snakemake, log)
            with _ends_in_time(task, log):
                _check_inputs(snakemake)
                yield task
                log.info("%s\nmade with %s", task.used(), _machine())
    except _Forwarded:
        log.info(task.used())
    except Damaged as error:
        for path in error.paths:
            set_aside(path)
        log.error(f"{error}. It was set aside as {error.paths[0]}.damaged; the same command makes it again.")
        sys.exit(1)
    except UserError as error:
        log.error(str(error))
        sys.exit(1)
    except Exception as error:
        if not (sentence := _outside_cause(error)):
            log.exception("This should not have happened; please report it with this log.")
            raise
        log.info("", exc_info=True)
        log.error(sentence)
        sys.exit(1)
    finally:
        logging.shutdown()
    if getattr(sys.modules["__main__"], "snakemake", None) is snakemake:
        _leave()


def _leave() -> None:
    """End the script, as all its files are written: taking down what it has loaded takes a tenth of a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _machine() -> str:
    """What the last bits of results depend on."""
    kinds = {
        f"{lib['internal_api']} {lib['version']} ({lib.get('architecture', '?')})"
        for lib in threadpool_info()
    }
    return ", ".join([platform.machine(), *sorted(kinds)])


def _check_inputs(snakemake) -> None:
    """Compare the run's own files among the inputs with their checksums."""
    run = Path(snakemake.log[0]).parents[1]
    for path in map(Path, snakemake.input):
        if path.suffix in (*SEALED, ".json") and run in path.parents:
            check(path)


def _outside_cause(error: Exception) -> str:
    """A sentence for what is no fault of the program."""
    code = getattr(error, "errno", None)
    if code in FULL or any(f"errno = {full}," in str(error) for full in FULL):
        return "The disk is full: make room, and the same command goes on from here."
    if isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError) or code == errno.EROFS:
        return f"{error.filename} cannot be read or written: {error.strerror}."
    if isinstance(error, FileNotFoundError):
        return (
            f"{error.filename or error} is not there any more: bring it back, or say the same command again."
        )
    return ""


@contextmanager
def _ends_in_time(task: Job, log: logging.Logger) -> Iterator[None]:
    """After SIGTERM, end the job within GRACE: by finishing if that is near. SIGINT ends it at once."""

    def stop(*_):
        log.error("Stopped; the same command goes on from here.")
        remove_unfinished()
        os._exit(1)

    def hurry(*_):
        if task.left > GRACE:
            stop()
        timer = threading.Timer(GRACE, stop)
        timer.daemon = True
        timer.start()

    before = {
        number: signal.signal(number, act) for number, act in ((signal.SIGTERM, hurry), (signal.SIGINT, stop))
    }
    try:
        yield
    finally:
        for number, act in before.items():
            signal.signal(number, act)


def _logger(path: str) -> logging.Logger:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    console, file = logging.StreamHandler(), logging.FileHandler(path, "w")
    console.setLevel(logging.WARNING)
    for handler in (console, file):
        handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("refine2d")
    log.setLevel(logging.INFO)
    log.handlers = [console, file]
    logging.raiseExceptions = False  # a full disk
    return log
