"""Tables in EMAN2's layout: planted transforms through the files, layouts, and what EMAN2 expects of them."""

from unittest.mock import patch

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refine2d import tables
from refine2d.averaging import ClassAverage
from refine2d.basisfile import read_basis, write_basis
from refine2d.msa import basis
from refine2d.stacks.hdf import read_hdf, read_headers
from refine2d.transforms import ALIGNMENT, alignment, from_eman2

RNG = np.random.default_rng(5)


def some_alignments(n, refs=1, scaled=False):
    return alignment(
        RNG.uniform(0, 360, n),
        RNG.random(n) < 0.5,
        RNG.uniform(-5, 5, n),
        RNG.uniform(-5, 5, n),
        RNG.integers(0, refs, n),
        RNG.uniform(1, 100, n),
        RNG.uniform(0.9, 1.1, n) if scaled else 1,
    )


def same_poses(a, b):
    turn = (a["angle"].astype(float) - b["angle"] + 180) % 360 - 180
    np.testing.assert_allclose(turn, 0, atol=1e-3)
    np.testing.assert_array_equal(a["mirror"], b["mirror"])
    for name in ("sx", "sy", "scale"):
        np.testing.assert_allclose(a[name], b[name], atol=1e-4)


def test_classmx_holds_emans_transform(tmp_path):
    """EMAN2's alpha 30, t = (5, 2), mirror: the numbers stand in the file in pixels of the input."""
    pose = from_eman2([30.0], [5.0], [2.0], [1], binning=2.5)
    tables.write_classmx(tmp_path / "classmx.hdf", np.array([7]), np.array([1]), pose, binning=2.5)
    file = read_hdf(str(tmp_path / "classmx.hdf"))
    assert file.shape == (6, 1, 1)
    np.testing.assert_allclose(file[:, 0, 0], [7, 1, 5, 2, 30, 1], atol=1e-5)


@given(st.integers(1, 50), st.sampled_from([1.0, 1.7, 4.0]), st.booleans())
def test_classmx_comes_back(tmp_path_factory, n, binning, scaled):
    path = tmp_path_factory.mktemp("t") / "classmx.hdf"
    labels, weights, poses = RNG.integers(-1, 9, n), RNG.integers(0, 2, n), some_alignments(n, scaled=scaled)
    tables.write_classmx(path, labels, weights, poses, binning)
    assert len(read_hdf(path)) == 6 + scaled
    found = tables.read_classmx(path, binning)
    np.testing.assert_array_equal(found[0], labels)
    np.testing.assert_array_equal(found[1], weights)
    np.testing.assert_array_equal(found[2]["ref"], labels)
    same_poses(found[2], poses)


def test_simmx_has_the_tried_cells_and_no_untried_one_wins(tmp_path):
    n, nref, nbest, binning = 300, 9, 3, 2.0
    best = np.stack([some_alignments(n, scaled=True) for _ in range(nbest)], axis=1)
    best["ref"] = np.argsort(RNG.random((n, nref)), axis=1)[:, :nbest]
    best["ref"][:, 2] = np.where(RNG.random(n) < 0.3, -1, best["ref"][:, 2])
    tables.write_simmx(tmp_path / "simmx.hdf", [best[:128], best[128:]], n, nref, binning)
    score, tx, ty, alpha, mirror, scale = read_hdf(tmp_path / "simmx.hdf")
    assert score.shape == (n, nref)
    tried = np.zeros((n, nref), bool)
    for row in range(n):
        for pose in best[row][best[row]["ref"] >= 0]:
            ref = pose["ref"]
            tried[row, ref] = True
            assert score[row, ref] == -pose["score"]
            cell = (image[row, [ref]] for image in (alpha, tx, ty, mirror, scale))
            same_poses(from_eman2(*cell, binning), pose[None])
    assert (score[~tried] == np.float32(1e24)).all() and (scale[~tried] == 1).all()
    assert (
        score.argmin(1) == [row["ref"][np.where(row["ref"] < 0, -1, row["score"]).argmax()] for row in best]
    ).all()


