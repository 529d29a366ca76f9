"""Optics groups of several pixel and box sizes: planted objects, sampled twice, agree on the common grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refine2d import input_rows, optics, prepare
from refine2d.errors import UserError
from refine2d.fourier import crop
from refine2d.stacks.grid import resampling
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.opening import open_source
from refine2d.stacks.star_text import read_star, write_star


def blobs(box, apix, width=9.0):
    """A few Gaussians at places in Angstrom from the centre pixel: one object at any sampling."""
    y, x = (np.mgrid[:box, :box] - box // 2) * apix
    places = ((0, 0, 1), (25, -10, 0.7), (-15, 30, -0.5))
    return sum(a * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2)) for px, py, a in places)


def two_groups(folder, first, second, sizes=None):
    """A STAR file of two optics groups, each a (box, apix) of one image of the same object."""
    for name, (box, apix) in (("a", first), ("b", second)):
        write_mrcs(folder / f"{name}.mrcs", [blobs(box, apix)], apix, 1, box)
    optics = {
        "rlnOpticsGroup": ["1", "2"],
        "rlnOpticsGroupName": ["a", "b"],
        "rlnImagePixelSize": sizes or [str(first[1]), str(second[1])],
    }
    particles = {"rlnImageName": ["1@a.mrcs", "1@b.mrcs"], "rlnOpticsGroup": ["1", "2"]}
    write_star(folder / "x.star", {"optics": optics, "particles": particles})
    return folder / "x.star"


@pytest.mark.parametrize(
    ("first", "second", "box", "apix"),
    [
        ((64, 3.0), (96, 2.0), 64, 3.0),
        ((64, 3.0), (80, 3.0), 64, 3.0),
        ((64, 3.0), (65, 3.0), 64, 3.0),
        ((63, 3.0), (96, 2.0), 62, 3.0),
        ((80, 2.48), (80, 2.5), 78, 2.5),
        ((128, 1.37), (64, 3.11), 56, 3.11),
    ],
)
def test_the_same_object_on_one_grid(tmp_path, first, second, box, apix):
    """Coarsest pixel, smallest field of view."""
    source = open_source(two_groups(tmp_path, first, second))
    assert source.box == box and {group.apix for group in source.optics} == {apix}
    images = source.images([1, 0])
    expected = blobs(box, apix)
    # the object is below 1e-3 where it is cut off, which rings
    np.testing.assert_allclose(images, [expected, expected], atol=3e-3)
    assert source.pixel_size([0, 1], 9.0).tolist() == [first[1], second[1]]
    assert source.box_size([0, 1]).tolist() == [first[0], second[0]]


def test_one_size_is_left_as_it_is(tmp_path):
    source = open_source(two_groups(tmp_path, (64, 3.0), (64, 3.0)))
    assert source.grid is None
    np.testing.assert_array_equal(source.images([0])[0], blobs(64, 3.0).astype(np.float32))


@settings(deadline=None)
@given(box=st.integers(16, 60), share=st.floats(0.3, 0.99))
def test_resampling_is_fourier_cropping_where_that_can_do_it(box, share):
    small = int(box * share) // 2 * 2
    image = np.random.default_rng(box).normal(size=(box, box)).astype(np.float32)
    matrix = resampling(box, small, box / small)
    np.testing.assert_allclose(matrix @ image @ matrix.T, crop(image[None], small)[0], atol=2e-5)


def test_results_do_not_depend_on_what_is_read_together(tmp_path):
    source = open_source(two_groups(tmp_path, (64, 3.0), (96, 2.0)))
    together = source.images([0, 1, 1, 0, 1])
    for row, number in enumerate([0, 1, 1, 0, 1]):
        assert together[row].tobytes() == source.images([number])[0].tobytes()


def test_constant_and_damaged_images_stay_so(tmp_path):
    path = two_groups(tmp_path, (64, 3.0), (96, 2.0))
    write_mrcs(tmp_path / "b.mrcs", [np.full((96, 96), 0.1)], 2.0, 1, 96)
    assert np.ptp(open_source(path).images([1])) == 0
    broken = blobs(96, 2.0)
    broken[0, 0] = np.nan
    write_mrcs(tmp_path / "b.mrcs", [broken], 2.0, 1, 96)
    assert np.isnan(open_source(path).images([1])).any()


def test_sizes_that_cannot_be_brought_together(tmp_path):
    path = two_groups(tmp_path, (64, 3.0), (96, 2.0), sizes=["3.0", "0"])
    with pytest.raises(UserError, match="pixel size of optics group b"):
        open_source(path)
    path = two_groups(tmp_path, (64, 3.0), (16, 0.1))
    with pytest.raises(UserError, match="too far apart"):
        open_source(path)


def test_particles_are_prepared_on_the_grid(tmp_path):
    """Both groups have noise on every ring up to Nyquist: none was padded or enlarged."""
    rng = np.random.default_rng(4)
    path = two_groups(tmp_path, (64, 3.0), (96, 2.0))
    for name, (box, apix) in (("a", (64, 3.0)), ("b", (96, 2.0))):
        write_mrcs(tmp_path / f"{name}.mrcs", rng.normal(size=(40, box, box)), apix, 40, box)
    images = [f"{n}@{name}.mrcs" for name in "ab" for n in range(1, 41)]
    blocks = read_star(path)
    blocks["particles"] = {"rlnImageName": images, "rlnOpticsGroup": ["1"] * 40 + ["2"] * 40}
    write_star(path, blocks)
    source = open_source(path)
    number, excluded = input_rows.select(source.n)
    prepare.write_piece(tmp_path / "0.h5", source, number, excluded, 64, 26)
    apix = optics.fill_apix(source, None)
    assert apix.tolist() == [3.0, 3.0]
    store = prepare.merge([tmp_path / "0.h5"], tmp_path / "all.h5", source, number, apix, None, "none")
    assert store.used.all() and (store.input_box, store.input_apix) == (64, 3.0)
    # white noise stays white below the coarser Nyquist frequency
    np.testing.assert_allclose(
        store.noise[:, 4:30] / store.noise[:, 4:30].mean(axis=1, keepdims=True), 1, atol=0.25
    )
