"""What a run writes for other programs, and what EMAN2's and RELION's runs left, read as ours."""

from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from scipy import ndimage

from refine2d import cryosparc, tables
from refine2d.ctf import CtfTable
from refine2d.relion import class_blocks, write_particles
from refine2d.stacks import cs
from refine2d.stacks.hdf import read_hdf, read_headers
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.opening import open_source
from refine2d.stacks.star_text import read_star, write_star
from refine2d.transforms import alignment, from_relion, inverse, rescale, undo

N = 4
RNG = np.random.default_rng(0)
POSES = alignment(
    RNG.uniform(0, 360, N), [0, 1, 0, 1], RNG.normal(size=N), RNG.normal(size=N), score=[4, 3, 2, 1]
)
LABELS = np.array([2, 0, 1, 0])


def store(ctf=None, rows=range(N), input_apix=2.0):
    number = np.array(rows)
    group = np.zeros(len(number), np.int32)
    return SimpleNamespace(number=number, apix=4.0, input_apix=input_apix, input_box=17, group=group, ctf=ctf)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_mrcs("data/p.mrcs", RNG.normal(size=(N, 17, 17)).astype(np.float32), 2.0, N, 17)
    return tmp_path


def written(*particles, path="particles.cs", **options):
    with patch.object(cs, "BATCH", 3):
        cryosparc.write_particles(path, *particles, **options)
    return np.load(path)


# ---- cryoSPARC ----


def test_a_new_cs_file_reads_back():
    column = np.arange(N, dtype=float)
    table = CtfTable(column + 9000, column + 8000, 10 * column, column, 300, 2.7, 0.1)
    source = open_source("data/p.mrcs")
    records = written(source, store(table), np.arange(N), LABELS, POSES, invert=True)
    assert len(set(records["uid"].tolist())) == N
    assert records["alignments2D/class"].tolist() == LABELS.tolist()
    assert records["blob/shape"].tolist() == [[17, 17]] * N
    again = open_source("particles.cs")
    np.testing.assert_array_equal(again.images(range(N)), -source.images(range(N)))
    assert again.optics[0].apix == 2.0
    for field, values in vars(table).items():
        np.testing.assert_allclose(getattr(again.ctf, field), values, rtol=1e-6)


def test_pose_and_shift_are_relions_in_radians_and_pixels():
    records = written(open_source("data/p.mrcs"), store(), np.arange(N), LABELS, POSES)
    psi, (x, y) = np.rad2deg(records["alignments2D/pose"]), records["alignments2D/shift"].T
    back = from_relion(psi, 2.0 * x, 2.0 * y, records["refine2d/flip"], apix=4.0)
    np.testing.assert_allclose((back["angle"] - POSES["angle"] + 180) % 360 - 180, 0, atol=1e-3)
    for name in ("mirror", "sx", "sy"):
        np.testing.assert_allclose(back[name], POSES[name], atol=1e-5)


def test_an_average_turned_by_the_pose_and_moved_against_the_shift_lies_on_its_particle():
    """How programs that draw class averages back into cryoSPARC's micrographs use the two fields."""
    box = 65
    y, x = np.mgrid[:box, :box] - box // 2
    average = np.exp(-((x - 9) ** 2 + (y + 4) ** 2) / 30) + 0.6 * np.exp(-((x + 6) ** 2 + (y - 11) ** 2) / 40)
    pose = alignment([34.0], [False], [1.5], [-2.0])
    particle = undo(average[None], inverse(rescale(pose, 2)))[0]
    (record,) = written(open_source("data/p.mrcs"), store(rows=[0]), np.array([0]), np.array([0]), pose)
    turned = ndimage.rotate(average, np.degrees(record["alignments2D/pose"]), reshape=False)
    moved = ndimage.shift(turned, -record["alignments2D/shift"][::-1])
    np.testing.assert_allclose(moved, particle, atol=0.01)


