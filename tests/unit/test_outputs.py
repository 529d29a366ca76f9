"""What a run writes is never a file that it reads."""

import re
from pathlib import Path

import pytest

from refine2d import outputs
from refine2d.errors import UserError

RULES = Path(__file__).parents[2] / "workflow/rules"


def written_by_rules():
    """Names in the run's folder that the rules give, each with some number for its wildcards."""
    text = "".join(path.read_text() for path in RULES.glob("*.smk"))
    return {re.sub(r"\{+[^{}]*\}+", "01", name) for name in re.findall(r'\bat\(f?"([^"*]+)"\)', text)}


def test_every_name_of_the_rules_is_known():
    names = written_by_rules()
    assert {"particles.star", "classes_01/01.hdf", "sets/class_01.lst", "logs/simmx_01_01.log"} <= names
    unknown = {name for name in names if not outputs.WRITTEN.fullmatch(name)}
    assert unknown == {"selection_suggested.yaml"}  # which `selection` may name


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        (".", "particles.star"),
        ("data", "data/particles.lst"),
        ("data/", "data/classes.hdf"),
        ("other/../data", "data/../data/particles.cs"),
        ("data", "linked/particles.star"),
        ("linked", "data/particles.star"),
        ("data", "link.star"),
        (".", "particles/00.h5"),
        (".", "selected/p.mrcs"),
    ],
)
def test_a_file_that_the_run_would_replace_is_refused(folder, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("linked").symlink_to("data")
    Path("link.star").symlink_to("data/particles.star")
    for read in (file, str(tmp_path / file)):
        with pytest.raises(UserError) as error:
            outputs.check(folder, ["data/p.mrcs", read])
        assert (
            str(error.value) == f"path is {folder}, but a run there would replace {read}: give another path."
        )


def test_a_link_among_the_run_s_own_names_is_refused_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/particles.star").symlink_to("/elsewhere/all.star")
    with pytest.raises(UserError):
        outputs.check("data", ["data/particles.star"])


@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("run", "particles.star"),
        ("run_02", "run/particles.star"),
        ("run", "run_2/particles.star"),
        (".", "data/particles.star"),
        (".", "particles.mrcs"),
        (".", "particles/all.mrcs"),
        ("run", "run/exclude.txt"),
        ("run", "run/selection_suggested.yaml"),
        ("run", "run/stack_01.hdf"),
    ],
)
def test_other_files_may_lie_where_they_like(folder, file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs.check(folder, [file], resultmx="run/copy.hdf")


def test_resultmx_replaces_nothing_either(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for resultmx in ("data/p.hdf", "run/classes.hdf", str(tmp_path / "data/p.hdf")):
        with pytest.raises(UserError) as error:
            outputs.check("run", ["data/p.hdf"], resultmx)
        assert str(error.value) == f"resultmx is {resultmx}, a file of the run itself: give another name."
    outputs.check("run", ["data/p.hdf"], "run/copy.hdf")
