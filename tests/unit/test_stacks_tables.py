"""cryoSPARC's .cs and EMAN2's .lst: what they name, how it is read, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refine2d.errors import UserError
from refine2d.stacks import cs, hdf, lst, records
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.opening import open_source

N = 3
FIELDS = {
    "uid": np.arange(N, dtype="u8") + 2**63,
    "blob/path": np.array([b">J1/imported/a.mrcs", b"b.mrcs", b">J1/imported/a.mrcs"]),
    "blob/idx": np.array([1, 0, 2], "u4"),
    "blob/psize_A": np.full(N, 1.5, "f4"),
    "blob/sign": np.array([-1, 1, -1], "f4"),
    "ctf/exp_group_id": np.array([23, 4, 23], "u4"),
    "ctf/df1_A": np.array([11000, 12000, 13000], "f4"),
    "ctf/df2_A": np.array([10000, 11000, 12000], "f4"),
    "ctf/df_angle_rad": np.array([0, np.pi / 2, -np.pi / 4], "f4"),
    "ctf/phase_shift_rad": np.array([0, np.pi / 2, 0], "f4"),
    "ctf/accel_kv": np.array([300, 200, 300], "f4"),
    "ctf/cs_mm": np.full(N, 2.7, "f4"),
    "ctf/amp_contrast": np.full(N, 0.1, "f4"),
    "alignments3D/pose": np.arange(3 * N, dtype="f4").reshape(N, 3),
}


@pytest.fixture
def project(tmp_path):
    """Constant images: 0, 1, 2 in J1/imported/a.mrcs, 10 and 11 in b.mrcs."""
    for name, values in (("J1/imported/a", (0, 1, 2)), ("b", (10, 11))):
        write_mrcs(tmp_path / f"{name}.mrcs", [np.full((4, 4), v) for v in values], 1.5, len(values), 4)
    return tmp_path


def write_cs(path, **changes):
    fields = {name: column for name, column in (FIELDS | changes).items() if column is not None}
    records = np.empty(N, [(name, column.dtype, column.shape[1:]) for name, column in fields.items()])
    for name, column in fields.items():
        records[name] = column
    with open(path, "wb") as file:
        np.save(file, records)
    return path


# ---- .cs ----


def test_cs(project):
    (project / "J2").mkdir()
    source = open_source(write_cs(project / "J2/particles.cs"))
    assert source.images([0, 1, 2])[:, 0, 0].tolist() == [-1, 10, -2]  # sign applied
    assert [source.optics[g].name for g in source.group] == ["exp_group_23", "exp_group_4", "exp_group_23"]
    assert [source.optics[g].voltage for g in source.group] == [300, 200, 300]
    assert source.ctf.defocus_u.tolist() == [11000, 12000, 13000]
    np.testing.assert_allclose(source.ctf.angle, [0, 90, -45], atol=1e-5)
    np.testing.assert_allclose(source.ctf.phase, [0, 90, 0], atol=1e-5)
    assert source.table[:].dtype["alignments3D/pose"].shape == (3,)
    index, files = source.locations(np.arange(3))
    assert index.tolist() == [1, 0, 2] and files[1] == str(project / "b.mrcs")


def test_a_bare_cs_says_little(project):
    bare = {name: None for name in FIELDS if name not in ("blob/path", "blob/idx")}
    source = open_source(write_cs(project / "a.cs", **bare))
    assert source.ctf is None and source.optics[0].apix is None
    assert source.images([0, 1, 2])[:, 0, 0].tolist() == [1, 10, 2]


def test_the_real_particles_are_those_of_the_star_file(shared):
    """Raw pixels are dark protein: the .cs file's sign of -1 makes them bright."""
    folder = shared / "formats"
    star = open_source(folder / "relion/empiar_10076_7.star")
    ours = open_source(folder / "cryosparc/empiar_10076_7.cs", project=folder / "relion")
    np.testing.assert_array_equal(ours.images(range(7)), -star.images(range(7)))
    assert ours.optics[0].apix == pytest.approx(star.optics[0].apix, abs=1e-6)
    for field, value in vars(star.ctf).items():
        np.testing.assert_allclose(getattr(ours.ctf, field), value, rtol=1e-6, err_msg=field)


