"""The first iterations of a run."""

import re
from pathlib import Path

import pytest

from refine2d.errors import UserError
from refine2d.keep import branch, cut, iteration

START = ["run.json", "particles/00.h5", "particles.h5", "particles.lst", "input_fp.hdf", "classmx_00.hdf"]
START += ["classes_init.hdf", "classes_init/00.hdf"]
RULES = Path(__file__).parents[2] / "workflow/rules"
MINE = ["notes_of_mine.txt", "my_notes_03.txt", "figures_03/a.png", "classes_03.png", "input_03.hdf"]
RESULTS = ["classes.mrcs", "classes_full/00.hdf", "sets/class_03.lst", "report.html", "particles.star"]


@pytest.fixture
def run(tmp_path):
    names = [*START, *RESULTS, *MINE, "options.yaml", "classes_03.hdf.damaged"]
    for yy in ("01", "02", "03"):
        names += [f"state_{yy}.json", f"simmx_{yy}/00.h5", f"input_{yy}_proj.hdf", f"classes_{yy}.hdf"]
    for name in names:
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / name).write_text(name)
    return tmp_path / "run"


def names(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def of(*iterations):
    made = ("state_{}.json", "simmx_{}/00.h5", "input_{}_proj.hdf", "classes_{}.hdf")
    return {name.format(yy) for yy in iterations for name in made}


def test_the_iteration_of_a_file():
    assert [iteration(name) for name in ("simmx_07", "input_12_proj.hdf", "classmx_00.hdf", "sets")] == [
        7,
        12,
        0,
        0,
    ]


def test_all_that_the_rules_write_for_an_iteration_is_known():
    text = "".join(path.read_text() for path in RULES.glob("*.smk"))
    made = {name.split("/")[0] for name in re.findall(r'at\("([^"]*\{YY\}[^"]*)"\)', text)}
    made -= {"logs"}
    assert len(made) == 12
    assert [name for name in made if iteration(name.replace("{YY}", "07")) != 7] == []


def test_later_iterations_and_results_are_removed_and_nothing_else(run):
    cut(run, 2)
    assert names(run) == {*START, *MINE, "options.yaml"} | of("01", "02")


def test_a_branch_shares_its_files(run):
    before = names(run)
    new = run.with_name("new")
    branch(run, 1, new)
    assert names(new) == {*START, "options.yaml"} | of("01")
    assert names(run) == before
    for name in names(new) - {"options.yaml"}:
        assert (new / name).samefile(run / name)
    assert not (new / "options.yaml").samefile(run / "options.yaml")


@pytest.mark.parametrize(("last", "said"), [(4, "no finished iteration 4"), (0, "no finished iteration 0")])
def test_what_cannot_be_kept(run, last, said):
    with pytest.raises(UserError, match=said):
        cut(run, last)


def test_a_run_in_use_and_a_name_that_is_taken(run):
    with pytest.raises(UserError, match="is there already"):
        branch(run, 1, run.parent)
    (run / "lock.json").write_text("{}")
    with pytest.raises(UserError, match="is in use"):
        cut(run, 1)
