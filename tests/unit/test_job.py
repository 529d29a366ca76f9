"""What happens around a script's work."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from refine2d.errors import UserError
from refine2d.files import write_json
from refine2d.job import job


class Named(list):
    """Snakemake's lists of files: by number and by name."""

    def __init__(self, *values, **named):
        super().__init__([*values, *named.values()])
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
        log=[tmp_path / "logs" / "step.log"],
    )


def test_options_and_iteration(snakemake):
    with job(snakemake) as task:
        assert (task.options.ncls, task.threads, task.iteration) == (3, 2, 2)
    snakemake.wildcards = {}
    with job(snakemake) as task:
        assert task.iteration == 0


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
    clock = iter([0.0, 1.0, 11.0, 12.0, 22.0])
    monkeypatch.setattr("refine2d.job.time.monotonic", lambda: next(clock))
    with job(snakemake) as task:
        for done in (1, 2, 3, 4):
            task.progress(done, 4, "particles")
    assert capfd.readouterr().err == "2 of 4 particles\n"


@pytest.mark.parametrize("converged", [True, False])
@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("classes_01.hdf", "classes_02.hdf"),
        ("simmx_01/03.h5", "simmx_02/03.h5"),
        ("input_01_proj/02.h5", "input_02_proj/02.h5"),
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
