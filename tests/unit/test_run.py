"""A run's record: what it fixes, when it is refused, and that opening one writes nothing."""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from refine2d import options, run, simulate
from refine2d.errors import UserError
from refine2d.stacks.hdf import write_hdf
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.star_text import write_star

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml").read_text())


def stack(path, n=60, box=32, apix=5.0, seed=0):
    images = np.random.default_rng(seed).normal(size=(n, box, box)).astype(np.float32)
    write_mrcs(path, images, apix, n, box)
    return str(path)


@pytest.fixture
def values(tmp_path, monkeypatch):
    """Options of a run on a small stack."""
    monkeypatch.chdir(tmp_path)
    return lambda **given: options.read({"input": stack("p.mrcs"), "ncls": 4} | given, SCHEMA)


def refused(folder, values):
    with pytest.raises(UserError) as error:
        run.open_run(folder, values)
    return str(error.value)


def test_a_run_is_known_before_a_particle_is_read(values, tmp_path):
    found = run.open_run("r2d_01", values())
    assert (found.n_input, found.n, found.box, found.apix, found.chunks) == (60, 60, 32, 5.0, 1)
    assert found.working_box == 32
    assert not Path("r2d_01").exists()


def test_what_is_written_is_read(values):
    found = run.open_run("r2d_01", values())
    run.write("r2d_01", found)
    assert run.load("r2d_01") == found == run.open_run("r2d_01", values())
    before = Path("r2d_01/run.json").stat().st_mtime_ns
    run.write("r2d_01", found)
    assert Path("r2d_01/run.json").stat().st_mtime_ns == before


def test_a_touched_input_is_the_same_input(values):
    run.write("r2d_01", run.open_run("r2d_01", values()))
    os.utime("p.mrcs", (1, 1))
    run.open_run("r2d_01", values())


def test_a_moved_stack_is_the_same_input(values):
    first = run.open_run("r2d_01", values())
    run.write("r2d_01", first)
    Path("data").mkdir()
    Path("p.mrcs").rename("data/p.mrcs")
    now = replace(values(), base=values().base | {"input": "data/p.mrcs"})
    stack("p.mrcs", seed=1)  # another one in its place
    found = run.open_run("r2d_01", now)
    assert found == replace(first, input="data/p.mrcs")
    run.write("r2d_01", found)
    assert run.load("r2d_01") == found


def test_a_moved_table_finds_its_stacks_anew(values):
    Path("data").mkdir()
    stack("data/q.mrcs")
    Path("data/all.lst").write_text("".join(f"{i}\tq.mrcs\n" for i in range(60)))
    first = run.open_run("r2d_01", values(input="data/all.lst"))
    assert first.files == ("data/q.mrcs",)
    run.write("r2d_01", first)
    Path("data").rename("moved")
    found = run.open_run("r2d_01", values(input="moved/all.lst"))
    assert found == replace(first, input="moved/all.lst", files=("moved/q.mrcs",))
    assert found.places != first.places
    stack("moved/q.mrcs", seed=1)
    assert "r2d_01 holds a run on another input (data/all.lst" in refused(
        "r2d_01", values(input="moved/all.lst")
    )


def test_another_name_of_the_same_file_changes_nothing(values, tmp_path):
    first = run.open_run("r2d_01", values())
    run.write("r2d_01", first)
    assert run.open_run("r2d_01", values(input=str(tmp_path / "p.mrcs"))) == first


@pytest.mark.parametrize("other", [{"n": 61}, {"seed": 1}])
def test_a_run_on_another_input_is_refused(values, other):
    run.write("r2d_01", run.open_run("r2d_01", values()))
    now = values()
    stack("p.mrcs", **other)
    assert "r2d_01 holds a run on another input (p.mrcs, 60 images)" in refused("r2d_01", now)
    assert run.open_run("r2d_02", now).n == other.get("n", 60)


def test_a_job_of_a_running_workflow_does_not_read_the_input_again(values):
    found = run.open_run("r2d_01", values())
    run.write("r2d_01", found)
    now = values()
    Path("p.mrcs").write_bytes(b"")
    assert run.open_run("r2d_01", now, check=False) == found


def test_chunks_are_fixed_when_the_run_is_created(values):
    first = run.open_run("r2d_01", values(chunk=20))
    run.write("r2d_01", first)
    for chunk in (0, 50):  # left to the program, and what comes to the same batches
        assert run.open_run("r2d_01", values(chunk=chunk)).chunk == first.chunk == 64


