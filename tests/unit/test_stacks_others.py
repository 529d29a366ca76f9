"""IMAGIC, SPIDER, NPY, Zarr and compressed MRC: EMAN2's own files, planted and random damage."""

import bz2
import gzip
import json
import os
import pickle
import shutil

import numpy as np
import pytest
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refine2d.errors import UserError
from refine2d.stacks import compressed
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.opening import open_source

EMAN2 = ("particles.hed", "particles.img", "particles.spi", "particles_float.hdf")


def noise(n, box, seed=0):
    return np.random.default_rng(seed).normal(size=(n, box, box)).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """No cache in the folder that the tests are started from."""
    monkeypatch.setenv("REFINE2D_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def make_zarr(path, images, chunks=2, **options):
    zarr.create_array(str(path), data=images, chunks=(chunks, *images.shape[1:]), **options)
    return path


# ---- the same images in each format ----


@pytest.mark.parametrize("name", EMAN2)
def test_emans_files_hold_the_same_images(shared, name):
    folder = shared / "formats" / "eman2"
    expected = open_source(folder / "particles.mrcs").images(range(10))
    source = open_source(folder / name)
    assert (source.n, source.box) == (10, 64)
    np.testing.assert_array_equal(source.images(range(10)), expected)
    np.testing.assert_array_equal(source.images([7, 2, 2]), expected[[7, 2, 2]])


def test_an_imagic_stack_consists_of_two_files(shared):
    source = open_source(shared / "formats" / "eman2" / "particles.img")
    assert [os.path.basename(file) for file in source.files()] == ["particles.img", "particles.hed"]


@pytest.mark.parametrize("dtype", ["f4", ">f4", "f8", "i2", "u1"])
def test_npy(tmp_path, dtype):
    images = (10 * noise(5, 6)).astype(dtype)
    np.save(tmp_path / "a.npy", images)
    source = open_source(tmp_path / "a.npy")
    assert (source.n, source.box, source.optics[0].apix, source.ctf) == (5, 6, None, None)
    np.testing.assert_array_equal(source.images([4, 0]), images[[4, 0]].astype(np.float32))


@pytest.mark.parametrize("version", [2, 3])
def test_zarr(tmp_path, version):
    images = noise(5, 6)
    source = open_source(make_zarr(tmp_path / "a.zarr", images, zarr_format=version))
    assert (source.n, source.box) == (5, 6)
    np.testing.assert_array_equal(source.images([4, 0, 0, 3]), images[[4, 0, 0, 3]])


@pytest.mark.parametrize("opener", [gzip, bz2])
def test_a_compressed_stack_is_unpacked_once(tmp_path, cache, opener):
    images = noise(9, 8)
    write_mrcs(tmp_path / "a.mrcs", images, 2.5, 9, 8)
    ending = {gzip: "gz", bz2: "bz2"}[opener]
    path = tmp_path / f"a.mrcs.{ending}"
    path.write_bytes(opener.compress((tmp_path / "a.mrcs").read_bytes()))
    source = open_source(path)
    np.testing.assert_array_equal(source.images([8, 1]), images[[8, 1]])
    assert source.optics[0].apix == 2.5
    assert source.locations([0])[1][0] == str(path) and source.files() == [str(path)]
    (unpacked,) = cache.iterdir()
    before = unpacked.stat().st_ino
    open_source(path)
    assert [file.stat().st_ino for file in cache.iterdir()] == [before]
    path.write_bytes(opener.compress((tmp_path / "a.mrcs").read_bytes() + b"x"))
    with pytest.raises(UserError, match="more than the 9 images"):
        open_source(path)


def test_compressing_twice_gives_the_same_bytes(tmp_path):
    (tmp_path / "plain").write_bytes(bytes(range(256)) * 99)
    for ending in ("gz", "bz2"):
        for name in "ab":
            compressed.compress(str(tmp_path / f"{name}.{ending}"), str(tmp_path / "plain"))
        packed = [(tmp_path / f"{name}.{ending}").read_bytes() for name in "ab"]
        assert packed[0] == packed[1]
        assert {"gz": gzip, "bz2": bz2}[ending].decompress(packed[0]) == (tmp_path / "plain").read_bytes()


# ---- wrong files ----


def test_a_bomb_is_stopped_at_the_size_that_the_header_says(tmp_path, cache):
    write_mrcs(tmp_path / "a.mrcs", noise(1, 8), 1.0, 1, 8)
    path = tmp_path / "a.mrcs.gz"
    path.write_bytes(gzip.compress((tmp_path / "a.mrcs").read_bytes() + bytes(50_000_000)))
    with pytest.raises(UserError, match="more than the 1 images"):
        open_source(path)
    assert list(cache.iterdir()) == []


def test_a_stack_larger_than_the_disk_is_refused(tmp_path):
    header = np.zeros(256, "<i4")
    header[:4] = 8000, 8000, 2**30, 2
    (tmp_path / "a.mrcs.gz").write_bytes(gzip.compress(header.tobytes()))
    with pytest.raises(UserError, match="free: name a larger disk"):
        open_source(tmp_path / "a.mrcs.gz")


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((4, 4)), "not a stack"),
        (np.zeros((2, 4, 4), complex), "not a stack"),
        (np.zeros((2, 4, 5), "f4"), "square"),
        (np.zeros((0, 4, 4), "f4"), "no images"),
        (np.zeros((1, 1, 10_000), "f4"), "square"),
    ],
)
def test_arrays_that_are_no_stacks(tmp_path, array, sentence):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(UserError, match=sentence):
        open_source(tmp_path / "a.npy")


