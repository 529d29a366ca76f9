"""RELION STAR: old and new tables, where stacks are looked for, text carried through, damaged files."""

from unittest.mock import patch

import numpy as np
import pytest
import starfile
from hypothesis import example, given
from hypothesis import strategies as st

from refine2d.errors import UserError
from refine2d.stacks import star_text
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.opening import open_source
from refine2d.stacks.star_text import read_star, write_star

OPTICS = {
    "rlnOpticsGroup": ["1", "2"],
    "rlnOpticsGroupName": ["first", "second"],
    "rlnVoltage": ["300", "200"],
    "rlnSphericalAberration": ["2.7", "0.01"],
    "rlnAmplitudeContrast": ["0.1", "0.07"],
    "rlnImagePixelSize": ["1.5", "1.5"],
    "rlnCtfDataAreCtfPremultiplied": ["0", "1"],
}
PARTICLES = {
    "rlnImageName": ["000002@a.mrcs", "1@b.mrcs", "000003@a.mrcs"],
    "rlnDefocusU": ["11000.5", "12000", "1.3e4"],
    "rlnDefocusV": ["10000", "11000", "12000"],
    "rlnDefocusAngle": ["10", "-20", "30"],
    "rlnPhaseShift": ["0", "90", "0"],
    "rlnOpticsGroup": ["2", "1", "2"],
}


@pytest.fixture
def stacks(tmp_path):
    """Two stacks whose images are constant: 0, 1, 2 in a.mrcs and 10, 11 in b.mrcs."""
    for name, values in (("a", (0, 1, 2)), ("b", (10, 11))):
        write_mrcs(
            tmp_path / f"{name}.mrcs", [np.full((4, 4), value) for value in values], 1.5, len(values), 4
        )
    return tmp_path


def write(folder, particles=PARTICLES, optics=OPTICS, name="x.star"):
    blocks = {"optics": optics, "particles": particles} if optics else {"": particles}
    (folder / name).parent.mkdir(exist_ok=True, parents=True)
    write_star(folder / name, blocks)
    return folder / name


def test_optics_table(stacks):
    source = open_source(write(stacks))
    assert (source.n, source.box) == (3, 4)
    assert source.images([2, 0, 1])[:, 0, 0].tolist() == [2, 1, 10]
    groups = [source.optics[g] for g in source.group]
    assert [group.name for group in groups] == ["second", "first", "second"]
    assert [(group.voltage, group.cs, group.ac) for group in groups[:2]] == [
        (200, 0.01, 0.07),
        (300, 2.7, 0.1),
    ]
    assert [group.premultiplied for group in groups] == [True, False, True]
    assert {group.apix for group in source.optics} == {1.5}
    assert source.ctf.defocus_u.tolist() == [11000.5, 12000, 13000]
    assert source.ctf.defocus_v.tolist() == [10000, 11000, 12000]
    assert source.ctf.angle.tolist() == [10, -20, 30]
    assert source.ctf.phase.tolist() == [0, 90, 0]
    assert source.ctf.voltage.tolist() == [200, 300, 200]
    index, files = source.locations(np.arange(3))
    assert index.tolist() == [1, 0, 2]
    assert files == [str(stacks / name) for name in ("a.mrcs", "b.mrcs", "a.mrcs")]
    assert source.files() == [str(stacks / name) for name in ("x.star", "a.mrcs", "b.mrcs")]
    ((_, optics, none), (_, part, mine)) = source.table.parts(np.array([0, 2]))
    assert (none, mine) == (None, slice(0, 2)) and len(optics["rlnOpticsGroup"]) == len(
        OPTICS["rlnOpticsGroup"]
    )
    assert part["rlnImageName"].tolist() == [PARTICLES["rlnImageName"][number] for number in (0, 2)]


def test_a_file_that_has_changed_is_not_carried_through(stacks):
    path = write(stacks)
    table = open_source(path).table
    write(stacks, {label: values[:2] for label, values in PARTICLES.items()})
    with pytest.raises(UserError, match=r"x.star has changed: it lists 2 particles, not 3 as before"):
        list(table.parts(np.arange(3)))


def test_another_table_of_images_changes_nothing(stacks):
    alone = open_source(write(stacks))
    others = {"rlnImageName": ["1@none.mrcs", "2@b.mrcs"]}
    path = stacks / "y.star"
    write_star(path, {"others": others, "optics": OPTICS, "particles": PARTICLES})
    with patch.object(star_text, "BATCH", 2):
        source = open_source(path)
    assert [stack.path for stack in source.stacks] == [stack.path for stack in alone.stacks]
    np.testing.assert_array_equal(source.images(range(3)), alone.images(range(3)))


