"""Subsets come in the format of their input, with every column, header and pixel as it was."""

import bz2
import gzip
import os
import shutil

import h5py
import numpy as np
import pytest
import zarr

from refine2d.errors import UserError
from refine2d.stacks import cs, lst, records
from refine2d.stacks.hdf import read_headers
from refine2d.stacks.opening import open_source
from refine2d.stacks.star_text import read_star
from refine2d.subset import ending, write_subset

CHOSEN = [0, 3, 4]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BATCH", 2)  # three records are two batches
    monkeypatch.setattr(cs, "BATCH", 2)
    monkeypatch.setenv("REFINE2D_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def subset(path, numbers=CHOSEN, to="out/sub", project="."):
    """The input and its subset, both opened; their images agree."""
    source = open_source(path, project)
    os.makedirs(os.path.dirname(to), exist_ok=True)
    to += ending(path)
    write_subset(source, numbers, to)
    found = open_source(to, project)
    np.testing.assert_array_equal(found.images(range(found.n)), source.images(numbers))
    assert found.n == len(numbers)
    given = [*reversed(numbers), *numbers]  # each is written once, in the input's order
    again = to.replace("sub", "again", 1)
    write_subset(source, given, again)
    np.testing.assert_array_equal(open_source(again, project).images(range(found.n)), source.images(numbers))
    return source, found


@pytest.mark.parametrize("name", ["particles.mrcs", "particles.hed", "particles.img", "particles.spi"])
def test_stacks_of_eman2(shared, name):
    source, found = subset(str(shared / "formats/eman2" / name))
    assert found.optics == source.optics


@pytest.mark.parametrize("name", ["particles.mrcs", "particles.hed", "particles.spi"])
def test_the_whole_of_a_stack_has_the_same_pixels_and_headers(shared, name):
    """What is counted anew aside: MRC's statistics (bytes 76-87, 216-219)."""
    path = shared / "formats/eman2" / name
    _, found = subset(str(path), range(10))
    for before, after in zip(open_source(path).files(), found.files(), strict=True):
        before, after = (np.fromfile(file, np.uint8) for file in (before, after))
        differ = set(np.flatnonzero(before != after).tolist())
        assert differ <= ({*range(76, 88), *range(216, 220)} if name.endswith("mrcs") else set())


@pytest.mark.parametrize("name", ["particles_10bit", "particles_float"])
def test_eman2_hdf_keeps_all_attributes_and_the_stored_pixels(shared, name):
    source, found = subset(str(shared / f"formats/eman2/{name}.hdf"))
    before, after = read_headers(source.path), read_headers(found.path)
    for number, header in zip(CHOSEN, after, strict=True):
        assert header.keys() == before[number].keys()
        assert all(np.array_equal(header[key], before[number][key]) for key in header)
    with h5py.File(source.path) as old, h5py.File(found.path) as new:
        for place, number in enumerate(CHOSEN):
            one, two = (file[f"MDF/images/{n}/image"] for file, n in ((old, number), (new, place)))
            assert (one.dtype, one.compression) == (two.dtype, two.compression)
            np.testing.assert_array_equal(one[()], two[()])


@pytest.mark.parametrize("name", ["empiar_10076_7", "relion31"])
def test_star_rows_keep_all_columns(shared, name):
    source, found = subset(str(shared / f"formats/relion/{name}.star"))
    before, after = read_star(source.path), read_star(found.path)
    assert list(after) == list(before)
    (block,) = (key for key, table in before.items() if "rlnImageName" in table)
    for label, column in before[block].items():
        if label != "rlnImageName":
            assert after[block][label].tolist() == column[CHOSEN].tolist()
    rest = {
        key: {label: list(values) for label, values in before[key].items()} for key in before if key != block
    }
    assert rest == {key: {label: list(values) for label, values in after[key].items()} for key in rest}


def test_names_stay_where_they_still_mean_the_same_file(shared, folder):
    for file in ("empiar_10076_7.star", "empiar_10076_7.mrc"):
        shutil.copy(shared / "formats/relion" / file, folder)
    _, found = subset("empiar_10076_7.star", to="out/deep/sub")
    assert read_star(found.path)[""]["rlnImageName"].tolist() == [
        f"{n + 1}@empiar_10076_7.mrc" for n in CHOSEN
    ]
    os.makedirs("there")
    for file in ("empiar_10076_7.star", "empiar_10076_7.mrc"):
        shutil.move(file, "there")
    _, found = subset("there/empiar_10076_7.star")
    assert read_star(found.path)[""]["rlnImageName"].tolist() == [
        f"{n + 1}@there/empiar_10076_7.mrc" for n in CHOSEN
    ]


def test_cs_rows_are_the_same_bytes(shared, folder):
    shutil.copy(shared / "formats/cryosparc/empiar_10076_7.cs", folder)
    shutil.copy(shared / "formats/relion/empiar_10076_7.mrc", folder)
    source, found = subset("empiar_10076_7.cs")
    assert found.table[:].dtype == source.table[:].dtype
    assert found.table[:].tobytes() == source.table[CHOSEN].tobytes()


def test_cs_names_change_where_they_must(shared, folder):
    os.makedirs("there")
    shutil.copy(shared / "formats/cryosparc/empiar_10076_7.cs", "there")
    shutil.copy(shared / "formats/relion/empiar_10076_7.mrc", "there")
    source, found = subset("there/empiar_10076_7.cs")
    assert set(found.table[:]["blob/path"].tolist()) == {b"there/empiar_10076_7.mrc"}
    assert found.table[:]["uid"].tolist() == source.table[CHOSEN]["uid"].tolist()
    assert found.table.names == source.table.names


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
def test_cs_fields_of_any_kind_and_name(shared, folder):
    shutil.copy(shared / "formats/relion/empiar_10076_7.mrc", folder)
    known = np.load(shared / "formats/cryosparc/empiar_10076_7.cs")
    more = [("名前", "f4"), ("when", "M8[s]")]
    rows = np.zeros(len(known), known.dtype.descr + more)
    for name in known.dtype.names:
        rows[name] = known[name]
    rows["名前"], rows["when"] = np.arange(len(rows)), np.arange(len(rows)).astype("M8[s]")
    with open("a.cs", "wb") as file:
        np.save(file, rows)
    _, found = subset("a.cs")
    assert found.table[:].tobytes() == rows[CHOSEN].tobytes()


def test_a_cs_file_that_was_replaced_by_a_shorter_one(shared, folder):
    shutil.copy(shared / "formats/cryosparc/empiar_10076_7.cs", "a.cs")
    shutil.copy(shared / "formats/relion/empiar_10076_7.mrc", folder)
    source = open_source("a.cs")
    fewer = source.table[:3]
    with open("a.cs", "wb") as file:
        np.save(file, fewer)
    with pytest.raises(UserError, match=r"a\.cs has changed: it lists 3 particles, not"):
        write_subset(source, CHOSEN, "b.cs")


@pytest.mark.parametrize("kind, pixels", [("PACK", "u1"), ("INTG", "i2"), ("REAL", "f4")])
@pytest.mark.parametrize("order", "<>")
def test_imagic_stacks_of_either_byte_order(folder, kind, pixels, order):
    words = np.zeros((5, 256), order + "i4")
    words[:, 0], words[0, 1], words[:, 12:14], words[:, 60] = np.arange(1, 6), 4, 8, 1
    headers = bytearray(words.tobytes())
    for image in range(5):
        headers[1024 * image + 56 : 1024 * image + 60] = kind.encode()
    (folder / "a.hed").write_bytes(headers)
    np.arange(5 * 64).reshape(5, 8, 8).astype(order + pixels).tofile("a.img")
    subset("a.hed")


def test_lists_keep_what_follows_the_file(shared, folder):
    shutil.copy(shared / "formats/eman2/particles.mrcs", folder)
    (folder / "a.lst").write_text("".join(f'{n}\tparticles.mrcs\t{{"n": {n}}}\n' for n in range(5)))
    _, found = subset("a.lst")
    assert list(lst.read_lst(found.path)) == [lst.Entry(n, "particles.mrcs", f'{{"n": {n}}}') for n in CHOSEN]


def test_a_list_that_was_replaced_by_a_shorter_one(shared, folder):
    shutil.copy(shared / "formats/eman2/particles.mrcs", folder)
    lines = [f"{n}\tparticles.mrcs\n" for n in range(5)]
    (folder / "a.lst").write_text("".join(lines))
    source = open_source("a.lst")
    (folder / "a.lst").write_text("".join(lines[:4]))
    with pytest.raises(UserError, match=r"a\.lst has changed: it lists fewer than 5 images"):
        write_subset(source, CHOSEN, "b.lst")


@pytest.mark.parametrize("kind", ["npy", "zarr", "mrcs.gz", "mrc.bz2"])
def test_arrays_and_compressed_stacks(shared, folder, kind):
    path = shared / "formats/eman2/particles.mrcs"
    images = open_source(path).images(range(10))
    if kind == "npy":
        np.save("a.npy", images.astype(">f8"))
    elif kind == "zarr":
        zarr.create_array("a.zarr", data=images, chunks=(2, 64, 64), attributes={"who": "me"})
    else:
        opener = gzip if kind.endswith("gz") else bz2
        (folder / f"a.{kind}").write_bytes(opener.compress(path.read_bytes()))
    _, found = subset(f"a.{kind}")
    if kind == "npy":
        assert np.load(found.path).dtype == ">f8"
    if kind == "zarr":
        array = zarr.open_array(found.path)
        assert array.chunks == (2, 64, 64) and dict(array.attrs) == {"who": "me"}
    if kind == "mrcs.gz":
        assert found.optics[0].apix == 3.0


@pytest.mark.parametrize(
    ("numbers", "name", "sentence"),
    [([0], "a.star", "the ending .mrcs"), ([], "a.mrcs", "no particles"), ([10], "a.mrcs", "no image 10")],
)
def test_what_is_refused(shared, numbers, name, sentence):
    source = open_source(shared / "formats/eman2/particles.mrcs")
    with pytest.raises(UserError, match=sentence):
        write_subset(source, numbers, name)
    assert not os.path.exists(name)


def test_the_input_is_never_overwritten(shared, folder):
    shutil.copy(shared / "formats/eman2/particles.mrcs", folder)
    with pytest.raises(UserError, match="the input itself"):
        write_subset(open_source("particles.mrcs"), [0], "./particles.mrcs")
