"""EMAN2 HDF: its own files, CTF headers, what is written where, damaged files."""

import math
import time

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refine2d.errors import UserError
from refine2d.stacks import hdf
from refine2d.stacks.opening import open_source


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ctf_string(defocus=2.0, dfdiff=0.0, dfang=0.0, ampcont=10.0, voltage=300.0, cs=2.7, apix=1.5):
    return f"E{defocus} {dfdiff} {dfang} 200 {ampcont} {voltage} {cs} {apix} 0.1 2,0.5,0.25 2,1.0,2.0"


def test_compressed_and_float_files_hold_the_same_images(shared):
    folder = shared / "formats" / "eman2"
    exact = hdf.read_hdf(folder / "particles_float.hdf")
    coded = open_source(folder / "particles_10bit.hdf").images(range(10))
    for image, code, header in zip(
        exact, coded, hdf.read_headers(folder / "particles_10bit.hdf"), strict=False
    ):
        low, high = header["stored_rendermin"], header["stored_rendermax"]
        half_step = (high - low) / (2 ** header["stored_renderbits"] - 1) / 2
        np.testing.assert_allclose(code, np.clip(image, low, high), atol=half_step * 1.001, rtol=0)
        assert np.count_nonzero((image < low) | (image > high)) <= header["stored_truncated"]


def test_hdf_and_mrc_of_the_same_images_agree(shared):
    folder = shared / "formats" / "eman2"
    one, two = open_source(folder / "particles_float.hdf"), open_source(folder / "particles.mrcs")
    np.testing.assert_array_equal(one.images([7, 0, 7]), two.images([7, 0, 7]))
    assert one.optics[0].apix == two.optics[0].apix == 3.0


def test_tables_and_headers_of_e2refine2d(shared):
    folder = shared / "formats" / "eman2" / "r2d_01"
    table = hdf.read_hdf(folder / "classmx_02.hdf")
    assert table.shape == (6, 400, 1)
    classes = {int(c): set(np.flatnonzero(table[0, :, 0] == c)) for c in np.unique(table[0])}
    for header in hdf.read_headers(folder / "classes_02.hdf"):
        kept, left = (np.atleast_1d(header.get(f"{x}class_ptcl_idxs", [])) for x in ("", "exc_"))
        assert {*kept, *left} in classes.values()
        assert header["class_ptcl_src"] == "particles.hdf"
        assert header["ptcl_repr"] == len(kept)
    with pytest.raises(UserError, match="1 x 400 pixels"):
        open_source(folder / "classmx_02.hdf")


