"""particles.star and classes.star: what the input says is kept, what the run found is added."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import starfile

from refine2d import relion
from refine2d.ctf import CtfTable
from refine2d.relion import class_blocks, write_particles
from refine2d.stacks import star_text
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.opening import open_source
from refine2d.stacks.star_text import read_star, write_star
from refine2d.transforms import alignment, from_relion

N = 6
RNG = np.random.default_rng(0)
POSES = alignment(
    RNG.uniform(0, 360, 4), [0, 1, 0, 1], RNG.normal(size=4), RNG.normal(size=4), score=RNG.uniform(1, 9, 4)
)
LABELS = np.array([2, 0, 1, 0])
OPTICS = """data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnImagePixelSize #3
_rlnImageSize #4
_rlnImageDimensionality #5
1 mine 2.000000 16 2

"""
ROWS = "".join(f"{i + 1:06d}@p.mrcs 10000.{i} 'a b' 9 {i}.5\n" for i in range(N))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    images = RNG.normal(size=(N, 16, 16)).astype(np.float32)
    write_mrcs("data/p.mrcs", images, 2.0, N, 16)
    labels = ["rlnImageName", "rlnDefocusU", "rlnNote", "rlnClassNumber", "rlnAnglePsi"]
    head = "loop_\n" + "".join(f"_{label} #{i + 1}\n" for i, label in enumerate(labels))
    (tmp_path / "data/new.star").write_text(
        OPTICS
        + "data_particles\n\n"
        + head.replace("Psi #5\n", "Psi #5\n_rlnOpticsGroup #6\n")
        + ROWS.replace("\n", " 1\n")
    )
    (tmp_path / "data/old.star").write_text(
        "data_\n\n" + head + "_rlnPixelSize #6\n" + ROWS.replace("\n", " 2.0\n")
    )
    return tmp_path


def store(rows_of_input, ctf=None):
    """The columns of a particle store that matter here; row r is input image rows_of_input[r]."""
    number = np.array(rows_of_input)
    group = np.zeros(len(number), np.int32)
    return SimpleNamespace(number=number, apix=4.0, input_apix=2.0, input_box=16, group=group, ctf=ctf)


def written(source, store, rows=(0, 1, 2, 3)):
    """The blocks of a STAR file with 4 particles of a source."""
    write_particles("out.star", source, store, np.array(rows), LABELS, POSES)
    return read_star("out.star")


@pytest.mark.parametrize(
    ("name", "block", "unit", "pixel"), [("new", "particles", "Angst", 1), ("old", "", "", 2)]
)
def test_a_star_input_is_kept_and_gains_columns(project, name, block, unit, pixel):
    source = open_source(f"data/{name}.star")
    rows = np.array([0, 1, 3, 4])
    numbers = np.array([0, 1, 2, 4, 5])[rows]
    blocks = written(source, store([0, 1, 2, 4, 5]), rows)
    before = read_star(f"data/{name}.star")
    assert list(blocks) == list(before)
    after = blocks.pop(block)
    kept = before.pop(block)
    assert {k: {c: list(v) for c, v in t.items()} for k, t in blocks.items()} == {
        k: {c: list(v) for c, v in t.items()} for k, t in before.items()
    }
    assert list(after)[: len(kept)] == list(kept)
    for column in set(kept) - {"rlnImageName", "rlnClassNumber", "rlnAnglePsi"}:
        assert list(after[column]) == list(kept[column][numbers])
    assert list(after["rlnImageName"]) == [f"{number + 1:06d}@data/p.mrcs" for number in numbers]
    assert list(after["rlnClassNumber"]) == [str(label + 1) for label in LABELS]
    psi, x, y, score = (
        np.array([float(v) for v in after[column]])
        for column in ("rlnAnglePsi", f"rlnOriginX{unit}", f"rlnOriginY{unit}", "rlnLogLikeliContribution")
    )
    back = from_relion(psi, x * pixel, y * pixel, [v == "1" for v in after["rlnIsFlip"]], apix=4.0)
    np.testing.assert_allclose((back["angle"] - POSES["angle"] + 180) % 360 - 180, 0, atol=1e-4)
    np.testing.assert_array_equal(back["mirror"], POSES["mirror"])
    np.testing.assert_allclose(back["sx"], POSES["sx"], atol=1e-5)
    np.testing.assert_allclose(back["sy"], POSES["sy"], atol=1e-5)
    np.testing.assert_allclose(score, POSES["score"], rtol=1e-5)


@pytest.mark.parametrize("path", ["new.star", "old.star", "p.mrcs"])
def test_parts_make_no_difference(project, monkeypatch, path):
    source = open_source(f"data/{path}")
    written(source, store(range(N)), np.array([0, 1, 4, 5]))
    whole = (project / "out.star").read_bytes()
    for module in (star_text, relion):
        monkeypatch.setattr(module, "BATCH", 2)
    written(source, store(range(N)), np.array([0, 1, 4, 5]))
    assert (project / "out.star").read_bytes() == whole


def test_a_list_of_averages_gains_names_of_images(project):
    names = [f"{i + 1}@p.mrcs" for i in range(N)]
    write_star("data/model.star", {"model_classes": {"rlnReferenceImage": names, "rlnNote": ["a"] * N}})
    block = written(open_source("data/model.star"), store(range(N)))["model_classes"]
    assert block["rlnReferenceImage"].tolist() == names[:4] and block["rlnNote"].tolist() == ["a"] * 4
    assert block["rlnImageName"].tolist() == [f"{i + 1:06d}@data/p.mrcs" for i in range(4)]
    assert block["rlnClassNumber"].tolist() == [str(label + 1) for label in LABELS]


def test_names_that_are_found_from_the_project_stay(project, monkeypatch):
    monkeypatch.chdir(project / "data")
    source = open_source("new.star")
    blocks = written(source, store(range(N)))
    assert list(blocks["particles"]["rlnImageName"]) == [f"{i + 1:06d}@p.mrcs" for i in range(4)]


def test_a_name_that_means_another_file_in_the_project_is_completed(project):
    write_mrcs("p.mrcs", np.zeros((N, 16, 16), np.float32), 2.0, N, 16)
    blocks = written(open_source("data/new.star"), store(range(N)))
    assert list(blocks["particles"]["rlnImageName"]) == [f"{i + 1:06d}@data/p.mrcs" for i in range(4)]


def test_another_input_becomes_a_star_file_of_today(project):
    column = np.arange(N, dtype=float)
    table = CtfTable(
        column + 9000, column + 8000, column, 0 * column, 0 * column + 300, 0 * column + 2.7, 0 * column + 0.1
    )
    source = open_source("data/p.mrcs")
    written(source, store(range(N), table))
    blocks = starfile.read("out.star", always_dict=True)
    assert blocks["optics"]["rlnImagePixelSize"].tolist() == [2.0]
    assert blocks["optics"]["rlnVoltage"].tolist() == [300.0]
    particles = blocks["particles"]
    assert particles["rlnImageName"].tolist() == [f"{i + 1:06d}@data/p.mrcs" for i in range(4)]
    assert particles["rlnDefocusV"].tolist() == [8000.0, 8001.0, 8002.0, 8003.0]
    assert particles["rlnClassNumber"].tolist() == (LABELS + 1).tolist()
    again = open_source("out.star")
    assert (again.n, again.box, again.optics[0].apix, again.ctf.defocus_u[3]) == (4, 16, 2.0, 9003.0)


def test_a_table_of_another_program_is_not_carried_into_a_star_file(project):
    source = replace(open_source("data/p.mrcs"), table=np.zeros(N, [("uid", "u8")]))
    blocks = written(source, store(range(N)))
    assert list(blocks) == ["optics", "particles"] and len(blocks["particles"]["rlnClassNumber"]) == 4


def test_an_input_without_ctf_says_nothing_of_it(project):
    blocks = written(open_source("data/p.mrcs"), store(range(N)))
    assert not any(
        "Defocus" in column or "Voltage" in column for block in blocks.values() for column in block
    )


def test_classes_have_their_share(tmp_path):
    write_star(tmp_path / "classes.star", class_blocks("run/classes.mrcs", np.array([30, 0, 10])))
    table = starfile.read(tmp_path / "classes.star")
    assert table["rlnReferenceImage"].tolist() == [f"{i:06d}@run/classes.mrcs" for i in (1, 2, 3)]
    assert table["rlnClassDistribution"].tolist() == [0.75, 0.0, 0.25]