@pytest.mark.parametrize("name", ["cryosparc_J2_particles_exported", "cryosparc_P12_J24_001_particles"])
def test_real_tables_without_images(shared, name):
    path = shared / "formats" / "cryosparc" / f"{name}.cs"
    assert cs.Table(path)[:].tobytes() == np.load(path).tobytes()
    with pytest.raises(UserError, match=r"row 0: image 0 of J\d+/.* that is not there"):
        open_source(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"blob/path": None}, "no field blob/path"),
        ({"blob/idx": None}, "no field blob/idx"),
        (
            {"blob/idx": np.array([0, 9, 0], "u4")},
            "row 1: image 9 of b.mrcs is not in its stack, which has 2",
        ),
        ({"blob/idx": np.array([0, 2**31, 0], "u4")}, "no image number"),
        ({"blob/sign": np.array([1, 0, 1], "f4")}, "blob/sign of 0"),
        ({"ctf/df1_A": np.array([1, np.nan, 1], "f4")}, "ctf/df1_A of row 1 is nan"),
        ({"ctf/cs_mm": np.zeros((N, 2), "f4")}, "not one number"),
        ({"ctf/accel_kv": np.array([b"a", b"b", b"c"])}, "not one number"),
        ({"blob/path": np.array([b"../x.mrcs"] * N)}, "not there"),
        ({"blob/path": np.array([b"a\0b.mrcs"] * N)}, "not there"),
    ],
)
def test_wrong_cs_files(project, changes, sentence):
    with pytest.raises(UserError, match=sentence) as caught:
        open_source(write_cs(project / "a.cs", **changes))
    assert "a.cs" in str(caught.value) and "\n" not in str(caught.value)


def test_no_table_of_records(tmp_path):
    for array in (np.zeros(3), np.zeros((2, 2), [("uid", "u8")])):
        with open(tmp_path / "a.cs", "wb") as file:
            np.save(file, array)
        with pytest.raises(UserError, match="table of records"):
            open_source(tmp_path / "a.cs")


# ---- .lst ----


@pytest.mark.parametrize(
    "text",
    [
        "#LSX\n# comment\n# 30\n2\tJ1/imported/a.mrcs          \n0\tb.mrcs                      \n",
        "#LST\n2 J1/imported/a.mrcs\n0  b.mrcs\n",
        '2\tJ1/imported/a.mrcs\t{"score": 1}\n# a comment\n\n0\tb.mrcs\tand more text\n',
    ],
)
def test_lists(project, text):
    (project / "a.lst").write_text(text)
    source = open_source(project / "a.lst")
    assert source.images([0, 1])[:, 0, 0].tolist() == [2, 10]
    assert [source.optics[g].apix for g in source.group] == [1.5, 1.5]
    assert source.ctf is None


def test_a_list_takes_the_ctf_from_emans_headers(tmp_path):
    ctf = "E1.5 0.1 30 0 10 200 1.2 2.0 0 0 0 0"
    hdf.write_hdf(
        tmp_path / "a.hdf", [np.full((4, 4), v) for v in range(3)], [{"ctf": ctf, "apix_x": 2.0}] * 3
    )
    (tmp_path / "a.lst").write_text("2 a.hdf\n0 a.hdf\n")
    source = open_source(tmp_path / "a.lst")
    assert source.images([0, 1])[:, 0, 0].tolist() == [2, 0]
    assert source.ctf.defocus_u.tolist() == [15500, 15500] and source.ctf.voltage.tolist() == [200, 200]
    write_mrcs(tmp_path / "b.mrcs", np.zeros((1, 4, 4)), 2.0, 1, 4)
    (tmp_path / "a.lst").write_text("2 a.hdf\n0 b.mrcs\n")
    with pytest.raises(UserError, match=r"b\.mrcs have no CTF"):
        open_source(tmp_path / "a.lst")


