"""Faults of EMAN2's e2refine2d.py, each shown not to be here."""

import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from small_project import EXCLUDED, ROOT, SMALL, Project

from refine2d import clustering, simulate
from refine2d.extent import plan
from refine2d.search.align import References, align
from refine2d.stacks.hdf import read_hdf, read_headers
from refine2d.stacks.mrc import write_mrcs
from refine2d.tables import read_arrays, read_classmx, read_members, read_projection
from refine2d.transforms import alignment, inverse, undo


def command_line(folder, *arguments):
    command = [sys.executable, str(ROOT / "e2refine2d.py"), *arguments]
    joined = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.run(command, cwd=folder, **joined)


def test_resume_starts_from_the_last_complete_iteration_and_skips_none(continued):
    run = continued.folder / "run"
    for path in [*run.glob("*_02*"), *run.glob("classes.*"), *run.glob("classes_full")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    kept = {path.name: path.read_bytes() for path in run.glob("*_01.hdf")}
    arguments = ("--ncls=4", "--exclude=data/exclude.txt", "--chunk=64", "--iter=2", "--parallel=thread:2")
    done = command_line(continued.folder, "--resume", "--path=run", "--input=data/particles.star", *arguments)
    assert done.returncode == 0, done.stdout
    assert not re.search("Iteration 0?1:", done.stdout)
    assert {path.name: path.read_bytes() for path in run.glob("*_01.hdf")} == kept
    source = [header["source_class"] for header in read_headers(run / "allrefs_02.hdf")]
    assert sorted(source) == [0, 1, 2, 3]


def test_exclude_excludes(finished):
    run = finished.folder / "run"
    assert read_classmx(run / "classmx_02.hdf", 1.0)[0][EXCLUDED] == -1
    assert EXCLUDED not in read_members(sorted((run / "classes_02").glob("*.hdf")))["row"]


def test_check_does_nothing(particles):
    before = sorted(particles.folder.rglob("*"))
    done = command_line(particles.folder, "--input=data/particles.star", "--ncls=4", "--check")
    assert done.returncode == 0 and "Nothing was done." in done.stdout
    assert sorted(particles.folder.rglob("*")) == before


@pytest.mark.parametrize("box", [48, 64, 96])
def test_the_coarse_search_of_the_tree_aligner_has_a_shift_window(box):
    options = SimpleNamespace(mask_diameter=0.8 * box, maxshift=box / 8, mirror=True)
    options.simalign, options.simralign = "rotate_translate_tree", "none"
    extent = plan(options, SimpleNamespace(box=box, working_box=box, apix=1.0), "sim")
    assert np.abs(extent.shifts).max() >= box / 8 - 2.5
    y, x = np.mgrid[:box, :box] - box // 2
    image = np.exp(-((x - 0.1 * box) ** 2 + y**2) / 20) + np.exp(-(x**2 + (y - 0.2 * box) ** 2) / 9)
    truth = alignment(40.0, False, [0.11 * box], [-0.04 * box])
    particle = undo(image[None], inverse(truth))
    from refine2d.fourier import ft, nrings

    found = align(References(extent, image[None]), ft(particle), np.zeros((1, nrings(box)), np.float32))[0, 0]
    assert (found["sx"], found["sy"]) == pytest.approx((truth["sx"][0], truth["sy"][0]), abs=0.3)


def test_image_number_is_class_number(finished):
    """In every file of averages, whatever order the pieces were done in."""
    run = finished.folder / "run"
    labels, kept, _ = read_classmx(run / "resultmx_02.hdf", 1.0)
    for name in ("classes_init.hdf", "classes_01.hdf", "classes_02.hdf", "classes.hdf"):
        assert [header["class_id"] for header in read_headers(run / name)] == [0, 1, 2, 3]
    for number, header in enumerate(read_headers(run / "classes_02.hdf")):
        mine = np.flatnonzero((labels == number) & (kept > 0))
        np.testing.assert_array_equal(np.atleast_1d(header["class_ptcl_idxs"]), mine)


@pytest.mark.parametrize("name", ["classmx_00.hdf", "classes_init/00.hdf", "simmx_02/01.h5"])
def test_nothing_random_without_a_seed_and_serial_is_parallel(continued, name):
    before = (continued.folder / "run" / name).read_bytes()
    continued.run(cores=1, flags=("-f", f"run/{name}"))
    assert (continued.folder / "run" / name).read_bytes() == before


def test_another_seed_is_another_start(continued):
    before = read_classmx(continued.folder / "run/classmx_00.hdf", 1.0)[0]
    continued.run("seed=5", flags=("--until", "classmx_00"))
    assert (read_classmx(continued.folder / "run/classmx_00.hdf", 1.0)[0] != before).any()


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A run on an odd box with fewer classes than basis vectors."""
    simulation = simulate.Simulation("barrel", n=60, box=33, apix=7.0, snr=0.5, seed=3, max_shift=2.0)
    project = Project(tmp_path_factory.mktemp("odd"))
    (project.folder / "data").mkdir()
    images = simulate.images(simulation)
    write_mrcs(project.folder / "data/odd.mrcs", images, 7.0, simulation.n, simulation.box)
    project.run("input=data/odd.mrcs", "exclude=", "ncls=3", "nbasis=12", "nbasisfp=70", "iter=1")
    return project.folder / "run"


def test_fewer_classes_than_basis_vectors_are_classified(odd):
    assert len(read_hdf(odd / "basis_01.hdf")) == 1 + 2  # the mean, and what three averages span
    assert set(read_classmx(odd / "classmx_01.hdf", 1.0)[0]) == {0, 1, 2}


def test_odd_boxes_are_classified_at_their_own_size(odd):
    with h5py.File(odd / "particles.h5") as file:
        assert file["images"].shape[1] == 32
    averages = read_hdf(odd / "classes.hdf")
    assert averages.shape == (3, 33, 33) and averages.std(axis=(1, 2)).min() > 0


def test_the_correlation_of_halves_is_kept_with_each_average(finished):
    for header in read_headers(finished.folder / "run/classes_02.hdf"):
        assert len(header["frc"]) == 17 and np.ptp(header["frc"]) > 0.1
        assert header["resolution"] >= 2 * SMALL.apix


def test_averaging_starts_from_the_alignments_of_the_search(continued):
    run = continued.folder / "run"
    best = read_arrays(sorted((run / "simmx_02").glob("*.h5")), "best")[:, 0]
    labels, _, used = read_classmx(run / "classmx_02.hdf", 1.0)
    rows = np.flatnonzero(labels >= 0)
    projected = read_projection(run / "input_02_proj.hdf", np.arange(len(best)))[1]
    for poses in (used, projected):
        for name in ("angle", "mirror", "sx", "sy"):
            np.testing.assert_allclose(poses[name][rows], best[name][rows], atol=1e-3)
    (run / "options.yaml").write_text("- {from: 2, classiter: 0}\n")
    continued.run(flags=("--until", "classes"))
    start, _, poses = read_classmx(run / "classmx_02.hdf", 1.0)
    after, _, kept = read_classmx(run / "resultmx_02.hdf", 1.0)
    np.testing.assert_array_equal(start, after)
    for name in ("angle", "mirror", "sx", "sy"):
        np.testing.assert_allclose(poses[name][start >= 0], kept[name][start >= 0], atol=1e-3)


def test_starting_classes_are_as_many_as_asked_for():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((2000, 8)).astype(np.float32)
    labels, _ = clustering.kmeans(vectors, clustering.seed(vectors, 150, rng))
    assert set(labels) == set(range(150))


def test_averages_keep_all_their_bits(finished):
    run = finished.folder / "run"
    with h5py.File(run / "classes_02.hdf") as file:
        for number in range(4):
            assert file[f"MDF/images/{number}/image"].dtype == np.float32
    whole = read_hdf(run / "classes_02.hdf")
    for piece in sorted((run / "classes_02").glob("*.hdf")):
        for image, header in zip(read_hdf(piece), read_headers(piece), strict=True):
            np.testing.assert_array_equal(whole[header["class_id"]], image)
    assert len(np.unique(whole[0])) > 2**9


def test_nothing_waits_between_the_command_line_and_the_workflow(monkeypatch, tmp_path):
    """The process becomes Snakemake itself: no program of ours polls it."""
    import e2refine2d

    became = []
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).standard_normal((60, 32, 32)).astype(np.float32)
    write_mrcs(tmp_path / "noise.mrcs", images, 7.0, 60, 32)
    monkeypatch.setattr(e2refine2d.os, "execv", lambda path, command: became.append(command))
    e2refine2d.main(["--input=noise.mrcs", "--ncls=4", "--parallel=thread:3"])
    (command,) = became
    assert command[1:3] == ["-m", "snakemake"] and command[command.index("--cores") + 1] == "3"