def test_simmx_does_not_depend_on_the_pieces(tmp_path):
    best = some_alignments(200, refs=4)[:, None]
    tables.write_simmx(tmp_path / "one.hdf", [best], 200, 4, 1.0)
    tables.write_simmx(tmp_path / "two.hdf", [best[:64], best[64:]], 200, 4, 1.0)
    assert (tmp_path / "one.hdf").read_bytes() == (tmp_path / "two.hdf").read_bytes()


def test_simmx_is_chunked_and_compressed(tmp_path):
    tables.write_simmx(tmp_path / "simmx.hdf", [some_alignments(4000, refs=50)[:, None]], 4000, 50, 1.0)
    with h5py.File(tmp_path / "simmx.hdf") as file:
        image = file["MDF/images/0/image"]
        assert image.chunks and image.compression == "gzip" and image.dtype == np.float32


@pytest.mark.parametrize("scaled", [False, True])
def test_projections_come_back(tmp_path, scaled):
    vectors, poses = RNG.normal(size=(40, 6)).astype(np.float32), some_alignments(40, scaled=scaled)
    parts = [(vectors[:25], poses[:25]), (vectors[25:], poses[25:])]
    tables.write_projection(tmp_path / "p.hdf", parts, (40, 6), 1.5, {"note": 3})
    header, *more = read_headers(tmp_path / "p.hdf")
    assert read_hdf(tmp_path / "p.hdf", [0]).shape == (1, 40, 4 + 6) and len(more) == scaled
    assert header["isvector"] == 1 and header["note"] == 3
    for rows in (np.arange(40), np.array([3, 17, 39])):
        found, back = tables.read_projection(tmp_path / "p.hdf", rows, 1.5)
        np.testing.assert_array_equal(found, vectors[rows])
        same_poses(back, poses[rows])


def test_vectors_come_back(tmp_path):
    vectors = RNG.normal(size=(40, 6)).astype(np.float32)
    tables.write_vectors(tmp_path / "p.hdf", vectors, {"note": 3})
    np.testing.assert_array_equal(read_hdf(tmp_path / "p.hdf")[0], vectors)
    (header,) = read_headers(tmp_path / "p.hdf")
    assert header["isvector"] == 1 and header["note"] == 3


@pytest.mark.parametrize("shape", [(12, 30), (12, 8, 8)])
def test_a_basis_comes_back(tmp_path, shape):
    made = basis(RNG.normal(size=shape).astype(np.float32), 5)
    write_basis(tmp_path / "b.hdf", made)
    found = read_basis(tmp_path / "b.hdf")
    for name in ("mean", "vectors", "eigval", "explvarfrac", "noise"):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert read_headers(tmp_path / "b.hdf")[0]["eigval"] == 0


FRC = np.array([1, 1, 0.8, 0.1, 0], np.float32)


def a_class(number, rows):
    kept = np.arange(len(rows)) % 3 > 0
    quality = RNG.random(len(rows)).astype(np.float32)
    average = ClassAverage(
        np.full((8, 8), number, np.float32), some_alignments(len(rows)), quality, kept, FRC, 0.5
    )
    return average, tables.members_of(number, np.array(rows), average)


