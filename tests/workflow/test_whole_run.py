"""A whole run on a small stack: its files, and what a user reads while it runs."""

import json
import re

import h5py
import naive
import numpy as np
import pytest
import starfile
from small_project import CONSTANT, EXCLUDED, NOT_FINITE, ROOT, SMALL

from refine2d import lock
from refine2d.basisfile import read_basis
from refine2d.denoise import per_component, together
from refine2d.report.times import read_times
from refine2d.shifts import LEAST, TRUE
from refine2d.stacks.hdf import read_hdf, read_headers
from refine2d.stacks.opening import open_source
from refine2d.tables import read_arrays, read_classmx, read_members, read_shift_sigma

LEFT_OUT = [CONSTANT, NOT_FINITE, EXCLUDED]
USED = np.setdiff1d(np.arange(SMALL.n), LEFT_OUT)


def test_every_file_of_the_design_is_there(finished):
    names = set(finished.results())
    pieces = {f"{number:02d}" for number in range(2)}
    wanted = {"run.json", "particles.h5", "particles.lst", "0_refine2d_parms.json"}
    wanted |= {
        "input_fp.hdf",
        "input_fp_basis.hdf",
        "input_fp_basis_proj.hdf",
        "classmx_00.hdf",
        "classes_init.hdf",
    }
    wanted |= {"classes.mrcs", "classes.star", "classes.hdf", "classes.png", "particles.star", "particles.cs"}
    wanted |= {"report.html", "selection_suggested.yaml", "classes.pdf", "curves.svg", "curves.pdf"}
    wanted |= {f"sets/class_{k:02d}.lst" for k in range(4)}
    wanted |= {f"particles/{piece}.h5" for piece in pieces}
    wanted |= {f"{folder}/{piece}.hdf" for folder in ("classes_init", "classes_full") for piece in pieces}
    for yy in ("01", "02"):
        wanted |= {
            f"{table}_{yy}.hdf" for table in ("allrefs", "basis", "aliref", "simmx", "classmx", "classes")
        }
        wanted |= {f"resultmx_{yy}.hdf", f"input_{yy}_proj.hdf", f"state_{yy}.json", f"quality_{yy}.tsv"}
        wanted |= {f"simmx_{yy}/{piece}.h5" for piece in pieces}
        wanted |= {f"classes_{yy}/{piece}.hdf" for piece in pieces}
    assert names == wanted


def test_an_iteration_expects_the_shifts_that_the_one_before_found(finished):
    run = finished.folder / "run"
    found = read_members(sorted((run / "classes_01").glob("*.hdf")))
    shifts = found["alignment"][found["kept"]]
    seen = np.sqrt((shifts["sx"] ** 2 + shifts["sy"] ** 2).mean() / 2) * SMALL.apix
    for averages in ("allrefs_02.hdf", "aliref_02.hdf"):
        assert read_shift_sigma(run / averages) == pytest.approx(
            max(LEAST * SMALL.apix, TRUE * seen), rel=0.1
        )


def test_every_job_says_what_it_used(finished):
    times = read_times(finished.folder / "run")
    assert sum(step["jobs"] for step in times) == len(list((finished.folder / "run/logs").iterdir())) > 30
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert all(f"rule {step['step']}:" in rules for step in times)


def test_no_process_outlives_the_run(finished):
    assert lock.processes(str(finished.folder / "run")) == []


def test_each_step_is_one_line_on_the_console(finished):
    """Once for all of its pieces, and nothing of how Snakemake goes about it."""
    lines = finished.printed.splitlines()
    for step in (
        "Reading and normalising particles",
        "Iteration 1: particles aligned and projected into the MSA space",
        "Iteration 2: new averages",
        "Averages at full size from the original pixels",
        "The report",
    ):
        assert lines.count(step) == 1
    noise = re.compile(r"Select jobs|Execute \d|Job \d|\[\w{3} \w{3} |Finished job|\d+ of \d+ steps|Warning")
    assert [line for line in lines if noise.match(line)] == []