@pytest.mark.parametrize("bits, dtype", [(4, np.uint8), (8, np.uint8), (10, np.uint16), (16, np.uint16)])
def test_codes_stand_for_grey_values_between_the_ends(tmp_path, bits, dtype):
    low, high = -3.0, 5.0
    hdf.write_hdf(tmp_path / "a.hdf", [np.zeros((2, 2))])
    with h5py.File(tmp_path / "a.hdf", "a") as file:
        group = file["MDF/images/0"]
        del group["image"]
        top = 2**bits - 1
        group["image"] = np.array([[0, top], [top // 3, 0]], dtype)
        header = {"stored_rendermin": low, "stored_rendermax": high, "stored_renderbits": bits}
        group.attrs.update({f"EMAN.{key}": value for key, value in header.items()})
    expected = [[low, high], [low + (high - low) * (top // 3) / top, low]]
    np.testing.assert_allclose(hdf.read_hdf(tmp_path / "a.hdf")[0], expected, rtol=1e-6)


@given(
    defocus=st.floats(0.1, 5), dfdiff=st.floats(-1, 1), dfang=st.floats(-180, 180), ampcont=st.floats(0, 100)
)
def test_the_defocus_has_the_same_profile_over_the_angle(defocus, dfdiff, dfang, ampcont):
    u, v, angle, phase, voltage, cs, ac, apix = hdf.parse_ctf(ctf_string(defocus, dfdiff, dfang, ampcont))
    for direction in np.radians([0, 20, 45, 90, 130]):
        eman2 = defocus + dfdiff / 2 * math.cos(2 * direction - 2 * math.radians(dfang))
        relion = ((u + v) + (u - v) * math.cos(2 * (direction - math.radians(angle)))) / 2
        assert relion == pytest.approx(eman2 * 1e4, abs=1e-6)
    assert (phase, voltage, cs, apix) == (0, 300, 2.7, 1.5)
    assert ac == pytest.approx(ampcont / 100)


@given(phase=st.floats(-math.pi, math.pi, exclude_min=True))
def test_any_phase_survives_the_amplitude_contrast(phase):
    """As EMAN2's set_phase: within a quarter turn sin, beyond it folded outwards past +-100 %."""
    if abs(phase) < math.pi / 2:
        ampcont = 100 * math.sin(phase)
    else:
        ampcont = 100 * (math.copysign(2, phase) - math.sin(phase))
    _, _, _, shift, _, _, ac, _ = hdf.parse_ctf(ctf_string(ampcont=ampcont))
    assert math.radians(shift) + math.asin(ac) == pytest.approx(phase, abs=1e-5)


def test_eman1_ctf():
    u, v, _, phase, voltage, cs, ac, apix = hdf.parse_ctf("O-1.5 50 1 0.1 0 0 0 0 200 2.0 1.8")
    assert (u, v, phase, voltage, cs, ac, apix) == (15000, 15000, 0, 200, 2, 0.1, 1.8)


def test_ctf_of_each_image(tmp_path):
    headers = [
        {"ctf": ctf_string(1.0, 0.2, 30.0, ampcont=10), "apix_x": 3.0},
        {"ctf": ctf_string(2.0, ampcont=91), "apix_x": 3.0},
        {"ctf": ctf_string(2.0, voltage=200), "apix_x": 3.0},
    ]
    hdf.write_hdf(tmp_path / "a.hdf", noise(3, 4, 4), headers)
    source = open_source(tmp_path / "a.hdf")
    np.testing.assert_allclose(source.ctf.defocus_u, [11000, 20000, 20000])
    np.testing.assert_allclose(source.ctf.defocus_v, [9000, 20000, 20000])
    np.testing.assert_allclose(source.ctf.angle, [30, 0, 0])
    kept = [(source.optics[g].voltage, source.optics[g].apix) for g in source.group]
    assert kept == [(300, 3), (300, 3), (200, 3)]
    assert {group.voltage: group.ac for group in source.optics} == {300: None, 200: 0.1}


def test_the_pixel_size_may_stand_in_the_ctf_alone(tmp_path):
    hdf.write_hdf(tmp_path / "a.hdf", noise(2, 4, 4), [{"ctf": ctf_string(apix=1.7)}] * 2)
    assert open_source(tmp_path / "a.hdf").optics[0].apix == 1.7


@pytest.mark.parametrize(
    ("header", "ctf", "taken", "said"),
    [
        (1.0, 7.0, 7.0, ""),  # EMAN2 writes 1 where it knows none
        (1.0, 0.0, 1.0, ""),
        (1.2345, 1.234, 1.2345, ""),
        (2.0, 4.0, 2.0, "a.hdf: image 0 has 2 A a pixel in its header, which is taken, but 4 in its CTF"),
    ],
)
def test_a_pixel_size_that_the_ctf_contradicts(tmp_path, caplog, header, ctf, taken, said):
    headers = [{"ctf": ctf_string(apix=ctf), "apix_x": header}] * 2
    hdf.write_hdf(tmp_path / "a.hdf", noise(2, 4, 4), headers)
    assert open_source(tmp_path / "a.hdf").optics[0].apix == taken
    assert said in caplog.text and bool(said) == bool(caplog.text)


@pytest.mark.parametrize(
    "ctf", ["E1 2", "X1 2 3 4 5 6 7 8", "", "Enan 0 0 0 10 300 2.7 1", "E1 0 0 0 400 300 2.7 1"]
)
def test_a_ctf_that_cannot_be_read(tmp_path, ctf):
    hdf.write_hdf(tmp_path / "a.hdf", noise(1, 4, 4), [{"ctf": ctf}])
    with pytest.raises(UserError, match="CTF header"):
        open_source(tmp_path / "a.hdf")


def test_inputs_that_do_not_fit_together(tmp_path):
    cases = {
        "image 1 has no CTF": (noise(2, 4, 4), [{"ctf": ctf_string()}, {}]),
        "image 1 is not 4 x 4": ([noise(4, 4), noise(5, 5)], None),
        "3 x 4 pixels": ([noise(4, 3)], None),
    }
    for sentence, (images, headers) in cases.items():
        hdf.write_hdf(tmp_path / "a.hdf", images, headers)
        with pytest.raises(UserError, match=sentence):
            open_source(tmp_path / "a.hdf").images([0, 1])


def test_damaged_and_foreign_files(tmp_path):
    path = tmp_path / "a.hdf"
    hdf.write_hdf(path, noise(3, 8, 8))
    whole = path.read_bytes()
    for size in (1, 100, len(whole) // 2, len(whole) - 26):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError):
            open_source(path)
    with h5py.File(path, "w") as file:
        file["data"] = 1
    with pytest.raises(UserError, match="EMAN2's layout"):
        open_source(path)
    hdf.write_hdf(path, noise(3, 8, 8))
    with h5py.File(path, "a") as file:
        del file["MDF/images/1"]
    with pytest.raises(UserError, match="no image 1"):
        open_source(path)
    with h5py.File(path, "w") as file:
        file["MDF/images/0/image"] = noise(3, 4, 4)
    with pytest.raises(UserError, match="volumes"):
        open_source(path)
    with pytest.raises(UserError, match="holds no images"):
        hdf.write_hdf(path, [])
        open_source(path)
    with pytest.raises(UserError, match="not there"):
        hdf.read_hdf(tmp_path / "b.hdf")


# No NUL, which ends a string, and no lone surrogates, which are no text.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
VALUES = st.one_of(
    st.integers(-(2**31), 2**31 - 1),
    st.booleans(),
    st.floats(allow_nan=False),
    TEXT,
    st.lists(st.integers(-(2**31), 2**31 - 1), min_size=2, max_size=9),
    st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=9),
)


@given(header=st.dictionaries(st.text("abc_XYZ", min_size=1, max_size=9), VALUES, max_size=5))
def test_headers_read_back(tmp_path_factory, header):
    path = tmp_path_factory.mktemp("hdf") / "a.hdf"
    hdf.write_hdf(path, [noise(2, 3)], [header])
    (read,) = hdf.read_headers(path)
    assert (read["nx"], read["ny"], read["nz"]) == (3, 2, 1)
    for key, value in header.items():
        np.testing.assert_array_equal(read[key], value)
    assert hdf.read_headers(path, ()) == [{}]
    wanted = {*list(header)[::2], "nx"}
    (some,) = hdf.read_headers(path, [*wanted, "none of them"])
    assert some.keys() == wanted
    for key in some:
        np.testing.assert_array_equal(some[key], read[key])


@given(
    shapes=st.lists(st.tuples(st.integers(1, 7), st.integers(1, 7)), min_size=1, max_size=4),
    seed=st.integers(0, 9),
)
def test_images_read_back(tmp_path_factory, shapes, seed):
    path = tmp_path_factory.mktemp("hdf") / "a.hdf"
    images = [noise(*shape, seed=seed) for shape in shapes]
    hdf.write_hdf(path, images)
    for number, image in enumerate(images):
        np.testing.assert_array_equal(hdf.read_hdf(path, [number])[0], image)


def test_attributes_have_the_types_that_eman2_reads(tmp_path):
    header = {
        "int": 3,
        "bool": True,
        "int64": np.int64(7),
        "double": 0.1,
        "single": np.float32(0.1),
        "text": "particles.hdf",
        "ints": list(range(100_000)),
        "floats": np.linspace(0, 1, 5),
    }
    hdf.write_hdf(tmp_path / "a.hdf", noise(1, 4, 4), [header])
    with h5py.File(tmp_path / "a.hdf") as file:
        assert file["MDF/images"].attrs["imageid_max"].tolist() == [0]
        assert file["MDF/images"].attrs["imageid_max"].dtype == np.int32
        attributes = file["MDF/images/0"].attrs
        ids = {key.removeprefix("EMAN."): attributes.get_id(key) for key in attributes}
        stored = {key: (item.dtype, item.shape) for key, item in ids.items() if key != "text"}
        text = ids["text"].get_type()
        assert file["MDF/images/0/image"].dtype == np.float32
    assert {key: stored[key] for key in header if key != "text"} == {
        "int": (np.int32, (1,)),
        "bool": (np.int32, (1,)),
        "int64": (np.int32, (1,)),
        "double": (np.float64, (1,)),
        "single": (np.float32, (1,)),
        "ints": (np.int32, (100_000,)),
        "floats": (np.float32, (5,)),
    }
    assert text.get_size() == len("particles.hdf") + 1
    assert text.get_strpad() == h5py.h5t.STR_NULLTERM and not text.is_variable_str()


@pytest.mark.parametrize("value", [2**31, [2**40], {"a": 1}, [[1, 2], [3, 4]], 1j, None])
def test_headers_that_eman2_cannot_hold(tmp_path, value):
    with pytest.raises((TypeError, ValueError)):
        hdf.write_hdf(tmp_path / "a.hdf", noise(1, 4, 4), [{"key": value}])
    assert list(tmp_path.iterdir()) == []


def test_a_table_filled_by_slices(tmp_path):
    with hdf.HdfWriter(tmp_path / "a.hdf") as writer:
        writer.add(np.eye(3))
        table = writer.create((1000, 7), {"projection_file": "aliref_02.hdf"}, fill=1e24)
        table[10:12] = [[1] * 7, [2] * 7]
    read = hdf.read_hdf(tmp_path / "a.hdf", [1])[0]
    assert read.shape == (1000, 7)
    assert read[10:12].tolist() == [[1] * 7, [2] * 7]
    assert (np.delete(read, [10, 11], axis=0) == np.float32(1e24)).all()
    assert hdf.read_headers(tmp_path / "a.hdf")[1]["projection_file"] == "aliref_02.hdf"


def test_the_same_bytes_a_second_later(tmp_path):
    for name in "ab":
        with hdf.HdfWriter(tmp_path / f"{name}.hdf") as writer:
            writer.add(noise(5, 5), {"apix_x": 1.5, "class_ptcl_src": "particles.lst", "idxs": [1, 2]})
            writer.create((100, 100))[:] = noise(100, 100)
        time.sleep(1.1)  # HDF5 counts its times in seconds
    assert (tmp_path / "a.hdf").read_bytes() == (tmp_path / "b.hdf").read_bytes()