def test_classes_join_in_the_order_of_their_numbers(tmp_path):
    """Two groups of classes, as scattered jobs write them; image number is class number whoever was first."""
    rows = np.split(RNG.permutation(40), [5, 12, 20, 31])
    made = [a_class(number, rows[number]) for number in range(5)]
    paths = []
    for group in (1, 0):
        mine = range(group, 5, 2)
        headers = [tables.class_header(c, made[c][1], FRC, "run/particles.lst", 4.5) for c in mine]
        paths.append(tmp_path / f"{group}.hdf")
        images = [made[c][0].image for c in mine]
        tables.write_classes(paths[-1], images, headers, np.concatenate([made[c][1] for c in mine]))
    tables.join_classes(tmp_path / "classes.hdf", paths)
    tables.join_classes(tmp_path / "again.hdf", [tmp_path / "classes.hdf"])
    assert (tmp_path / "again.hdf").read_bytes() == (
        tmp_path / "classes.hdf"
    ).read_bytes()  # in however many pieces

    np.testing.assert_array_equal(read_hdf(tmp_path / "classes.hdf")[:, 0, 0], range(5))
    for number, header in enumerate(read_headers(tmp_path / "classes.hdf")):
        average = made[number][0]
        np.testing.assert_array_equal(header["class_ptcl_idxs"], rows[number][average.kept])
        np.testing.assert_array_equal(header["exc_class_ptcl_idxs"], rows[number][~average.kept])
        assert header["ptcl_repr"] == average.kept.sum()
        assert header["class_ptcl_src"] == "run/particles.lst"
        assert header["apix_x"] == header["apix_y"] == 4.5
        np.testing.assert_array_equal(header["frc"], FRC)
        assert header["resolution"] == pytest.approx(8 * 4.5 / (2 + (0.8 - 0.143) / 0.7))
        np.testing.assert_allclose(
            header["class_ptcl_qual"], -average.quality[average.kept].mean(), rtol=1e-6
        )
        np.testing.assert_allclose(
            header["class_ptcl_qual_sigma"], average.quality[average.kept].std(), rtol=1e-5
        )
    np.testing.assert_array_equal(tables.class_sizes(tmp_path / "classes.hdf"), [len(r) for r in rows])

    members = tables.read_members(paths)
    np.testing.assert_array_equal(members["row"], range(40))
    for number in range(5):
        mine = members[members["class"] == number]
        order = np.argsort(rows[number])
        assert (mine["alignment"] == made[number][0].alignments[order]).all()
        np.testing.assert_array_equal(mine["kept"], made[number][0].kept[order])


def test_a_class_without_a_kept_member_can_be_written(tmp_path):
    average, members = a_class(0, [4])
    assert not average.kept.any()
    tables.write_classes(
        tmp_path / "c.hdf", [average.image], [tables.class_header(0, members, FRC, "p.lst", 1)], members
    )
    (header,) = read_headers(tmp_path / "c.hdf")
    assert header["ptcl_repr"] == 0 and header["exc_class_ptcl_idxs"] == 4


def test_pieces_come_back_joined(tmp_path):
    best = some_alignments(70)
    tables.write_arrays(tmp_path / "a.h5", best=best[:64])
    tables.write_arrays(tmp_path / "b.h5", best=best[64:])
    found = tables.read_arrays([tmp_path / "a.h5", tmp_path / "b.h5"], "best")
    assert found.dtype == ALIGNMENT and (found == best).all()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4), block=st.sampled_from([2, 100]), data=st.data()
)
def test_pieces_come_back_in_parts_and_by_row(tmp_path, sizes, block, data):
    n = sum(sizes)
    paths = [tmp_path / f"{i}.h5" for i in range(len(sizes))]
    points, number = RNG.normal(size=(n, 3)), np.arange(n)
    for path, last, size in zip(paths, np.cumsum(sizes), sizes, strict=True):
        mine = slice(last - size, last)
        tables.write_arrays(path, points=points[mine], number=number[mine])
    with patch.object(tables, "BLOCK", block):
        parts = list(tables.read_parts(paths, "points", "number"))
        rows = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), int)
        np.testing.assert_array_equal(tables.read_rows(paths, "points", rows), points[rows])
    for mine, some, numbers in parts:
        assert len(some) <= block
        np.testing.assert_array_equal(some, points[mine])
        np.testing.assert_array_equal(numbers, number[mine])
    assert sum(len(some) for _, some, _ in parts) == n