def test_another_chunk_is_refused(values):
    stack("many.mrcs", n=200)
    run.write("r2d_01", run.open_run("r2d_01", values(input="many.mrcs", chunk=64)))
    said = refused("r2d_01", values(input="many.mrcs", chunk=128))
    assert said.startswith("r2d_01 was created with chunks of 64 particles, but chunk is 128: leave it out,")


def test_a_subset_is_fixed_when_the_run_is_created(values):
    run.write("r2d_01", run.open_run("r2d_01", values(subset=30)))
    assert run.load("r2d_01").n == 30
    assert "created with subset=30 and has 30 particles, now it would have 60" in refused("r2d_01", values())


def test_the_working_size_follows_the_options(values):
    run.write("r2d_01", run.open_run("r2d_01", values()))
    now = run.open_run("r2d_01", values(shrink=2))
    assert now.working_box == 16 and now.chunk == run.load("r2d_01").chunk


def test_an_input_without_pixel_size(values):
    stack("q.mrcs", apix=None)
    assert "q.mrcs does not say its pixel size: give apix" in refused("r2d_01", values(input="q.mrcs"))
    assert run.open_run("r2d_01", values(input="q.mrcs", apix=3)).apix == 3
    assert run.open_run("r2d_01", values(apix=3)).apix == 5  # the file wins


@pytest.mark.parametrize("stacks", [("p.mrcs", "q.mrcs"), ("q.mrcs", "p.mrcs")])
def test_an_input_that_says_the_pixel_size_of_some_images(values, stacks):
    stack("q.mrcs", apix=None)
    Path("all.lst").write_text("".join(f"{i}\t{name}\n" for name in stacks for i in range(30)))
    said = "all.lst does not say the pixel size of all its images: give apix=... in A."
    assert refused("r2d_01", values(input="all.lst")) == said
    said = "all.lst has pixel sizes from 5 to 9 A: rescale the images to one pixel size first."
    assert refused("r2d_01", values(input="all.lst", apix=9)) == said
    assert run.open_run("r2d_01", values(input="all.lst", apix=5)).apix == 5


def test_exclude_is_read_before_anything_runs(values):
    Path("bad.txt").write_text("3, 60\n")
    assert "60" in refused("r2d_01", values(exclude="bad.txt"))
    Path("good.txt").write_text("3 4\n5 # dust\n")
    assert run.open_run("r2d_01", values(exclude="good.txt")).n == 60
    assert run.open_run("r2d_01", values(exclude="good.txt", subset=58)).n == 57


def test_an_image_under_two_names_is_one_image(values):
    Path("q.mrcs").symlink_to("p.mrcs")
    for other in ("./p.mrcs", "q.mrcs"):
        names = [f"{i + 1}@p.mrcs" for i in range(50)] + [f"8@{other}"]
        write_star("p.star", {"": {"rlnImageName": names}})
        assert "p.star: image 50 is image 7 again" in refused("r2d_01", values(input="p.star", apix=5))


def test_starting_averages_are_looked_at_before_anything_runs(values):
    write_hdf("a.hdf", np.ones((3, 32, 32), np.float32))
    write_hdf("b.hdf", np.ones((4, 30, 30), np.float32))
    images = np.zeros((4, 32, 32), np.float32)
    images[1, 16, 16] = 1  # the others are blank
    write_hdf("c.hdf", images)
    write_hdf("blank.hdf", np.ones((4, 32, 32), np.float32))
    images[2, 5, 5] = np.nan
    write_hdf("nan.hdf", images)
    assert "a.hdf has 3 averages, but ncls is 4: give ncls=3." in refused("r2d_01", values(initial="a.hdf"))
    assert "b.hdf has averages of 30 pixels, but the particles have 32" in refused(
        "r2d_01", values(initial="b.hdf")
    )
    run.open_run("r2d_01", values(initial="c.hdf"))
    assert refused("r2d_01", values(initial="nan.hdf")) == (
        "nan.hdf: average 2 has values that are not finite (NaN or infinite): replace it."
    )
    assert refused("r2d_01", values(initial="blank.hdf")) == (
        "blank.hdf: every average has the same value everywhere: give averages that show something."
    )


def test_all_that_does_not_fit_is_said_at_once(values):
    assert len(refused("r2d_01", values(ncls=50, maxshift=20, mask_diameter=500)).splitlines()) == 3


def test_a_record_of_another_version(values):
    Path("r2d_01").mkdir()
    Path("r2d_01/run.json").write_text("{}")
    assert "r2d_01/run.json" in refused("r2d_01", values())