def test_the_user_reads_how_it_goes_and_where_the_picture_is(finished):
    printed = finished.printed
    assert re.search(
        rf"Iteration 2: {len(USED)} particles in 4 classes, \d+\.\d % changed their class", printed
    )
    assert "run/classes.png" in printed
    assert f"left out: 1 with the same value everywhere: {CONSTANT}\n" in printed
    assert re.search(rf"left out: 1 with values that are not finite.*: {NOT_FINITE}\n", printed)
    assert f"left out: 1 excluded by the user: {EXCLUDED}\n" in printed
    assert "Traceback" not in printed


def test_the_state_counts_what_the_tables_say(finished):
    run = finished.folder / "run"
    state = json.loads((run / "state_02.json").read_text())
    now, before = (read_classmx(run / f"classmx_{yy}.hdf", 1.0)[0] for yy in ("02", "01"))
    origin = naive.origins(before, now, 4)
    same = sum(origin[now[row]] == before[row] for row in USED)
    assert state["changed"] == len(USED) - same
    assert state["sizes"] == np.bincount(now[USED], minlength=4).tolist()
    assert (now[LEFT_OUT] == -1).all() and (now[USED] >= 0).all()


def test_no_average_has_a_particle_that_was_left_out(finished):
    run = finished.folder / "run"
    rows = []
    for header in read_headers(run / "classes_02.hdf"):
        rows += [
            *np.atleast_1d(header["class_ptcl_idxs"]),
            *np.atleast_1d(header.get("exc_class_ptcl_idxs", [])),
        ]
        assert header["class_ptcl_src"] == "run/particles.lst"
    np.testing.assert_array_equal(np.sort(rows), USED)
    labels, kept, _ = read_classmx(run / "resultmx_02.hdf", 1.0)
    for number, header in enumerate(read_headers(run / "classes_02.hdf")):
        mine = np.flatnonzero((labels == number) & (kept > 0))
        np.testing.assert_array_equal(np.atleast_1d(header["class_ptcl_idxs"]), mine)
        assert header["ptcl_repr"] == len(mine)


def nearest_and_found(run):
    """Of each particle in iteration 02: the reference nearest to its class of 01, and those it was aligned to."""
    averages, space = read_hdf(run / "allrefs_02.hdf"), read_basis(run / "basis_02.hdf")
    points = [[float((v * (average - space.mean)).sum()) for v in space.vectors] for average in averages]
    source = [header["source_class"] for header in read_headers(run / "allrefs_02.hdf")]
    chosen = [header["allrefs_index"] for header in read_headers(run / "aliref_02.hdf")]
    labels = read_classmx(run / "classmx_01.hdf", 1.0)[0][USED]
    own = [points[source.index(label)] for label in labels]
    apart = [[np.linalg.norm(np.subtract(mine, points[k])) for k in chosen] for mine in own]
    return np.argmin(apart, axis=1), read_arrays(sorted((run / "simmx_02").glob("*.h5")), "best")["ref"][USED]


@pytest.mark.parametrize("naliref", [4, 3])
def test_a_particle_is_tried_on_the_references_near_its_class_of_the_iteration_before(continued, naliref):
    continued.run(f"naliref={naliref}", "nearrefs=1")
    nearest, found = nearest_and_found(continued.folder / "run")
    assert len(set(nearest)) == naliref
    np.testing.assert_array_equal(found[:, 0], nearest)
    assert (found[:, 1:] == -1).all()


def test_all_are_tried_where_that_is_asked_for(continued):
    continued.run("nearrefs=0")
    nearest, found = nearest_and_found(continued.folder / "run")
    assert 0 < (found[:, 0] != nearest).sum() < len(nearest)
    assert set(found.ravel()) >= {0, 1, 2, 3}


