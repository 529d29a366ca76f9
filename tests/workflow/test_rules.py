"""Rules that behave: what a change reruns, and what it leaves alone."""

import json
import os
import re
import shutil

import numpy as np
import pytest
from small_project import ROOT, Project

from refine2d.stacks.mrc import write_mrcs

RESULTS = {"classes_full_piece": 2} | dict.fromkeys(
    (
        "classes_mrcs",
        "classes_png",
        "classes_pdf",
        "curves",
        "report",
        "particles_star",
        "particles_cs",
        "class_sets",
    ),
    1,
)
STACK = dict.fromkeys(("classes_mrcs", "classes_png", "classes_pdf", "report"), 1)
PIECES = ("simmx_piece", "classes_piece")
STEPS = ("allrefs", "simmx_piece", "classmx", "classes_piece", "classes", "summary")


def iteration(first="allrefs", times=1):
    """Jobs of an iteration from a step on."""
    return {step: times * (2 if step in PIECES else 1) for step in STEPS[STEPS.index(first) :]}


def total(*parts):
    return {name: sum(part.get(name, 0) for part in parts) for part in parts for name in part}


START = {"classes_init_piece": 2, "classes_init": 1}
CLASSES_00 = total({"classmx_00": 1}, START, iteration(times=2))
FOOTPRINTS = {"input_fp": 1}


def test_a_dry_run_of_a_finished_run_has_nothing_to_do(finished):
    assert finished.planned() == {}


def test_a_dry_run_leaves_nothing_behind(particles):
    particles.planned()
    assert {file.name for file in particles.folder.iterdir()} <= {"data", ".snakemake"}


def test_a_touched_input_reruns_nothing(continued):
    (continued.folder / "data/particles.star").touch()
    (continued.folder / "data/particles.mrcs").touch()
    assert continued.planned() == {}


def test_new_starting_averages_are_seen_and_a_touch_of_them_is_not(particles, tmp_path):
    project = particles.copy(tmp_path / "project")
    averages = project.folder / "data/initial.mrcs"
    images = np.random.default_rng(0).normal(size=(4, 32, 32)).astype(np.float32)
    write_mrcs(averages, images, 7.0, 4, 32)
    options, flags = ("initial=data/initial.mrcs",), ("run/classes_init.hdf",)
    project.run(*options, flags=flags)
    averages.touch()
    assert project.planned(*options, flags=flags) == {}
    write_mrcs(averages, -images, 7.0, 4, 32)
    os.utime(averages, (1, 1))
    assert project.planned(*options, flags=flags) == {"classes_init": 1}


def test_more_iterations_are_added(continued):
    assert continued.planned("iter=3") == total(iteration(), RESULTS)
    before = continued.results()
    continued.run("iter=3")
    after = continued.results()
    of_the_end = (
        "classes.",
        "classes_full/",
        "particles.star",
        "particles.cs",
        "sets/",
        "curves.",
        "report.html",
        "selection_suggested.yaml",
        "0_refine2d_parms.json",
    )
    for name in before:
        assert name.startswith(of_the_end) or after[name] == before[name]
    assert {name for name in after if "_03" in name} == {
        name.replace("_02", "_03") for name in before if "_02" in name
    }
    assert json.loads(after["state_03.json"])["iteration"] == 3
    assert continued.planned("iter=3") == {}


def test_jobs_that_memory_has_no_room_for_wait(particles, tmp_path, monkeypatch):
    small = "import psutil\nm = psutil.virtual_memory()._replace(total={} << 20)\npsutil.virtual_memory = lambda: m\n"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    at_once = {}
    for megabytes in (600, 6000):
        (tmp_path / "sitecustomize.py").write_text(small.format(megabytes))
        pieces = tuple(f"run{megabytes}/particles/{chunk}.h5" for chunk in ("00", "01"))
        printed = particles.run(f"path=run{megabytes}", flags=("--quiet", "host", "--force", *pieces))
        at_once[megabytes] = max(int(count) for count in re.findall(r"Execute (\d) jobs", printed))
    assert at_once == {600: 1, 6000: 2}