def test_a_damaged_record_is_set_aside_and_made_again(values, capsys):
    found = run.open_run("r2d_01", values())
    run.write("r2d_01", found)
    record = Path("r2d_01/run.json")
    before = record.read_bytes()
    for damaged in (before[:-40], before.replace(b'"n": 60', b'"n": 61'), b""):
        record.write_bytes(damaged)
        assert run.open_run("r2d_01", values()) == found
        assert record.read_bytes() == damaged
        run.write("r2d_01", found)
        assert record.read_bytes() == before
        assert Path("r2d_01/run.json.damaged").read_bytes() == damaged
        assert "r2d_01/run.json is damaged: it is not what was written. It was set" in capsys.readouterr().out


def test_the_demo_is_known_before_it_exists(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = run.open_run("demo/r2d_01", options.read({}, SCHEMA))
    assert found.input == "demo/particles.star" and found.n > 0
    assert list(tmp_path.iterdir()) == []


def test_the_demo_of_another_version_is_another_input(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = options.read({}, SCHEMA)
    run.write("r2d_01", run.open_run("r2d_01", now))
    assert run.open_run("r2d_01", now) == run.load("r2d_01")
    monkeypatch.setattr(simulate, "DEMO", replace(simulate.DEMO, n=700))
    assert "r2d_01 holds a run on another input (demo/particles.star" in refused("r2d_01", now)


def test_a_chunk_is_a_minute_of_one_core_at_most(values):
    assert run.a_minute(5000, 64, 50) == run.CHUNK > run.a_minute(5000, 128, 200)
    assert run.a_minute(5000, 128, 200) > run.a_minute(5000, 256, 200) >= run.BATCH
    area = (128 / 64) ** 2
    assert run.a_minute(5000, 128, 200) * (run.PARTICLE * area + run.PAIR * 200 * area**2) == pytest.approx(
        60, rel=0.01
    )
    assert run.open_run("r2d_01", values()).chunk == 64


@given(st.integers(1, 10**9), st.sampled_from([32, 64, 128, 256]), st.integers(2, 500))
def test_chunks_stay_few_however_many_particles(n, box, ncls):
    size = run.chunk_size(n, run.a_minute(n, box, ncls))
    assert -(-n // size) <= run.CHUNKS


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_chunks_hold_every_row_once(n, most):
    made = run.Run("p", (), "", n, n, 64, 1.0, 1.0, 0, "auto", 64, run.chunk_size(n, most), "")
    rows = [made.rows(chunk) for chunk in range(made.chunks)]
    assert rows[0][0] == 0 and rows[-1][1] == n
    assert all(before[1] == after[0] for before, after in itertools.pairwise(rows))
    assert all(stop > start and start % run.BATCH == 0 for start, stop in rows)
    names = [run.name(chunk, made.chunks) for chunk in range(made.chunks)]
    assert sorted(names) == names and len({len(name) for name in names}) == 1


def test_no_file_that_a_run_reads_is_replaced(values):
    Path("data").mkdir()
    stack("data/p.mrcs")
    write_hdf("data/classes.hdf", np.ones((60, 32, 32), np.float32), [{"apix_x": 5.0}] * 60)
    Path("all.lst").write_text("".join(f"{i}\tdata/classes.hdf\n" for i in range(60)))
    Path("sets").mkdir()
    Path("sets/class_00.lst").write_text("3\n")
    for named, folder, lost in (
        ({"input": "data/classes.hdf"}, "data", "data/classes.hdf"),
        ({"input": "all.lst"}, "data", "data/classes.hdf"),
        ({"exclude": "sets/class_00.lst"}, ".", "sets/class_00.lst"),
    ):
        said = f"path is {folder}, but a run there would replace {lost}: give another path."
        assert refused(folder, values(**named)) == said
    said = "resultmx is all.lst, a file of the run itself: give another name."
    assert refused("r2d_01", values(input="all.lst", resultmx="all.lst")) == said
    assert run.open_run("r2d_01", values(input="all.lst", resultmx="copy.hdf")).n == 60


def test_changes_from_an_iteration_on_are_compared_with_the_particles(values):
    Path("options.yaml").write_text("- {from: 3, maxshift: 500, naliref: 9}\n- {from: 5, naliref: 3}\n")
    now = options.read(values().base | {"mask_diameter": 500}, SCHEMA, "options.yaml")
    assert refused("r2d_01", now).splitlines() == [
        "mask_diameter is 500 A, but the box is 160 A wide: give less.",
        "From iteration 3 on, maxshift is 500 pixels, but the box is 32: give at most a third of it.",
        "From iteration 3 on, naliref is 9, but there are only 4 averages (ncls).",
    ]