def test_defocus_of_a_whole_optics_group(stacks):
    optics = {**OPTICS, "rlnDefocusU": ["9000", "8000"]}
    particles = {label: values for label, values in PARTICLES.items() if not label.startswith("rlnDefocus")}
    source = open_source(write(stacks, particles, optics))
    assert source.ctf.defocus_u.tolist() == [8000, 9000, 8000]


def test_averages_of_a_model_have_what_their_table_says(stacks):
    averages = {"rlnReferenceImage": ["2@a.mrcs", "1@b.mrcs"], "rlnPixelSize": ["3.5", "3.5"]}
    source = open_source(write(stacks, averages, None))
    assert source.images([0, 1])[:, 0, 0].tolist() == [1, 10] and source.optics[0].apix == 3.5


def test_optics_groups_without_particles_are_left_out(stacks):
    source = open_source(write(stacks, {**PARTICLES, "rlnOpticsGroup": ["2"] * 3}))
    assert [group.name for group in source.optics] == ["second"]


def test_old_single_table(stacks):
    particles = {key: values for key, values in PARTICLES.items() if key != "rlnOpticsGroup"}
    particles |= {
        "rlnVoltage": ["300", "300", "200"],
        "rlnSphericalAberration": ["2.7"] * 3,
        "rlnAmplitudeContrast": ["0.1"] * 3,
        "rlnMagnification": ["40000"] * 3,
        "rlnDetectorPixelSize": ["5"] * 3,
    }
    source = open_source(write(stacks, particles, None))
    assert [source.optics[g].voltage for g in source.group] == [300, 300, 200]
    assert len(source.optics) == 2
    assert source.optics[0].apix == 1.25
    for label in ("rlnPixelSize", "rlnImagePixelSize"):
        assert open_source(write(stacks, {**particles, label: ["2"] * 3}, None)).optics[0].apix == 2


def test_what_a_file_lacks_is_unknown(stacks):
    source = open_source(write(stacks, {"rlnImageName": ["1@a.mrcs", "b.mrcs"]}, None))
    assert source.ctf is None
    assert source.images([0, 1])[:, 0, 0].tolist() == [0, 10]
    (optics,) = source.optics
    assert (optics.apix, optics.voltage, optics.cs, optics.ac) == (None,) * 4
    source = open_source(write(stacks, {"rlnImageName": ["1@a.mrcs"], "rlnDefocusU": ["9000"]}, None))
    assert (source.ctf.defocus_v, source.ctf.angle, source.ctf.phase) == (9000, 0, 0)
    assert np.isnan([source.ctf.voltage, source.ctf.cs, source.ctf.ac]).all()


@pytest.mark.parametrize("place", ["job", "project", ".", "absolute"])
def test_where_stacks_are_looked_for(tmp_path, place, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = {"job": "run/Extract/job2", "project": "project", ".": "run", "absolute": "far"}[place]
    stack = tmp_path / folder / "Movies" / "a.mrcs"
    write_mrcs(stack, [np.full((4, 4), 5)], 1.5, 1, 4)
    name = stack if place == "absolute" else "Movies/a.mrcs"
    path = write(tmp_path, {"rlnImageName": [f"1@{name}"]}, None, "run/Extract/job2/x.star")
    for star in (path, path.relative_to(tmp_path)):
        assert open_source(star, project="project").images([0])[0, 0, 0] == 5


def test_a_name_that_leads_out_of_a_linked_folder(tmp_path, monkeypatch):
    """`..` after a link is above the folder that it leads to, not above the link."""
    monkeypatch.chdir(tmp_path)
    particles = {"rlnImageName": ["1@../stack/p.mrcs"]}
    write(tmp_path, particles, None, "scratch/x/job1/x.star")
    write_mrcs("scratch/x/stack/p.mrcs", [np.full((4, 4), 5)], 1.5, 1, 4)
    (tmp_path / "Extract").mkdir()
    (tmp_path / "Extract/job1").symlink_to(tmp_path / "scratch/x/job1")
    assert open_source("Extract/job1/x.star").images([0])[0, 0, 0] == 5
    write_mrcs("Extract/stack/p.mrcs", [np.full((4, 4), 9)], 1.5, 1, 4)
    assert open_source("Extract/job1/x.star").images([0])[0, 0, 0] == 5
    write(tmp_path, particles, None, "Extract/job2/x.star")
    assert open_source("Extract/job2/x.star").locations([0])[1] == ["Extract/stack/p.mrcs"]


def test_real_files(shared):
    folder = shared / "formats" / "relion"
    old = open_source(folder / "empiar_10076_7.star")
    assert (old.n, old.box, old.optics[0].voltage, old.optics[0].cs) == (7, 320, 300, 2.7)
    assert old.optics[0].apix == pytest.approx(5e4 / 38168)
    assert (old.ctf.defocus_u[0], old.ctf.defocus_v[0], old.ctf.angle[0]) == (15301.1, 14916.4, 5.28)
    np.testing.assert_array_equal(old.images([3]), open_source(folder / "empiar_10076_7.mrc").images([3]))
    new = open_source(folder / "relion31.star")
    assert (new.n, new.box, new.optics[0].apix, new.optics[0].name) == (5, 256, 2.806, "opticsGroup1")
    with pytest.raises(UserError, match=r"line 58: 3@Polish/.* is not there"):
        open_source(folder / "relion31.6opticsgroups.star")


@pytest.mark.parametrize("name", ["empiar_10076_7", "relion31", "relion31.6opticsgroups"])
def test_real_tables_are_carried_through(shared, tmp_path, name):
    path = shared / "formats" / "relion" / f"{name}.star"
    blocks = read_star(path)
    write_star(tmp_path / "x.star", blocks)
    again = read_star(tmp_path / "x.star")
    assert {k: list(v) for k, v in again.items()} == {k: list(v) for k, v in blocks.items()}
    rows = [line.split() for line in path.read_text().splitlines() if line[:1].isdigit() or "@" in line]
    values = {value for block in again.values() for column in block.values() for value in column.tolist()}
    assert rows and all(word in values for row in rows for word in row)
    one, two = (starfile.read(file, always_dict=True) for file in (path, tmp_path / "x.star"))
    for key in one:
        assert one[key].equals(two[key])


# A STAR file cannot hold line breaks, nor a value with both kinds of quotes at ends of words.
STRINGS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="'"), max_size=12)
LABELS = st.lists(st.from_regex(r"rln[A-Za-z]{1,9}", fullmatch=True), min_size=1, max_size=4, unique=True)