def test_only_results_that_are_there_are_told(particles):
    printed = particles.run("path=early", flags=("--until", "particles"))
    assert "early/" not in printed.split("Forecast:")[1]


def test_very_many_iterations_can_be_planned(particles):
    assert particles.planned("iter=99")["classes"] == 99


def test_one_step_and_what_follows_is_rerun(finished):
    pieces = tuple(f"run/simmx_02/{piece:02d}.h5" for piece in range(2))
    planned = finished.planned(flags=("-R", *pieces))
    assert planned == total(iteration("simmx_piece"), RESULTS)


@pytest.mark.parametrize(
    ("option", "rules"),
    [
        ("nbasis=2", total(iteration(times=2), RESULTS)),
        ("naliref=2", total(iteration(times=2), RESULTS)),
        ("nearrefs=2", total(iteration("simmx_piece"), RESULTS)),
        ("nearrefs=0", total(iteration("simmx_piece"), RESULTS)),
        ("classkeep=0.5", total(START, iteration(times=2), RESULTS)),
        ("seed=4", total(CLASSES_00, RESULTS)),
        ("fastseed=true", total(CLASSES_00, RESULTS)),
        ("mirror=false", total(CLASSES_00, RESULTS)),
        ("nbasisfp=3", total(FOOTPRINTS, CLASSES_00, RESULTS)),
        ("ncls=4", {}),
        ("maxshift=4", {}),
    ],
)
def test_an_option_reruns_what_depends_on_it(finished, option, rules):
    assert finished.planned(option) == rules


def test_two_options_that_swap_their_values_are_seen(finished):
    """Snakemake compares the set of the parameters' values: the names have to be in it."""
    planned = finished.planned("mirror=false", "classkeepsig=true")
    assert planned == total(CLASSES_00, RESULTS)


def test_options_change_in_mid_run(continued):
    (continued.folder / "run/options.yaml").write_text("- {from: 2, maxshift: 3}\n")
    assert continued.planned() == total(iteration(), RESULTS)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Snakefile", "config", "envs", "profiles", "workflow"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    return folder


def edited(finished, checkout, name, addition):
    """Jobs that a dry run lists after an addition to a file of the workflow."""
    path = checkout / "workflow/scripts" / name
    text = path.read_text()
    path.write_text(text + addition)
    try:
        return Project(finished.folder, checkout).planned()
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("module", "rules"),
    [
        ("ordering", total(CLASSES_00, RESULTS)),
        ("clustering", total(CLASSES_00, RESULTS)),
        ("invariants", total(FOOTPRINTS, CLASSES_00, RESULTS)),
        ("msa", total(FOOTPRINTS, CLASSES_00, RESULTS)),
        ("search/local", total(CLASSES_00, RESULTS)),
        ("fullsize", {"classes_full_piece": 2} | STACK),
        ("relion", {"particles_star": 1} | STACK),
        ("report/gallery", {"classes_png": 1, "classes_pdf": 1}),
        ("report/collect", {"summary": 2, "report": 1}),
        ("selection", {"report": 1}),
        ("report/movie", {}),
        ("forecast", {}),
        ("simulate", {}),
        ("job", {}),
        ("options", {}),
    ],
)
def test_an_edit_reruns_the_rules_that_use_the_module(finished, checkout, module, rules):
    assert edited(finished, checkout, f"refine2d/{module}.py", "\nSOMETHING_NEW = 1\n") == rules


def test_an_edit_of_a_script_reruns_its_own_rule(finished, checkout):
    rules = total(iteration("classes"), iteration(), RESULTS)
    assert edited(finished, checkout, "classes.py", "\nSOMETHING_NEW = 1\n") == rules


@pytest.mark.parametrize("name", ["refine2d/fourier.py", "particles_piece.py"])
def test_an_edit_of_a_comment_reruns_nothing(finished, checkout, name):
    assert edited(finished, checkout, name, "\n# A comment.\n") == {}