def test_references_are_sorted_averages(finished):
    """An alignment reference says which of the sorted averages it is, which has lost noise."""
    run = finished.folder / "run"
    sorted_ones, chosen = read_hdf(run / "allrefs_02.hdf"), read_hdf(run / "aliref_02.hdf")
    noise = per_component([header["noise"] for header in read_headers(run / "allrefs_02.hdf")])
    source = [header["source_class"] for header in read_headers(run / "allrefs_02.hdf")]
    assert sorted(source) == [0, 1, 2, 3]
    index = [header["allrefs_index"] for header in read_headers(run / "aliref_02.hdf")]
    assert noise > 0
    np.testing.assert_array_equal(chosen, together(sorted_ones, noise)[index])
    assert read_hdf(run / "simmx_02.hdf").shape == (6, SMALL.n, len(chosen))


def test_the_store_points_to_its_pieces_relative_to_itself(finished, tmp_path):
    with h5py.File(finished.copy(tmp_path / "moved").folder / "run/particles.h5") as file:
        assert file["images"].shape == (SMALL.n, 32, 32)
        assert np.abs(file["images"][USED]).max() > 0
        assert np.abs(file["images"][LEFT_OUT]).max() == 0


def test_relion_gets_the_used_particles_with_all_their_columns(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    before, after = starfile.read("data/particles.star"), starfile.read("run/particles.star")
    assert before["optics"].equals(after["optics"])
    numbers = after["particles"]["rlnImageName"].str.split("@").str[0].astype(int) - 1
    np.testing.assert_array_equal(numbers, USED)
    for column in ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle"):
        np.testing.assert_array_equal(after["particles"][column], before["particles"][column][USED])
    labels = read_classmx("run/classmx_02.hdf", 1.0)[0]
    np.testing.assert_array_equal(after["particles"]["rlnClassNumber"], labels[USED] + 1)
    assert open_source("run/particles.star").n == len(USED)


def test_relion_gets_the_averages_at_full_size(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    averages = open_source("run/classes.mrcs")
    assert (averages.n, averages.box, averages.optics[0].apix) == (4, SMALL.box, SMALL.apix)
    classes = starfile.read("run/classes.star")
    assert classes["rlnReferenceImage"].tolist() == [f"{i:06d}@run/classes.mrcs" for i in range(1, 5)]
    state = json.loads((finished.folder / "run/state_02.json").read_text())
    np.testing.assert_allclose(classes["rlnClassDistribution"] * len(USED), state["sizes"], atol=1e-3)


def test_full_size_averages_are_the_averages(finished, monkeypatch):
    """Here the working size is the input's, so each of the two must look like the other."""
    monkeypatch.chdir(finished.folder)
    full, working = open_source("run/classes.mrcs").images(np.arange(4)), read_hdf("run/classes_02.hdf")
    for a, b in zip(full, working, strict=True):
        assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.8


def test_the_parameters_of_the_run(finished):
    parameters = json.loads((finished.folder / "run/0_refine2d_parms.json").read_text())
    assert (parameters["ncls"], parameters["iter"], parameters["maxshift"]) == (4, 2, 4)
    assert parameters["particles"]["n"] == SMALL.n


def test_particles_list_for_eman2(finished):
    lines = (finished.folder / "run/particles.lst").read_text().splitlines()
    assert lines[3].split() == ["0", "data/particles.mrcs"] and len(lines) == 3 + SMALL.n


def test_the_user_reads_forecast_times_and_where_the_report_is(finished):
    printed = finished.printed
    assert re.search(
        rf"Forecast for {SMALL.n} particles and 2 iterations on 2 cores: about [0-9a-z ]+ s, \d+ MB", printed
    )
    assert re.search(r"It took .* of memory in a job, \d+ MB on disk\.\nForecast: [0-9a-z ]+ s", printed)
    summary = rf"Iteration 1: {SMALL.n - 3} particles .* median resolution \d+\.\d A, in [0-9a-z ]+ s"
    assert re.search(summary + ", about [0-9a-z ]+ s for 1 more", printed)
    assert re.search(rf"Iteration 2: {SMALL.n - 3} particles aligned in [0-9a-z ]+ s, \d+ a second", printed)
    assert "The report, to open in a browser: run/report.html" in printed
    assert "were not present when the DAG was created" not in printed
