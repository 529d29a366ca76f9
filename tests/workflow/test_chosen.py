"""What follows a look at the report: chosen particles, a movie and Snakemake's own report."""

import json
import re
import subprocess
import sys

import imageio.v3 as iio
import numpy as np
import starfile
from browsing import press, wait
from small_project import ROOT

from refine2d.selection import read_selection
from refine2d.stacks.opening import open_source
from refine2d.tables import read_members


def exported(page, folder):
    """The file that the page's button writes, with class 1 and 3 kept."""
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    for number in (1, 3):
        page.execute_script(f"document.querySelector('.tile[data-number=\"{number}\"]').click()")
        press(page, "k")
    page.execute_script("document.getElementById('export').click()")
    wait(lambda: (folder / "selection.yaml").exists())
    return folder / "selection.yaml"


def test_what_is_marked_is_selected_and_classified_again(page, continued):
    """From the page to a new run, with one line each."""
    project = continued
    assert read_selection(exported(page, project.folder), 4, "", 2).keep == (1, 3)
    printed = project.run("selection=selection.yaml", flags=("select",))
    folder = project.folder / "run/selected"
    members = read_members(sorted((project.folder / "run/classes_02").glob("*.hdf")))
    rows = np.sort(members["row"][np.isin(members["class"], [1, 3])])
    assert f"{len(rows)} particles of 2 classes: run/selected/particles.star" in printed
    before, after = (
        starfile.read(project.folder / "data/particles.star"),
        starfile.read(folder / "particles.star"),
    )
    assert before["optics"].equals(after["optics"])
    wanted = before["particles"].iloc[rows].reset_index(drop=True)
    names = [name for name in wanted if name != "rlnImageName"]
    assert wanted[names].equals(after["particles"][names])
    averages = open_source(str(folder / "classes.mrcs"))
    np.testing.assert_array_equal(
        averages.images([0, 1]), open_source(str(project.folder / "run/classes.mrcs")).images([1, 3])
    )
    project.run("input=run/selected/particles.star", "exclude=", "path=again", "iter=1", "ncls=2")
    state = json.loads((project.folder / "again/state_01.json").read_text())
    assert state["particles"] == len(rows)


def test_the_plain_command_selects_the_same(continued):
    project = continued
    (project.folder / "mine.yaml").write_text("iteration: 2\nkeep: [0]\n")
    script = ROOT / "workflow/scripts/select_classes.py"

    def command(*words):
        return subprocess.run(
            [sys.executable, script, *words], cwd=project.folder, capture_output=True, text=True
        )

    done = command("run", "mine.yaml", "--to", "chosen")
    assert done.returncode == 0, done.stderr
    project.run("selection=mine.yaml", flags=("select",))
    chosen, selected = (
        starfile.read(project.folder / f"{name}/particles.star") for name in ("chosen", "run/selected")
    )
    assert len(chosen["particles"]) == len(selected["particles"])
    (project.folder / "other.yaml").write_text("iteration: 1\nkeep: [0]\n")
    told = project.call("selection=other.yaml", flags=("select",))
    assert told.returncode == 1 and "other.yaml is about iteration 1" in told.stdout
    assert project.call("selection=other.yaml", flags=("-n",)).returncode == 0  # no step but select reads it
    assert starfile.read(project.folder / "run/selected/particles.star")["particles"].equals(
        selected["particles"]
    )
    assert command("run", "nothing.yaml").stderr.startswith("nothing.yaml is not a selection")
    assert command("data", "mine.yaml").stderr == "data holds no finished run.\n"


def test_a_selection_changes_nothing_else(finished):
    (finished.folder / "run/selection_suggested.yaml").read_text()
    assert finished.planned("selection=run/selection_suggested.yaml", "movie_classes=1") == {}


def test_a_movie_of_two_classes(continued):
    printed = continued.run("movie_classes=0,2", flags=("movie",))
    assert re.search(
        r"\d+ frames, each of \d+( to \d+)? of the \d+ particles, along the component with \d+% of", printed
    )
    gif, mp4 = (iio.imread(continued.folder / f"run/movie.{kind}") for kind in ("gif", "mp4"))
    assert len(mp4) == 8 * len(gif) and gif.shape[1] > 64
    assert np.abs(np.diff(gif.astype(int), axis=0)).mean((1, 2, 3)).min() > 0


def test_snakemakes_own_report_has_the_pictures_and_the_movie_that_is_asked_for(continued):
    continued.run("movie_classes=0,2", flags=("movie",))
    for targets, has_movie in ((), False), (("all", "movie"), True):
        continued.run("movie_classes=0,2", flags=(*targets, "--report", "snakemake.html"))
        text = (continued.folder / "snakemake.html").read_text()
        for part in ("classes.png", "curves.svg", "report.html", "Iterations", "Fourier ring correlation"):
            assert part in text
        for part in ("movie.gif", "sorted along the main component"):
            assert (part in text) == has_movie
