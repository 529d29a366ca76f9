"""MRC stacks: every mode and byte order, headers with quirks, damaged files, the writer."""

import io
import warnings

import mrcfile
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mrcfile.dtypes import HEADER_DTYPE

from refine2d.errors import UserError
from refine2d.stacks import mrc
from refine2d.stacks.opening import open_source

RANGES = {0: (-128, 127), 1: (-(2**15), 2**15 - 1), 2: (-9, 9), 6: (0, 2**16 - 1), 12: (-9, 9)}


def raw_mrc(path, images, mode=2, order="<", extended=b"", **fields):
    """An MRC file put together by hand, with any header fields."""
    header = np.zeros((), HEADER_DTYPE.newbyteorder(order))
    header["nz"], header["ny"], header["nx"] = images.shape
    header["mode"], header["nsymbt"] = mode, len(extended)
    for name, value in fields.items():
        header[name] = value
    dtype = np.dtype(mrc.MODES.get(mode, "c8")).newbyteorder(order)
    path.write_bytes(header.tobytes() + extended + images.astype(dtype).tobytes())
    return str(path)


def noise(n, box, seed=0):
    return np.random.default_rng(seed).normal(size=(n, box, box)).astype(np.float32)


@given(
    mode=st.sampled_from(sorted(RANGES)),
    order=st.sampled_from("<>"),
    n=st.integers(1, 4),
    box=st.integers(1, 9),
    extended=st.integers(0, 300),
    stamp=st.booleans(),
    data=st.data(),
)
def test_every_mode_and_byte_order_reads_back(tmp_path_factory, mode, order, n, box, extended, stamp, data):
    low, high = RANGES[mode]
    seed = data.draw(st.integers(0, 99))
    images = np.random.default_rng(seed).uniform(low, high, (n, box, box)).astype(mrc.MODES[mode])
    machine = ((0x44, 0x44, 0, 0) if order == "<" else (0x11, 0x11, 0, 0)) if stamp else (0, 0, 0, 0)
    path = tmp_path_factory.mktemp("mrc") / "x.mrcs"
    source = open_source(raw_mrc(path, images, mode, order, b"x" * extended, machst=machine))
    numbers = data.draw(st.lists(st.integers(0, n - 1), max_size=6))
    read = source.images(numbers)
    assert (source.n, source.box, read.dtype) == (n, box, np.float32)
    np.testing.assert_array_equal(read, images[numbers].astype(np.float32))


def test_mrcfile_agrees(tmp_path):
    images = noise(3, 5)
    with mrcfile.new(tmp_path / "a.mrcs") as file:
        file.set_data(images)
        file.set_image_stack()
        file.voxel_size = 2.5
    source = open_source(tmp_path / "a.mrcs")
    np.testing.assert_array_equal(source.images([2, 0]), images[[2, 0]])
    assert source.optics[0].apix == 2.5


@pytest.mark.parametrize("fields", [{"mz": 1}, {"mz": 4}, {"ispg": 1, "mz": 4}, {"ispg": 0, "mz": 0}])
@pytest.mark.parametrize("ending", [".mrc", ".mrcs", ".st", ".MRCS"])
def test_what_programs_write_to_a_stacks_header_does_not_matter(tmp_path, fields, ending):
    images = noise(4, 6)
    path = raw_mrc(tmp_path / f"a{ending}", images, **fields)
    np.testing.assert_array_equal(open_source(path).images(range(4)), images)


def test_imod_bytes_are_unsigned_unless_flagged(tmp_path):
    images = np.arange(256).reshape(1, 16, 16)
    for flags, expected in ((0, images), (1, images.astype(np.int8))):
        stamp = bytes(40) + np.array([mrc.IMOD_STAMP, flags], "<i4").tobytes() + bytes(36)
        path = raw_mrc(tmp_path / "a.st", images, mode=0, extra2=np.void(stamp))
        np.testing.assert_array_equal(open_source(path).images([0]), expected)


def test_no_pixel_size_is_none(tmp_path):
    assert open_source(raw_mrc(tmp_path / "a.mrcs", noise(1, 4))).optics[0].apix is None
    path = raw_mrc(tmp_path / "b.mrcs", noise(1, 4), mx=4, cella=(5, 5, 5))
    assert open_source(path).optics[0].apix == 1.25


def test_real_files(shared):
    formats = shared / "formats"
    source = open_source(formats / "eman2" / "particles.mrcs")
    assert (source.n, source.box, source.optics[0].apix, source.ctf) == (10, 64, 3.0, None)
    source = open_source(formats / "relion" / "empiar_10076_7.mrc")
    assert (source.n, source.box) == (7, 320)
    path = formats / "relion" / "relion31.mrcs"
    with warnings.catch_warnings(action="ignore"), mrcfile.open(path, permissive=True) as file:
        np.testing.assert_array_equal(open_source(path).images([3]), file.data[[3]])