def test_a_cs_input_keeps_its_fields(shared, project):
    folder = shared / "formats"
    (project / "empiar_10076_7.mrc").symlink_to(folder / "relion/empiar_10076_7.mrc")
    source = open_source(folder / "cryosparc/empiar_10076_7.cs", project=folder / "relion")
    numbers = [6, 1, 2, 5]
    records = written(source, store(rows=numbers), np.arange(N), LABELS, POSES)
    before = source.table[:]
    for name in before.dtype.names:
        np.testing.assert_array_equal(records[name], before[name][numbers])
    assert records["alignments2D/psize_A"].tolist() == before["blob/psize_A"][numbers].tolist()
    again = written(source, store(rows=numbers), np.arange(N), LABELS, POSES, invert=True)
    assert again["blob/sign"].tolist() == [1] * N


@pytest.mark.parametrize(
    ("name", "place", "path"),
    [
        ("J5/p.mrcs", ".", "J5/p.mrcs"),
        (">J5/p.mrcs", ".", ">J5/p.mrcs"),
        ("p.mrcs", ".", "J5/p.mrcs"),  # the project has another p.mrcs
        ("p.mrcs", "other", "../J5/p.mrcs"),
        (">J5/p.mrcs", "other", "{project}/J5/p.mrcs"),
    ],
)
def test_a_path_of_a_cs_input_stays_where_it_means_the_stack(project, monkeypatch, name, place, path):
    for file in ("p.mrcs", "J5/p.mrcs"):
        write_mrcs(file, RNG.normal(size=(N, 17, 17)).astype(np.float32), 2.0, N, 17)
    table = np.zeros(N, [("blob/path", f"S{len(name)}"), ("blob/idx", "u4"), ("blob/psize_A", "f4")])
    table["blob/path"], table["blob/idx"], table["blob/psize_A"] = name.encode(), range(N), 2.0
    with open("J5/x.cs", "wb") as file:
        np.save(file, table)
    (project / place).mkdir(exist_ok=True)
    monkeypatch.chdir(project / place)
    source = open_source("J5/x.cs" if place == "." else "../J5/x.cs")
    records = written(source, store(), np.arange(N), LABELS, POSES)
    assert records["blob/path"].tolist() == [path.format(project=project).encode()] * N
    np.testing.assert_array_equal(
        open_source("particles.cs").images(range(N)), open_source(project / "J5/p.mrcs").images(range(N))
    )


def test_the_fields_of_2d_classification_are_those_of_cryosparc(shared):
    real = np.load(shared / "formats/cryosparc/cryosparc_J2_particles_exported.cs").dtype
    ours = written(open_source("data/p.mrcs"), store(), np.arange(N), LABELS, POSES).dtype
    for name in real.names:
        if name.startswith(("alignments2D/", "blob/")) and name != "blob/path":
            assert ours[name] == real[name], name


def test_cryosparc_tools_reads_it():
    dataset = pytest.importorskip("cryosparc.dataset", reason="cryosparc-tools is not installed")
    records = written(open_source("data/p.mrcs"), store(), np.arange(N), LABELS, POSES)
    read = dataset.Dataset.load("particles.cs")
    assert set(read.fields()) == set(records.dtype.names)
    assert read["blob/path"].tolist() == ["data/p.mrcs"] * N
    np.testing.assert_array_equal(read["alignments2D/shift"], records["alignments2D/shift"])


# ---- optics groups of several sizes ----