class Bomb:
    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("ending", ["npy", "cs"])
@pytest.mark.parametrize("how", ["pickle", "objects", "npz"])
def test_pickles_are_never_run(tmp_path, ending, how):
    bomb = Bomb()
    bomb.path = tmp_path / "exploded"
    path = tmp_path / f"a.{ending}"
    with open(path, "wb") as file:
        if how == "pickle":
            pickle.dump(bomb, file)
        elif how == "objects":
            np.save(file, np.array([bomb], object), allow_pickle=True)
        else:
            np.savez(file, a=np.array([bomb], object))
    with pytest.raises(UserError, match=r"a\."):
        open_source(path)
    assert not bomb.path.exists()


def test_huge_npy_headers_are_refused(tmp_path):
    for shape in ("(1000000000, 1000000000, 1000000000)", "(1, 8192, 8192)", "(-1, 4, 4)"):
        header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
        (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        with pytest.raises(UserError):
            open_source(tmp_path / "a.npy")


def test_zarr_that_would_run_code_or_fill_memory_is_refused(tmp_path):
    path = make_zarr(tmp_path / "a.zarr", noise(2, 4), zarr_format=2)
    metadata = json.loads((path / ".zarray").read_text())
    for change, sentence in (
        ({"filters": [{"id": "pickle"}]}, "stored with pickle"),
        ({"chunks": [1000, 8000, 8000], "shape": [1000, 8000, 8000]}, "too large"),
        ({"shape": [2, 4]}, "a.zarr"),
        ({"dtype": "|O"}, "a.zarr"),
    ):
        (path / ".zarray").write_text(json.dumps(metadata | change))
        with pytest.raises(UserError, match=sentence):
            open_source(path)
    (path / ".zarray").unlink()
    with pytest.raises(UserError, match="neither"):
        open_source(path)


def test_half_of_an_imagic_pair(shared, tmp_path):
    shutil.copy(shared / "formats/eman2/particles.hed", tmp_path)
    with pytest.raises(UserError, match=r"particles.img is not there"):
        open_source(tmp_path / "particles.hed")


def test_headers_that_promise_more_than_there_is(shared, tmp_path):
    folder = shared / "formats" / "eman2"
    for name, cut in (("particles.spi", "particles.spi"), ("particles.hed", "particles.img")):
        for file in ("particles.spi", "particles.hed", "particles.img"):
            (tmp_path / file).unlink(missing_ok=True)
            shutil.copyfile(folder / file, tmp_path / file)
        os.truncate(tmp_path / cut, 9 * 64 * 64 * 4)
        with pytest.raises(UserError, match="cut short: its header says 10 images"):
            open_source(tmp_path / name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=2500),
    ending=st.sampled_from(["spi", "npy", "cs", "lst", "mrc.gz", "mrcs.bz2"]),
)
def test_garbage_gives_a_sentence(tmp_path_factory, content, ending):
    path = tmp_path_factory.mktemp("garbage") / f"x.{ending}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\."):
        open_source(path)


REAL = (
    "eman2/particles.hed",
    "eman2/particles.spi",
    "eman2/particles.mrcs",
    "eman2/particles_float.hdf",
    "cryosparc/empiar_10076_7.cs",
)


@pytest.mark.parametrize("name", REAL)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_and_cuts_of_real_files_are_read_or_refused(shared, tmp_path, name, data):
    """Most changes are made to the first 2 KiB, where headers lie."""
    whole = bytearray((shared / "formats" / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(
            st.one_of(st.integers(0, min(2047, len(whole) - 1)), st.integers(0, len(whole) - 1))
        )
        whole[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(1, len(whole))))
    path = tmp_path / os.path.basename(name)
    for other, target in (
        ("eman2/particles.img", "particles.img"),
        ("relion/empiar_10076_7.mrc", "empiar_10076_7.mrc"),
    ):
        if not (tmp_path / target).exists():
            (tmp_path / target).symlink_to(shared / "formats" / other)
    path.write_bytes(whole[:cut])
    try:
        source = open_source(path)
        images = source.images([0, source.n - 1])
    except UserError as error:
        assert os.path.basename(name).split(".")[0] in str(error)
    else:
        assert images.shape == (2, source.box, source.box)