def test_wrong_files_are_refused_with_a_sentence(tmp_path):
    images = noise(4, 4)
    cases = {
        "cut short": raw_mrc(tmp_path / "short.mrcs", images, nz=5),
        "Fourier": raw_mrc(tmp_path / "complex.mrcs", images, mode=4),
        "mode 101": raw_mrc(tmp_path / "mode.mrcs", images, mode=101),
        "square": raw_mrc(tmp_path / "square.mrcs", images[:, :, :3]),
        "volume by": raw_mrc(tmp_path / "volume.mrc", images, ispg=1, mz=4),
        "stack of volumes": raw_mrc(tmp_path / "volumes.mrcs", images, ispg=401, mz=2),
        "no sense": raw_mrc(tmp_path / "negative.mrcs", images, nx=-4),
        "extended": raw_mrc(tmp_path / "extended.mrcs", images, nsymbt=-7),
    }
    cases["no sense"], extended = cases["no sense"], cases.pop("extended")
    for sentence, path in [*cases.items(), ("no sense", extended)]:
        with pytest.raises(UserError, match=sentence) as caught:
            open_source(path)
        assert path in str(caught.value)


@pytest.mark.parametrize("number", [-1, 4, 10**9])
def test_a_number_outside_is_refused(tmp_path, number):
    with pytest.raises(UserError, match=f"no image {number}"):
        open_source(raw_mrc(tmp_path / "a.mrcs", noise(4, 4))).images([0, number])


@given(
    content=st.binary(max_size=1500), ending=st.sampled_from([".mrc", ".mrcs", ".st", ".hdf", ".h5", ".star"])
)
def test_garbage_gives_a_sentence(tmp_path_factory, content, ending):
    path = tmp_path_factory.mktemp("garbage") / f"x{ending}"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\."):
        open_source(path)


@given(cut=st.integers(0, 1024 + 3 * 36 * 4 - 1))
def test_a_truncated_file_gives_a_sentence(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("cut") / "x.mrcs"
    mrc.write_mrcs(path, noise(3, 6), 1.0, 3, 6)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(UserError):
        open_source(path)


def test_a_file_that_changed_since_it_was_opened(tmp_path):
    path = tmp_path / "a.mrcs"
    source = open_source(raw_mrc(path, noise(4, 4)))
    path.write_bytes(path.read_bytes()[:1100])
    with pytest.raises(UserError, match="no longer"):
        source.images([0])
    path.unlink()
    with pytest.raises(UserError, match="no longer"):
        source.images([0])


def test_unknown_missing_and_empty_inputs(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"x")
    (tmp_path / "a.mrcs").write_bytes(b"")
    (tmp_path / "folder.star").mkdir()
    for name, sentence in [
        ("a.tif", r"unknown ending; known are .*\.mrcs.*\.star"),
        ("b.mrcs", "not there"),
        ("folder.star", "not there"),
        ("a.mrcs", "empty"),
    ]:
        with pytest.raises(UserError, match=sentence):
            open_source(tmp_path / name)


@given(n=st.integers(1, 5), box=st.integers(1, 12), apix=st.one_of(st.none(), st.floats(0.5, 9)))
def test_written_stacks_read_back(tmp_path_factory, n, box, apix):
    path = tmp_path_factory.mktemp("out") / "x.mrcs"
    images = noise(n, box, seed=n)
    mrc.write_mrcs(path, iter(images), apix, n, box)
    source = open_source(path)
    np.testing.assert_array_equal(source.images(range(n)), images)
    assert source.optics[0].apix == (None if apix is None else pytest.approx(apix, abs=1e-5))
    assert mrcfile.validate(path, print_file=io.StringIO())
    np.testing.assert_array_equal(mrcfile.read(path).reshape(images.shape), images)


def test_writing_twice_gives_the_same_bytes_and_failing_gives_no_file(tmp_path):
    for name in "ab":
        mrc.write_mrcs(tmp_path / f"{name}.mrcs", noise(3, 8), 2.0, 3, 8)
    assert (tmp_path / "a.mrcs").read_bytes() == (tmp_path / "b.mrcs").read_bytes()
    for images in (noise(2, 8), noise(3, 7)):
        with pytest.raises(ValueError):
            mrc.write_mrcs(tmp_path / "c.mrcs", images, 2.0, 3, 8)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mrcs", "b.mrcs"]