def test_a_list_of_stacks_of_one_name_and_several_boxes(tmp_path):
    for folder, box in (("a", 8), ("b", 12)):
        write_mrcs(tmp_path / folder / "p.mrcs", np.ones((2, box, box)), 2.0, 2, box)
        hdf.write_hdf(tmp_path / folder / "p.hdf", np.ones((2, box, box)), [{"apix_x": 2.0}] * 2)
    for ending in ("mrcs", "hdf"):
        (tmp_path / "a.lst").write_text(f"1 a/p.{ending}\n0 b/p.{ending}\n0 a/p.{ending}\n")
        source = open_source(tmp_path / "a.lst")
        assert source.box == 8 and source.group.tolist() == [0, 1, 0]
        assert source.box_size([0, 1]).tolist() == [8, 12]


def test_a_list_has_the_optics_groups_of_its_images_alone(tmp_path):
    headers = [{"apix_x": apix} for apix in (2.0, 3.0, 2.0)]
    hdf.write_hdf(tmp_path / "a.hdf", np.ones((3, 4, 4)), headers)
    (tmp_path / "a.lst").write_text("1 a.hdf\n")
    source = open_source(tmp_path / "a.lst")
    assert [optics.apix for optics in source.optics] == [3.0] and source.group.tolist() == [0]


NAMES = st.from_regex(r"[A-Za-zé_][A-Za-z0-9 é._/-]{0,20}[a-z]", fullmatch=True)
ENTRIES = st.lists(
    st.builds(lst.Entry, st.integers(0, 10**9), NAMES, st.sampled_from(["", '{"a": 1}'])), max_size=6
)


@settings(deadline=None)
@given(ENTRIES)
def test_written_lists_read_back(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("lst") / "a.lst"
    numbers, files, rests = ([getattr(entry, name) for entry in entries] for name in lst.Entry.__slots__)
    lst.write_lst(path, numbers, files, rests)
    assert list(lst.read_lst(path)) == entries
    magic, _, length, *lines = path.read_bytes().splitlines(keepends=True)
    assert magic == b"#LSX\n"
    assert {len(line) for line in lines} <= {int(length[1:])}


def test_some_lines_of_a_list(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BATCH", 1)
    files = [f"{'deep/' * i}a.mrcs" for i in range(5)]
    lst.write_lst(tmp_path / "all.lst", [10, 11, 12, 13, 14], files)
    lst.copy_lines(tmp_path / "all.lst", np.array([1, 3]), tmp_path / "some.lst", "Some.")
    assert list(lst.read_lst(tmp_path / "some.lst")) == [lst.Entry(11, files[1]), lst.Entry(13, files[3])]
    magic, comment, length, *lines = (tmp_path / "some.lst").read_bytes().splitlines(keepends=True)
    assert magic == b"#LSX\n" and comment.startswith(b"# Some. ")
    assert {len(line) for line in lines} == {int(length[1:])}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("#LSX\n# no\n# 9\n", "lists no images"),
        ("one a.mrcs\n", "line 1 is not an image number"),
        ("1\n", "line 1 is not an image number"),
        ("-1\tb.mrcs\n", "line 1 is not an image number"),
        ("0\tc.mrcs\n", "image 0: 0 of c.mrcs is in a stack, c.mrcs, that is not there"),
        ("1\tb.mrcs\n2\tb.mrcs\n", "image 1: 2 of b.mrcs is not in its stack, which has 2"),
        ("0\ta.lst\n", "not an MRC file"),
    ],
)
def test_wrong_lists(project, text, sentence):
    (project / "a.lst").write_text(text)
    with pytest.raises(UserError, match=sentence):
        open_source(project / "a.lst")
