"""Every recipe of docs/recipes.md, on the small run."""

import subprocess
import sys

from small_project import ROOT, Project

SCRIPTS = ROOT / "workflow/scripts"
OTHER = "- {from: 2, classkeep: 0.6}\n"


def script(project, name, *words, **how):
    """One of the commands for people; what it printed."""
    command = [sys.executable, str(SCRIPTS / name), *words]
    return subprocess.run(
        command, cwd=project.folder, check=True, capture_output=True, text=True, **how
    ).stdout


def stamps(project):
    run = project.folder / "run"
    return {
        str(file.relative_to(run)): file.stat().st_mtime_ns for file in run.rglob("*.h*") if file.is_file()
    }


def test_the_averages_of_an_iteration_alone(continued: Project):
    before, contents = stamps(continued), continued.results()
    files = [f"run/classes_01/{piece:02d}.hdf" for piece in range(2)] + ["run/classes_01.hdf"]
    continued.run(flags=("-f", *files))
    changed = {name for name, stamp in stamps(continued).items() if stamp != before[name]}
    assert {f"run/{name}" for name in changed} == {*files, "run/resultmx_01.hdf"}
    assert continued.results() == contents
    assert continued.planned() == {}  # small files with the same content as before
    large = ("--max-checksum-file-size", "0")
    stale = continued.planned(flags=large)
    assert "allrefs" in stale and "simmx_piece" in stale and "particles" not in stale
    continued.run(flags=("--touch", *large))
    assert continued.planned(flags=large) == {}


def test_an_iteration_and_all_after_it(continued):
    planned = continued.planned(flags=("-R", "run/allrefs_02.hdf"))
    assert planned["allrefs"] == 1 and planned["classes"] == 1
    assert continued.planned(flags=("-R", "run/allrefs_01.hdf"))["allrefs"] == 2


def test_other_parameters_from_an_iteration_on(continued):
    before = continued.results()
    (continued.folder / "run/options.yaml").write_text(OTHER)
    continued.run()
    after = continued.results()
    assert [
        name for name in before if "_01" in name and "class_01" not in name and after[name] != before[name]
    ] == []
    assert after["classes_02.hdf"] != before["classes_02.hdf"]


def test_a_branch_ends_as_the_run_that_was_changed_in_place(continued):
    script(continued, "keep.py", "run", "1", "new")
    assert continued.planned("path=new")["allrefs"] == 1
    assert "particles_piece" not in continued.planned("path=new")
    before = continued.results()
    (continued.folder / "new/options.yaml").write_text(OTHER)
    continued.run("path=new")
    assert continued.results() == before
    assert continued.results("new")["classes_02.hdf"] != before["classes_02.hdf"]


def test_iterations_removed_and_done_again(continued):
    before = continued.results()
    assert "state_02.json" in script(continued, "keep.py", "run", "1")
    continued.run()
    assert continued.results() == before


def test_what_an_option_would_redo_and_how_long_that_takes(continued):
    printed = continued.run("classkeep=0.6", flags=("-n", "--quiet", "rules"))
    told = script(continued, "whatif.py", "run", input=printed)
    assert "classes_piece" in told and "particles_piece" not in told
    assert "not known yet" not in told
    assert "in all, one job after the other" in told
    assert script(continued, "whatif.py", "run", input="Nothing to be done") == "Nothing to be done.\n"
