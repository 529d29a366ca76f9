"""What happens around a script's work."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from refine2d.errors import UserError
from refine2d.files import write_json
from refine2d.job import LOCK, job


class Named(list):
    """Snakemake's lists of files: by number and by name."""

    def __init__(self, *values, **named):
        super().__init__([*values, *(value for value in named.values() if value)])
        self.__dict__.update(named)

    def get(self, name, default=None):
        return self.__dict__.get(name, default)


@pytest.fixture
def snakemake(tmp_path):
    return SimpleNamespace(
        input=Named(),
        output=Named(tmp_path / "out"),
        params={"options": {"ncls": 3}},
        wildcards={"YY": "02"},
        threads=2,
        rule="step",
        log=[tmp_path / "logs" / "step.log"],
    )


def test_options_and_iteration(snakemake):
    with job(snakemake) as task:
        assert (task.options.ncls, task.threads, task.iteration) == (3, 2, 2)
    snakemake.wildcards = {}
    with job(snakemake) as task:
        assert task.iteration == 0


def test_times_are_of_one_command(snakemake, tmp_path):
    """What an earlier command wrote has waited for this one, nobody knows how long."""
    for name, age in (("early.hdf", 500), (LOCK, 300), ("late.hdf", 100)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    with job(snakemake) as task:
        assert task.since(tmp_path / "early.hdf") is None
        assert task.since(tmp_path / "late.hdf") == pytest.approx(100, abs=30)
        assert task.since(tmp_path / "late.hdf", until=time.time() - 60) == pytest.approx(40, abs=30)


def test_a_users_mistake_is_a_sentence_without_traceback(snakemake, capfd):
    with pytest.raises(SystemExit) as end, job(snakemake):
        raise UserError("a.mrcs is empty.")
    assert end.value.code == 1
    printed = capfd.readouterr().err
    assert printed == "a.mrcs is empty.\n"
    assert Path(snakemake.log[0]).read_text() == printed


def test_a_fault_of_the_program_has_its_traceback_in_the_log(snakemake):
    with pytest.raises(ZeroDivisionError), job(snakemake):
        1 / 0  # noqa: B018
    assert "Traceback" in Path(snakemake.log[0]).read_text()


def test_matrix_products_use_one_thread(snakemake):
    np.ones((8, 8)) @ np.ones((8, 8))
    with job(snakemake):
        threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    assert threads and set(threads) == {1}


def test_progress_is_said_now_and_then(snakemake, capfd, monkeypatch):
    clock = iter([0.0, 1.0, 11.0, 12.0, 22.0, 22.5])
    monkeypatch.setattr("refine2d.job.time.monotonic", lambda: next(clock))
    with job(snakemake) as task:
        for done in (1, 2, 3, 4):
            task.progress(done, 4, "particles")
    assert capfd.readouterr().err == "Iteration 2: 2 of 4 particles, 0.2 a second, 11 s left\n"
    assert "\nstep: 22.50 s, " in Path(snakemake.log[0]).read_text()


def test_a_slow_rate_is_not_said_to_be_none(snakemake, capfd, monkeypatch):
    clock = iter([0.0, 50.0, 51.0])
    monkeypatch.setattr("refine2d.job.time.monotonic", lambda: next(clock))
    with job(snakemake) as task:
        task.progress(1, 3, "rounds")
    assert capfd.readouterr().err == "Iteration 2: 1 of 3 rounds, 1 min 40 s left\n"


@pytest.mark.parametrize("converged", [True, False])
@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("classes_01.hdf", "classes_02.hdf"),
        ("simmx_01/03.h5", "simmx_02/03.h5"),
        ("classes_01/02.hdf", "classes_02/02.hdf"),
    ],
)
def test_a_converged_run_hands_files_on(snakemake, tmp_path, converged, before, now):
    (tmp_path / before).parent.mkdir(exist_ok=True)
    (tmp_path / before).write_text("the last one")
    write_json(tmp_path / "state_01.json", {"converged": converged})
    snakemake.input = Named(state=str(tmp_path / "state_01.json"))
    snakemake.output = Named(str(tmp_path / now))
    worked = False
    with job(snakemake) as task:
        task.forward_if_converged()
        worked = True
    assert worked is not converged
    assert (tmp_path / now).exists() is converged
    if converged:
        assert (tmp_path / now).read_text() == "the last one"


def test_the_first_iteration_has_no_state_before(snakemake):
    snakemake.input = Named(state=[])
    with job(snakemake) as task:
        task.forward_if_converged()
        (worked,) = [True]
    assert worked