def test_each_particle_is_written_in_its_own_pixels():
    write_mrcs("data/q.mrcs", RNG.normal(size=(2, 34, 34)).astype(np.float32), 1.0, 2, 34)
    optics = {"rlnOpticsGroup": ["1", "2"], "rlnImagePixelSize": ["2.0", "1.0"]}
    images = ["1@data/p.mrcs", "1@data/q.mrcs", "2@data/p.mrcs", "2@data/q.mrcs"]
    write_star(
        "x.star",
        {"optics": optics, "particles": {"rlnImageName": images, "rlnOpticsGroup": ["1", "2", "1", "2"]}},
    )
    source = open_source("x.star")
    records = written(source, store(), np.arange(N), LABELS, POSES)
    assert records["alignments2D/psize_A"].tolist() == [2, 1, 2, 1]
    assert records["blob/shape"][:, 0].tolist() == [17, 34, 17, 34]
    angstrom = records["alignments2D/shift"] * records["alignments2D/psize_A"][:, None]
    write_particles("out.star", source, store(), np.arange(N), LABELS, POSES)
    blocks = read_star("out.star")["particles"]
    for axis, name in enumerate("XY"):
        expected = [float(value) for value in blocks[f"rlnOrigin{name}Angst"]]
        np.testing.assert_allclose(angstrom[:, axis], expected, atol=1e-5)


# ---- what other programs' runs left ----


def test_averages_of_a_relion_run_are_read_by_their_table():
    write_star("data/classes.star", class_blocks("data/p.mrcs", np.array([3, 2, 1, 1])))
    np.testing.assert_array_equal(
        open_source("data/classes.star").images([2, 0]), open_source("data/p.mrcs").images([2, 0])
    )


def test_averages_of_an_eman2_run(shared):
    source = open_source(shared / "formats/eman2/r2d_01/classes_02.hdf")
    assert (source.n, source.box) == (8, 64)
    assert np.isfinite(source.images(range(8))).all()


def test_tables_of_an_eman2_run_are_read_as_ours(shared):
    """e2refine2d: the class of a particle is in classmx, and in the average's own list of members."""
    folder = shared / "formats/eman2/r2d_01"
    labels, weights, _ = tables.read_classmx(folder / "classmx_02.hdf", binning=1.0)
    assert len(labels) == 400 and set(labels.tolist()) <= set(range(8)) and (weights > 0).all()
    for header in read_headers(folder / "classes_02.hdf"):
        members = np.atleast_1d(header["class_ptcl_idxs"])
        assert len(set(labels[members].tolist())) == 1
    scores = tables.read_simmx(folder / "simmx_02.hdf", binning=1.0)
    assert scores.shape == (400, 5) and (scores["ref"] == np.arange(5)).all()
    raw = read_hdf(folder / "simmx_02.hdf")
    np.testing.assert_array_equal(scores["score"], -raw[0])
    vectors, projected = tables.read_projection(folder / "input_02_proj.hdf", np.arange(400))
    assert vectors.shape == (400, 5)
    best = scores["score"].argmax(axis=1)
    same = scores[np.arange(400), best]
    turn = (projected["angle"].astype(float) - same["angle"] + 180) % 360 - 180
    assert np.abs(turn).max() < 1e-2 and (projected["mirror"] == same["mirror"]).all()


def test_a_simmx_of_ours_reads_back(tmp_path):
    best = np.stack([alignment([10.0, 350.0], [0, 1], [1, 2], [3, -4], ref=[0, 2], score=[5, 4])] * 3)
    best["ref"][1, 1], best["score"][1, 1] = -1, -np.inf
    tables.write_simmx("simmx.hdf", [best], 3, 4, 2.0)
    found = tables.read_simmx("simmx.hdf", 2.0)
    assert found["ref"].tolist() == [[0, -1, 2, -1], [0, -1, -1, -1], [0, -1, 2, -1]]
    for name in ("score", "mirror", "sx", "sy", "angle"):
        np.testing.assert_allclose(found[0, [0, 2]][name], best[0][name], atol=1e-4)


def test_the_star_file_of_a_cs_input_is_of_today(shared):
    folder = shared / "formats"
    source = open_source(folder / "cryosparc/empiar_10076_7.cs", project=folder / "relion")
    write_particles("out.star", source, store(), np.arange(N), LABELS, POSES)
    blocks = read_star("out.star")
    assert blocks["optics"]["rlnOpticsGroupName"].tolist() == ["exp_group_23"]
    assert blocks["particles"]["rlnClassNumber"].tolist() == ["3", "1", "2", "1"]
