"""Profiles agree in what they share; containers have the pins of the requirements and nothing else."""

from pathlib import Path

import pytest
import yaml

from refine2d import averaging, forecast, needs, start
from refine2d.run import Run

ROOT = Path(__file__).parents[2]
PROFILES = sorted(path.parent.name for path in ROOT.glob("profiles/*/config.yaml"))
SHARED = ("rerun-triggers", "rerun-incomplete", "nolock", "quiet")


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.mark.parametrize("name", PROFILES)
def test_what_decides_about_reruns_is_the_same_in_every_profile(name):
    assert len(PROFILES) == 3
    assert {key: profile(name)[key] for key in SHARED} == {key: profile("default")[key] for key in SHARED}


def test_the_groups_name_rules():
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    for entry in profile("slurm")["groups"]:
        assert f"rule {entry.split('=')[0]}:" in text


@pytest.mark.parametrize("name", ["Dockerfile", "refine2d.def"])
def test_a_container_installs_the_pinned_requirements_alone(name):
    lines = [line.strip() for line in (ROOT / "envs" / name).read_text().splitlines()]
    installs = [line for line in lines if "install" in line.split("#")[0]]
    assert len(installs) == 1 and installs[0].endswith("--requirement /refine2d/envs/requirements.txt")
    conda = yaml.safe_load((ROOT / "envs/refine2d.yaml").read_text())["dependencies"]
    python = next(entry.split("=")[1] for entry in conda if str(entry).startswith("python="))
    assert any(f"python:{python}-slim" in line for line in lines)


def run(n, box=128, working_box=64, chunk=4096):
    names = {"input": "a", "files": (), "fingerprint": "", "apix_file": None, "version": "", "shrink": 0}
    sizes = {"n_input": n, "n": n, "box": box, "working_box": working_box, "chunk": chunk}
    return Run(**names, **sizes, apix=2.0, subset=0)


ALIGNERS = dict.fromkeys(("simalign", "classalign"), "rotate_translate_flip")
OPTIONS = {"ncls": 50, "naliref": 50, "nbasis": 49, "normproj": False, "classaverager": "wiener", **ALIGNERS}
STEPS = (
    "particles_piece",
    "particles",
    "input_fp",
    "classmx_00",
    "classes_init_piece",
    "simmx_piece",
    "classmx",
    "classes_piece",
    "particles_star",
    "classes",
)


@pytest.mark.parametrize("step", STEPS)
def test_more_particles_never_need_less(step):
    for need in (needs.memory, needs.minutes):
        small, large = (need(step, run(n), OPTIONS, 4) for n in (5000, 500_000))
        assert 0 < small <= large


@pytest.mark.parametrize("step", ["input_fp", "classmx_00", "classmx", "allrefs", "summary", "report"])
def test_more_classes_need_more_memory(step):
    few, many = (needs.memory(step, run(10**6), OPTIONS | {"ncls": ncls}, 4) for ncls in (50, 5000))
    assert few < many


def test_the_start_needs_what_a_particle_of_it_takes():
    """10,000 starting particles instead of 2,000 took 60 MB more (200 classes, box 64)."""
    few, many = (needs.memory("classmx_00", run(n, 64), OPTIONS | {"ncls": 200}, 2) for n in (2000, 80_000))
    assert many - few > 1.1 * 60


def test_the_start_is_foretold_with_the_threads_of_its_rule():
    rules = (ROOT / "workflow/rules/initial.smk").read_text()
    rule = rules.split("rule classmx_00:")[1].split("\nrule ")[0]
    assert f"threads: {forecast.START_THREADS}\n" in rule


def test_memory_covers_what_was_measured():
    """5,000 particles, 50 classes, working box 64, 2 threads: the largest resident sizes, in MB."""
    measured = {
        "simmx_piece": 384,
        "classes_piece": 308,
        "classmx_00": 305,
        "classes_init_piece": 331,
        "input_fp": 243,
        "classmx": 136,
    }
    for step, size in measured.items():
        assert needs.memory(step, run(5000, 64), OPTIONS, 2) > 1.1 * size


def test_averages_need_no_more_for_a_larger_class_unless_the_averager_takes_all_images_at_once():
    assert needs.HELD == averaging.HELD
    assert needs.ROUNDS == start.ROUNDS
    large = OPTIONS | {"ncls": 200}
    few, many = (
        needs.memory("classes_piece", run(n), large, 4) - needs.SPARE * 1e-6 * needs.ROW * n
        for n in (10**6, 10**8)
    )
    assert few == pytest.approx(many)
    assert needs.memory("classes_piece", run(10**6), large, 4) < 2000
    assert needs.memory("classes_piece", run(10**6), large | {"classaverager": "median"}, 4) > 6000


def test_time_covers_a_search_that_grows_with_the_fourth_power_of_the_box():
    """A cluster's core may be SLOW times slower; the search of a large chunk and box still fits, a fifth to spare."""
    for working_box in (64, 128):
        area, many = (working_box / 64) ** 2, run(10**6, working_box=working_box, chunk=10**6)
        search = many.chunk * area * (needs.PARTICLE + needs.PAIR * OPTIONS["naliref"] * area) / 4
        left = needs.minutes("simmx_piece", many, OPTIONS, 4) - needs.MINUTES
        assert left * 60 >= needs.SPARE * needs.SLOW * search
