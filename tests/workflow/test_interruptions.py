"""Whatever happens to a run, the same command finishes it with the same bytes."""

import json
import os
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest
from interrupting import Tally, interrupt

from refine2d import lock
from refine2d.stacks.hdf import write_hdf

SEED, KILLS = 4, 10


def different(found, wanted):
    """Files of an interrupted run that an uninterrupted one does not have, or has otherwise."""
    found = {name: data for name, data in found.items() if not name.endswith(".damaged")}
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


def started(project, until):
    """Snakemake, running until some file of the run is there."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(project.command(), cwd=project.folder, start_new_session=True, **quiet)
    while not (project.folder / "run" / until).exists():
        assert process.poll() is None, f"ended before {until} was there"
        time.sleep(0.02)
    return process


def test_random_interruptions(particles, finished, tmp_path):
    tally, runs = Tally(), 0
    while tally.rounds.total() < KILLS:
        runs += 1
        interrupt(particles.copy(tmp_path / str(runs)), finished.results(), SEED + runs, KILLS, tally)
    assert tally.different == []
    assert tally.twice == 0
    assert tally.rounds.total() == KILLS


def test_a_second_command_is_told_to_wait(particles, finished, tmp_path):
    project = particles.copy(tmp_path / "project")
    first = started(project, "particles.h5")
    try:
        second = project.call()
        assert second.returncode == 1 and "Traceback" not in second.stdout
        assert f"run is in use by process {first.pid} on " in second.stdout
        assert first.poll() is None
    finally:
        os.kill(first.pid, signal.SIGTERM)
        first.wait()
    assert not (project.folder / "run/lock.json").exists()


def test_a_full_disk(particles, finished, tmp_path):
    project = particles.copy(tmp_path / "project")
    run = project.folder / "run"
    run.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o"]
    if (
        os.geteuid()
        or subprocess.run([*mount, "size=512k", "tmpfs", str(run)], capture_output=True).returncode
    ):
        pytest.skip("only root can mount a small disk here")
    try:
        full = project.call()
        assert full.returncode == 1
        told = "The disk is full: make room, and the same command goes on from here."
        assert told in full.stdout, full.stdout
        subprocess.run(["mount", "-o", "remount,size=64m", str(run)], check=True)
        project.run()
        assert different(project.results(), finished.results()) == []
    finally:
        subprocess.run(["umount", str(run)], check=True)


def test_an_input_that_is_gone_for_a_while(particles, finished, tmp_path):
    project = particles.copy(tmp_path / "project")
    stack, away = project.folder / "data/particles.mrcs", project.folder / "data/away.mrcs"
    process = started(project, "run.json")
    stack.rename(away)
    assert process.wait() == 1
    gone = project.call()
    assert gone.returncode == 1 and "Traceback" not in gone.stdout
    assert "is in a stack, particles.mrcs, that is not there" in gone.stdout
    away.rename(stack)
    project.run()
    assert different(project.results(), finished.results()) == []


def test_a_bit_of_the_particles_flips(continued):
    before = continued.results()
    piece = continued.folder / "run/particles/01.h5"
    with h5py.File(piece) as file:
        place = file["images"].id.get_offset() + 1000
    content = bytearray(piece.read_bytes())
    content[place] ^= 8
    piece.write_bytes(content)
    told = continued.call("iter=3")
    assert told.returncode == 1 and "Traceback" not in told.stdout
    assert "run/particles/01.h5 is damaged: it is not what was written" in told.stdout
    assert "It was set aside as run/particles/01.h5.damaged" in told.stdout
    continued.run("iter=3")
    after = continued.results()
    kept = [
        name for name in before if name.endswith((".h5", ".hdf")) and ("_0" in name or "particles" in name)
    ]
    assert len(kept) > 20
    assert [name for name in kept if after[name] != before[name]] == []


def test_a_damaged_table_is_made_again_alone(continued):
    before = continued.results()
    table = continued.folder / "run/classmx_02.hdf"
    table.write_bytes(table.read_bytes()[:-500])
    for later in ("classes_02/00.hdf", "state_02.json"):
        (continued.folder / "run" / later).unlink()
    told = continued.call()
    assert "run/classmx_02.hdf is damaged" in told.stdout and told.returncode == 1
    assert "Error in rule classes_piece" in told.stdout and "log: run/logs/classes_02_0" in told.stdout
    assert continued.planned()["classmx"] == 1 and "simmx_piece" not in continued.planned()
    continued.run()
    assert different(continued.results(), before) == []


def test_a_damaged_result_is_found_whatever_the_folder_is_called(particles, tmp_path):
    project = particles.copy(tmp_path / "project")
    result = project.folder / "run[1]/basis_02.hdf"
    result.parent.mkdir()
    write_hdf(result, np.ones((1, 32, 32), np.float32))
    result.write_bytes(result.read_bytes()[:-100])
    told = project.call("path=run[1]", flags=("run[1]/particles.lst",))
    assert told.returncode == 1 and "run[1]/basis_02.hdf is damaged" in told.stdout


def test_the_lock_of_a_command_killed_at_its_very_end_goes_with_the_next(continued):
    """All files are there, so that no job starts; the lock that SIGKILL left is nobody's."""
    dead = subprocess.Popen(["true"])
    owner = lock._owner(dead.pid)
    dead.wait()
    left = continued.folder / "run/lock.json"
    left.write_text(json.dumps(owner | {"start": -1}))
    assert "Nothing to be done" in continued.run(flags=("--quiet", "host"))
    assert not left.exists()
