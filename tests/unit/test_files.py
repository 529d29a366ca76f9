"""Whole files or none."""

import json
import os
import time

import h5py
import numpy as np
import pytest

from refine2d.errors import Damaged
from refine2d.files import atomic, bring_to_now, check, copy, set_aside, write_json


def test_a_file_appears_whole_under_its_name(tmp_path):
    path = tmp_path / "new" / "file.hdf"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent and temporary.suffix == ".hdf"
        temporary.write_text("whole")
    assert path.read_text().startswith("whole\n")
    assert [p.name for p in path.parent.iterdir()] == ["file.hdf"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "file"
    with atomic(path) as first, atomic(path) as second:
        assert first != second
        first.write_text("orphan")
        second.write_text("rerun")
    assert path.read_text() == "orphan"  # the one that left last
    assert list(tmp_path.iterdir()) == [path]


def test_json_keeps_the_order_of_its_keys(tmp_path):
    write_json(tmp_path / "a.json", {"z": 1, "a": [1.5, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"z": 1, "a": [1.5, None]}
    assert (tmp_path / "a.json").read_text().index('"z"') < (tmp_path / "a.json").read_text().index('"a"')


def test_a_copy_is_a_file_of_its_own(tmp_path):
    (tmp_path / "a").write_bytes(b"\0" * 1000)
    copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert (tmp_path / "b").stat().st_ino != (tmp_path / "a").stat().st_ino


def written(path):
    if path.suffix == ".json":
        write_json(path, {"changed": 3, "sizes": [1, 2]}, seal=True)
    else:
        with atomic(path) as temporary, h5py.File(temporary, "w") as file:
            file["image"] = np.arange(12.0)
    return path


@pytest.mark.parametrize("name", ["a.h5", "a.hdf", "a.json"])
def test_what_was_written_passes(tmp_path, name):
    path = written(tmp_path / name)
    check(path)
    if name == "a.json":
        assert json.loads(path.read_text())["sizes"] == [1, 2]
    else:
        with h5py.File(path) as file:
            np.testing.assert_array_equal(file["image"], np.arange(12.0))


@pytest.mark.parametrize("name", ["a.h5", "a.json"])
def test_any_byte_that_differs_is_found(tmp_path, name):
    path = written(tmp_path / name)
    content = path.read_bytes()
    body = len(content) - (25 if name == "a.h5" else 26)
    for place in range(0, body, 1 if name == "a.json" else 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(Damaged):
            check(path)


@pytest.mark.parametrize("name", ["a.h5", "a.json"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_file_that_was_cut_short_is_found(tmp_path, name, share):
    path = written(tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * (len(content) - 30))])
    with pytest.raises(Damaged):
        check(path)


def test_a_file_of_another_program_has_no_checksum_and_passes(tmp_path):
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file["image"] = np.arange(12.0)
    check(tmp_path / "a.hdf")


def test_a_copy_has_one_checksum(tmp_path):
    path = written(tmp_path / "a.h5")
    copy(path, tmp_path / "b.h5")
    assert (tmp_path / "b.h5").read_bytes() == path.read_bytes()


def test_a_file_that_was_set_aside_is_not_lost(tmp_path):
    path = written(tmp_path / "a.h5")
    content = path.read_bytes()
    set_aside(path)
    set_aside(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.h5.damaged"]
    assert (tmp_path / "a.h5.damaged").read_bytes() == content


def test_files_of_the_future_keep_their_order(tmp_path):
    now = time.time()
    for name, stamp in (("old", now - 5000), ("first", now + 80000), ("second", now + 80100)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (stamp, stamp))
    bring_to_now(tmp_path)
    stamps = [(tmp_path / name).stat().st_mtime for name in ("old", "first", "second")]
    assert stamps == sorted(stamps) and stamps[-1] <= time.time()
    assert abs(stamps[0] - (now - 5000)) < 1 < stamps[2] - stamps[1]
