"""The same bytes, whatever the number of cores and chunks, and interrupted or not; and an early stop."""

import json
import os
import signal
import subprocess
import time

import pytest

VARYING = ("run.json", "0_refine2d_parms.json")  # what says how many chunks there were


def interrupted(project, until, how):
    """Start a run, and end Snakemake itself once a file is there."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = subprocess.Popen(project.command(), cwd=project.folder, start_new_session=True, **quiet)
    try:
        while not (project.folder / "run" / until).exists():
            assert started.poll() is None, f"ended before {until} was there"
            time.sleep(0.02)
        os.kill(started.pid, how)
        assert started.wait() != 0
    finally:
        if started.poll() is None:
            os.killpg(started.pid, signal.SIGKILL)
            started.wait()


def test_an_interrupted_run_on_one_core_ends_in_the_same_bytes(particles, finished, tmp_path):
    project = particles.copy(tmp_path / "project")
    interrupted(project, "input_fp.hdf", signal.SIGTERM)
    interrupted(project, "simmx_01/00.h5", signal.SIGKILL)
    project.run(flags=("--unlock",))
    project.run(cores=1)
    found, wanted = project.results(), finished.results()
    leftovers = {name for name in found.keys() - wanted.keys() if not name.split("/")[-1].startswith(".")}
    assert not leftovers
    assert [name for name in wanted if found[name] != wanted[name]] == []


def test_another_number_of_chunks_gives_the_same_bytes(particles, finished, tmp_path):
    project = particles.copy(tmp_path / "project")
    project.run("chunk=0")
    found, wanted = project.results(), finished.results()
    whole = [name for name in wanted if "/" not in name and name not in VARYING and name != "particles.h5"]
    assert len(whole) > 20
    assert [name for name in whole if found[name] != wanted[name]] == []


def test_jobs_that_start_by_themselves_give_the_same_bytes(particles, finished, tmp_path):
    """As with software deployment; here no rule names a module."""
    project = particles.copy(tmp_path / "project")
    project.run(flags=("--software-deployment-method", "env-modules"))
    found, wanted = project.results(), finished.results()
    assert [name for name in wanted if found[name] != wanted[name]] == []


def test_a_converged_run_hands_its_files_on(continued):
    continued.run("iter=3", "minchange=1000")
    files = continued.results()
    assert json.loads(files["state_01.json"])["converged"]
    steps = [name for name in files if not name.startswith("sets/")]
    first, last = ({name for name in steps if yy in name} for yy in ("_01", "_03"))
    assert {name.replace("_03", "_01") for name in last} == first
    assert [name for name in last if files[name] != files[name.replace("_03", "_01")]] == []
    assert continued.planned("iter=3", "minchange=1000") == {}


def test_what_has_converged_is_asked_again_where_all_references_are_tried(continued):
    continued.run("iter=6", "minchange=1000")
    states = [json.loads((continued.folder / f"run/state_0{i}.json").read_text()) for i in range(1, 7)]
    assert [state["iteration"] for state in states] == [1, 1, 1, 1, 5, 5]
    continued.run("iter=6", "minchange=1000", "nearrefs=0")
    states = [json.loads((continued.folder / f"run/state_0{i}.json").read_text()) for i in range(1, 7)]
    assert [state["iteration"] for state in states] == [1, 1, 1, 1, 1, 1]


def test_options_that_change_after_it_has_converged_hold(continued):
    continued.run("iter=2", "minchange=1000")
    changes = "- {from: 3, classkeep: 0.5}\n- {from: 5, minchange: 0}\n"
    (continued.folder / "run/options.yaml").write_text(changes)
    continued.run("iter=5", "minchange=1000")
    states = [json.loads((continued.folder / f"run/state_0{i}.json").read_text()) for i in range(1, 6)]
    assert [state["iteration"] for state in states] == [1, 1, 3, 3, 5]
    assert [state["converged"] for state in states] == [True, True, True, True, False]
    classes = [(continued.folder / f"run/classes_0{i}.hdf").read_bytes() for i in range(1, 6)]
    assert classes[0] == classes[1] != classes[2] == classes[3] != classes[4]
    assert continued.planned("iter=5", "minchange=1000") == {}


@pytest.mark.parametrize("name", ["classes_02.hdf", "classmx_02.hdf"])
def test_one_file_alone_is_rerun_to_the_same_bytes(continued, name):
    before = (continued.folder / "run" / name).read_bytes()
    stamp = (continued.folder / "run" / name).stat().st_mtime_ns
    continued.run(flags=("-f", f"run/{name}"))
    assert (continued.folder / "run" / name).stat().st_mtime_ns > stamp
    assert (continued.folder / "run" / name).read_bytes() == before
