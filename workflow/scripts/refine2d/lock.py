"""One workflow at a time in a run's folder, and none of the processes that a killed one left behind.

The lock says who holds it: host, process and its start. Where that process is gone, as after SIGKILL, the next
workflow takes the lock over and stops the jobs that were left; where it cannot know, it says what to do.
"""

import atexit
import json
import os
import signal
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

import psutil

from refine2d import files
from refine2d.errors import UserError

NAME = "lock.json"
VARIABLE = "REFINE2D_RUN"  # in the environment of each job: the folder that it works in
PATIENCE = 10.0  # seconds that a job left behind has to end by itself, once told to
SHELLS = {"sh", "bash", "dash", "zsh"}


def take(folder: str) -> None:
    """Lock a run's folder until this process ends, and clear what a killed workflow left in it.

    From then on the processes that this one starts are told apart by their environment, and SIGTERM reaches them too.

    Raises
    ------
    UserError
        Where another workflow holds the lock, or may do so on another host, and where nothing can be written.
    """
    path, mine = Path(folder, NAME), _owner(os.getpid())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not _create(path, mine):
            _remove(path, check(folder))
    except OSError as error:
        raise UserError(f"path is {folder}, but nothing can be written there: {error.strerror}.") from None
    atexit.register(_remove, path, mine)
    _stop(processes(folder))
    files.remove_leftovers(folder)
    files.bring_to_now(folder)
    os.environ[VARIABLE] = os.path.realpath(folder)
    _pass_on_sigterm(folder)


def check(folder: str) -> dict | None:
    """The lock that a killed workflow left in a run's folder, if there is one.

    Raises
    ------
    UserError
        Where another workflow holds the lock, or may do so on another host.
    """
    held = _read(Path(folder, NAME))
    if held and (reason := _in_use(folder, held)):
        raise UserError(reason)
    return held


def clear(folder: str) -> None:
    """Remove the lock that a killed workflow left: where no job is left to do, none takes it over."""
    path = Path(folder, NAME)
    held = _read(path)
    if held and not _in_use(folder, held):
        with suppress(OSError):
            _remove(path, held)


def processes(folder: str) -> list[psutil.Process]:
    """The processes of this host that work in a run's folder; neither shells nor this one."""
    name, found = os.path.realpath(folder), []
    for process in psutil.process_iter():
        try:
            if process.environ().get(VARIABLE) == name and process.name() not in SHELLS:
                found.append(process)
        except (psutil.Error, OSError):  # gone, a zombie or another user's
            continue
    return [process for process in found if process.pid != os.getpid()]


def _owner(pid: int) -> dict:
    """Who a process is: the same numbers are given to no other one."""
    return {
        "host": socket.gethostname(),
        "boot": _boot(),
        "pid": pid,
        "start": _start(pid),
        "since": time.strftime("%Y-%m-%d %H:%M"),
        "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
    }


def _in_use(folder: str, owner: dict) -> str:
    """A sentence where the lock's owner works, or may do so; nothing where it is dead."""
    here = _owner(os.getpid())
    who = f"process {owner['pid']} on {owner['host']}, since {owner['since']}"
    if owner["host"] == here["host"]:
        alive = owner["boot"] == here["boot"] and owner["start"] == _start(owner["pid"])
        return f"{folder} is in use by {who}: wait until it ends, or stop it." if alive else ""
    if owner["slurm_job"] and owner["slurm_job"] == here["slurm_job"]:
        return ""  # this job itself, before it was requeued
    return f"{folder} was locked by {who}: if that one has ended, remove {folder}/{NAME} and start again."


def _boot() -> str:
    """What differs after a restart of the host."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _start(pid: int) -> float | None:
    """When a process started, by a clock that does not jump where there is one; None where it is gone."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        try:
            return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
        except OSError:
            return process.create_time()
    except psutil.Error:
        return None


def _create(path: Path, owner: dict) -> bool:
    """Make the lock, whole or not at all, unless there is one."""
    temporary = path.with_name(f".{uuid.uuid4().hex}.json")
    try:
        temporary.write_text(json.dumps(owner) + "\n")
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> dict | None:
    """The lock's owner; None where there is no lock any more, or nothing that can be one."""
    try:
        owner = json.loads(path.read_text())
        return owner if owner.keys() == _owner(0).keys() else None
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError):
        return None


def _remove(path: Path, owner: dict | None) -> None:
    """Remove the lock, if it is still that owner's."""
    if _read(path) == owner:
        path.unlink(missing_ok=True)


def _stop(found: list[psutil.Process]) -> None:
    """End processes, and wait for that: gently, then not."""
    for end in (psutil.Process.terminate, psutil.Process.kill):
        for process in found:
            try:
                end(process)
            except psutil.NoSuchProcess:
                continue
        _, found = psutil.wait_procs(found, PATIENCE)


def _pass_on_sigterm(folder: str) -> None:
    """Let jobs know of a SIGTERM, so that they end in time; then do what was to be done.

    That waits for a lock of Snakemake's scheduler, which the interrupted thread may hold: so another thread does it.
    """
    before = signal.getsignal(signal.SIGTERM)

    def tell(number, frame):
        for process in processes(folder):
            try:
                process.terminate()
            except psutil.Error:
                continue
        if callable(before):
            threading.Thread(target=before, args=(number, frame), daemon=True).start()

    signal.signal(signal.SIGTERM, tell)
