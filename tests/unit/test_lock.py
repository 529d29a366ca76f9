"""The lock of a run's folder: who holds it, and what happens to one that a killed process left."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from refine2d import lock
from refine2d.errors import UserError

HOLD = (
    "import sys, time; from refine2d import lock; lock.take(sys.argv[1]); print(flush=True); time.sleep(60)"
)
PASS_ON = lock._pass_on_sigterm
WORK = "import time; print(flush=True); time.sleep(60)"


@pytest.fixture(autouse=True)
def undone(monkeypatch):
    """What `take` does to this process is undone after each test."""
    monkeypatch.setattr(lock, "_pass_on_sigterm", lambda folder: None)
    monkeypatch.setattr(lock.atexit, "register", lambda *call: None)
    monkeypatch.setenv(lock.VARIABLE, "")


def owner(folder, **changes):
    """What the lock says, after some changes to it."""
    path = Path(folder, "lock.json")
    said = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(said))
    return said


def started(*command, **environment):
    """A process that has said that it runs."""
    path = os.pathsep.join(sys.path)
    process = subprocess.Popen(
        [sys.executable, "-c", *command],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path} | environment,
    )
    process.stdout.readline()
    return process


@pytest.fixture
def held(tmp_path):
    """A folder whose lock another process holds, and that process."""
    process = started(HOLD, str(tmp_path))
    yield str(tmp_path), process
    process.kill()
    process.wait()


def test_a_folder_in_use_is_refused(held):
    folder, process = held
    with pytest.raises(UserError, match=f"is in use by process {process.pid} on .*: wait"):
        lock.take(folder)
    assert owner(folder)["pid"] == process.pid


def test_a_lock_of_a_killed_process_is_taken_over(held):
    folder, process = held
    process.kill()
    process.wait()
    lock.take(folder)
    assert owner(folder)["pid"] == os.getpid()


def test_only_the_lock_of_a_dead_process_is_cleared(held):
    folder, process = held
    lock.clear(folder)
    assert Path(folder, "lock.json").exists()
    process.kill()
    process.wait()
    lock.clear(folder)
    lock.clear(folder)
    assert not Path(folder, "lock.json").exists()


def test_another_process_of_the_same_number_is_not_the_owner(held):
    folder, _ = held
    owner(folder, start=owner(folder)["start"] - 1)
    lock.take(folder)


def test_another_node_of_the_same_name_has_no_such_process(held):
    folder, _ = held
    owner(folder, boot="another")
    lock.take(folder)


@pytest.mark.parametrize(("name", "refused"), [("7", True), ("8", False)])
def test_another_host_cannot_be_known_unless_it_was_this_job(held, monkeypatch, name, refused):
    folder, _ = held
    owner(folder, host="node9", slurm_job="8")
    monkeypatch.setenv("SLURM_JOB_ID", name)
    if refused:
        with pytest.raises(UserError, match=f"remove {folder}/lock.json and start again"):
            lock.take(folder)
    else:
        lock.take(folder)


def test_jobs_that_were_left_are_stopped_and_no_others(tmp_path):
    folder, other = tmp_path / "run", tmp_path / "other"
    mine, others = (started(WORK, **{lock.VARIABLE: str(path)}) for path in (folder, other))
    try:
        lock.take(str(folder))
        assert mine.poll() is not None or psutil.Process(mine.pid).status() == psutil.STATUS_ZOMBIE
        assert others.poll() is None
    finally:
        for process in (mine, others):
            process.kill()
            process.wait()


def test_half_written_files_are_removed(tmp_path):
    name = f".00.{'0a' * 16}.h5"
    (tmp_path / "simmx_01").mkdir()
    for file in (tmp_path / "simmx_01" / name, tmp_path / "simmx_01/00.h5", tmp_path / ".hidden.h5"):
        file.touch()
    lock.take(str(tmp_path))
    assert {file.name for file in tmp_path.rglob("*.h5")} == {"00.h5", ".hidden.h5"}


def test_a_lock_that_was_cut_short_is_no_lock(tmp_path):
    (tmp_path / "lock.json").write_text('{"host": "vm"')
    lock.take(str(tmp_path))


def test_sigterm_is_passed_on_though_the_scheduler_is_at_work(tmp_path):
    """Snakemake's handler takes a lock that the interrupted thread may hold while it selects jobs."""
    selecting, ended = threading.Lock(), threading.Event()

    def end(*_):
        if selecting.acquire(timeout=2):
            ended.set()

    first = signal.signal(signal.SIGTERM, end)
    try:
        PASS_ON(str(tmp_path))
        with selecting:
            os.kill(os.getpid(), signal.SIGTERM)
        assert ended.wait(10)
    finally:
        signal.signal(signal.SIGTERM, first)