def test_a_damaged_input_is_set_aside(snakemake, tmp_path, capfd):
    path = tmp_path / "state_01.json"
    write_json(path, {"converged": False}, seal=True)
    path.write_text(path.read_text().replace("false", "true"))
    snakemake.input = Named(state=str(path))
    with pytest.raises(SystemExit), job(snakemake):
        pytest.fail("the body ran")
    assert not path.exists() and (tmp_path / "state_01.json.damaged").exists()
    assert capfd.readouterr().err == (
        f"{path} is damaged: it is not what was written. It was set aside as {path}.damaged; "
        "the same command makes it again.\n"
    )


def test_an_input_that_is_not_the_runs_own_is_left_alone(snakemake, tmp_path):
    path = tmp_path.parent / "particles.hdf"
    path.write_bytes(b"anything")
    snakemake.input = Named(str(path))
    with job(snakemake):
        pass
    assert path.exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full: make room"),
        (OSError("file write failed: errno = 28, error message = 'No space'"), "The disk is full: make room"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a.mrcs"), "a.mrcs is not there any more"),
        (
            PermissionError(errno.EACCES, "Permission denied", "a.mrcs"),
            "a.mrcs cannot be read or written: Permiss",
        ),
        (OSError(errno.EROFS, "Read-only file system", "a.h5"), "a.h5 cannot be read or written: Read-only"),
    ],
)
def test_what_is_no_fault_of_the_program_is_a_sentence(snakemake, capfd, error, said):
    with pytest.raises(SystemExit), job(snakemake):
        raise error
    printed = capfd.readouterr().err
    assert printed.startswith(said) and len(printed.splitlines()) == 1


STEP = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
sys.path.insert(0, {tests!r})
from test_job import Named
from refine2d import job as module
from refine2d.files import atomic
module.GRACE = 2.0
rules = SimpleNamespace(input=[], output=[], params={{}}, wildcards={{}}, threads=1, rule="step", log=[{log!r}])
with module.job(rules) as task:
    started = time.monotonic()
    with atomic({output!r}) as temporary:
        temporary.write_text("half")
        print(flush=True)
        while time.monotonic() < started + {lasts}:
            task.progress({done}, 1000, "things done")
            time.sleep(0.05)
"""


@pytest.mark.parametrize(
    ("how", "done", "lasts", "finishes"),
    [
        (signal.SIGTERM, 1, 60, False),
        (signal.SIGTERM, 999, 1, True),
        (signal.SIGTERM, 999, 60, False),
        (signal.SIGINT, 999, 60, False),
    ],
)
def test_a_job_told_to_end_finishes_what_is_near_and_leaves_nothing_half(
    tmp_path, how, done, lasts, finishes
):
    output = tmp_path / "piece.h5"
    names = {"log": str(tmp_path / "logs/a.log"), "output": str(output), "tests": str(Path(__file__).parent)}
    program = STEP.format(**names, done=done, lasts=lasts)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    step = subprocess.Popen([sys.executable, "-c", program], env=environment, **pipes)
    step.stdout.readline()
    step.send_signal(how)
    _, printed = step.communicate()
    assert (step.returncode == 0) == finishes == output.exists()
    assert "Traceback" not in printed
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["piece.h5"] * finishes
    assert ("Stopped; the same command goes on from here." in printed) != finishes


LATE = """
import sys
import time
from types import SimpleNamespace
from refine2d.job import LOCK, job
from threadpoolctl import threadpool_info

assert "numpy" not in sys.modules
with job(SimpleNamespace(input=[], output=[], params={{}}, wildcards={{}}, threads=1, rule="step", log=[{log!r}])):
    import scipy.linalg
    print([library["num_threads"] for library in threadpool_info()])
"""


def test_a_blas_that_a_script_loads_has_one_thread(tmp_path):
    """Scripts import numpy late, when the limit to the libraries that are there has been set already."""
    program = LATE.format(log=str(tmp_path / "a.log"))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert set(json.loads(done.stdout)) == {1}, done.stderr


def test_a_script_of_the_workflow_ends_with_its_body(tmp_path):
    program = f"""
from types import SimpleNamespace
from refine2d.job import job
log = [{str(tmp_path / "log")!r}]
snakemake = SimpleNamespace(input=[], output=[], params={{}}, wildcards={{}}, threads=1, rule="step", log=log)
with job(snakemake) as task:
    print("done")
    task.say("Said.")
raise SystemExit(3)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "Said.\n")