@given(labels=LABELS, n=st.integers(0, 5), data=st.data())
def test_any_text_reads_back_untouched(tmp_path_factory, labels, n, data):
    path = tmp_path_factory.mktemp("star") / "x.star"
    block = {label: data.draw(st.lists(STRINGS, min_size=n, max_size=n)) for label in labels}
    simple = {label: data.draw(STRINGS) for label in labels}
    with patch.object(star_text, "BATCH", data.draw(st.sampled_from([2, star_text.BATCH]))):
        write_star(path, {"particles": block, "general": simple})
        read = read_star(path)
    assert {label: values.tolist() for label, values in read["particles"].items()} == block
    assert read["general"] == simple
    assert list(read_star(path, {labels[0]: star_text.text})["particles"]) == labels[:1]


@given(value=st.text(st.sampled_from("ab\"' #_\t;"), max_size=8))
@example("data_x")
@example("loop_")
@example("_rlnX")
@example("#1")
@example('it\'s "so"')
def test_special_characters_in_one_column(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("star") / "x.star"
    try:
        write_star(path, {"": {"rlnA": [value, "x"], "rlnB": ["1", value]}})
    except ValueError:
        assert "'" in value and '"' in value
        return
    (block,) = read_star(path).values()
    assert [block["rlnA"].tolist(), block["rlnB"].tolist()] == [[value, "x"], ["1", value]]


PLAIN = st.from_regex(r"[A-Za-z][A-Za-z0-9./@_-]{0,9}", fullmatch=True).filter(lambda s: s.lower() != "nan")


@given(values=st.lists(PLAIN, min_size=1, max_size=5), spaced=PLAIN)
def test_the_starfile_package_reads_what_is_written(tmp_path_factory, values, spaced):
    path = tmp_path_factory.mktemp("star") / "x.star"
    values = [f"{spaced} {spaced}", *values]
    write_star(
        path, {"optics": {"rlnA": ["1"]}, "particles": {"rlnA": values, "rlnB": ["1e-7"] * len(values)}}
    )
    read = starfile.read(path)
    assert read["particles"]["rlnA"].tolist() == values
    assert read["particles"]["rlnB"].tolist() == [1e-7] * len(values)


def test_comments_quotes_and_indents(tmp_path):
    path = tmp_path / "x.star"
    path.write_text(
        "# a comment\n\ndata_particles # and another\r\n\nloop_\n  _rlnA #1\n\t_rlnB #2 of 2\n"
        " 'two words'\t\"it's\"  # the first\n\n# between\nb#1 \"\"\ndata_general\n_rlnC 'x y'\n"
    )
    blocks = read_star(path)
    assert {k: v.tolist() for k, v in blocks["particles"].items()} == {
        "rlnA": ["two words", "b#1"],
        "rlnB": ["it's", ""],
    }
    assert blocks["general"] == {"rlnC": "x y"}


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for name in "ab":
        write_star(tmp_path / f"{name}.star", {"optics": OPTICS, "particles": PARTICLES})
    assert (tmp_path / "a.star").read_bytes() == (tmp_path / "b.star").read_bytes()
    assert (tmp_path / "a.star").read_bytes().startswith(b"\n# version 30001\n\ndata_optics\n")


@pytest.mark.parametrize("values", [["a\nb", "c"], ["a\rb", "c"], ["only one"]])
def test_what_cannot_be_written(tmp_path, values):
    with pytest.raises(ValueError):
        write_star(tmp_path / "a.star", {"": {"rlnA": values, "rlnB": ["1", "2"]}})
    assert list(tmp_path.iterdir()) == []


def particles(**changes):
    return {**PARTICLES, **changes}


@pytest.mark.parametrize(
    "table, sentence",
    [
        (particles(rlnDefocusU=["1", "nan", "3"]), "rlnDefocusU of row 2 is 'nan'"),
        (particles(rlnDefocusV=["1", "2", "inf"]), "rlnDefocusV of row 3 is 'inf'"),
        (particles(rlnDefocusAngle=["None", "2", "3"]), "rlnDefocusAngle of row 1 is 'None'"),
        (particles(rlnOpticsGroup=["1", "3", "1"]), "optics group 3 of particle 2"),
        (particles(rlnImageName=["1@a.mrcs", "4@a.mrcs", "1@b.mrcs"]), "line 30: 4@a.mrcs .* 3 images"),
        (particles(rlnImageName=["0@a.mrcs"] * 3), "line 29: 0@a.mrcs .* 3 images"),
        (particles(rlnImageName=["x@a.mrcs"] * 3), "line 29: x@a.mrcs is not of the form"),
        (particles(rlnImageName=["-1@a.mrcs"] * 3), "line 29: -1@a.mrcs is not of the form"),
        (particles(rlnImageName=["1@"] * 3), "line 29: 1@ is not of the form"),
        (
            particles(rlnImageName=["1@a.mrcs", "1@c.mrcs", "2@c.mrcs"]),
            "line 30: 1@c.mrcs is in a stack, c.mrcs, that is not there",
        ),
        (particles(rlnImageName=["1@a.mrcs", "1@b.mrcs", "1@big.mrcs"]), "mixes boxes of 4 .* and 6"),
        (particles(rlnImageName=["1@x.star"] * 3), "x.star is not an MRC file"),
        ({k: [] for k in PARTICLES}, "lists no particles"),
        ({"rlnReferenceImage": [], "rlnVoltage": []}, "lists no particles"),
        ({"rlnDefocusU": ["1"]}, "no column rlnImageName"),
        ({k: v for k, v in PARTICLES.items() if k != "rlnOpticsGroup"}, "no column rlnOpticsGroup"),
    ],
)
def test_wrong_tables_are_refused_with_a_sentence(stacks, table, sentence):
    write_mrcs(stacks / "big.mrcs", [np.zeros((6, 6))], 1.5, 1, 6)
    path = write(stacks, table)
    with pytest.raises(UserError, match=sentence) as caught:
        open_source(path)
    assert "x.star" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("data_\nloop_\n_rlnA\n_rlnB\n1 2\n1\n", "line 6 has 1 values, not 2"),
        ("data_\nloop_\n_rlnA\n_rlnA\n1 2\n", "line 4: the table has two columns _rlnA"),
        ("data_a\n_rlnA 1\ndata_a\n_rlnA 2\n", "line 3: a second block data_a"),
        ("data_\nloop_\n1 2\n", "line 3 does not belong"),
        ("data_\n_rlnB 1\nloop_\n_rlnA\n1\n", "line 3 does not belong"),
        ("hello\n", "line 1 does not belong"),
        ("data_\n_rlnA 1 2\n", "line 2 does not belong"),
        ("data_\n", "no table of particles"),
    ],
)
def test_damaged_files_are_refused_with_a_sentence(tmp_path, text, sentence):
    (tmp_path / "x.star").write_text(text)
    with pytest.raises(UserError, match=sentence):
        open_source(tmp_path / "x.star")


@given(column=st.sampled_from(sorted({*PARTICLES, *OPTICS})), value=STRINGS, row=st.integers(0, 1))
@example(column="rlnImagePixelSize", value="1", row=0)
def test_any_text_in_any_column_is_read_or_refused(tmp_path_factory, column, value, row):
    folder = tmp_path_factory.mktemp("star")
    for name in "ab":
        write_mrcs(folder / f"{name}.mrcs", np.zeros((3, 4, 4)), 1.5, 3, 4)
    blocks = [{k: list(v) for k, v in block.items()} for block in (PARTICLES, OPTICS)]
    for block in blocks:
        if column in block:
            block[column][row] = value
    path = write(folder, *blocks)
    try:
        source = open_source(path)
    except UserError as error:
        assert "x.star" in str(error)
    else:
        assert np.isfinite(source.ctf.defocus_u).all()
        assert 2 <= source.box <= 4  # less than 4 where altered pixel sizes make the groups share a grid
        assert source.images(range(3)).shape == (3, source.box, source.box)
