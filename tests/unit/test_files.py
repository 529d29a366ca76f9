"""Whole files or none."""

import json

import pytest

from refine2d.files import atomic, copy, write_json


def test_a_file_appears_whole_under_its_name(tmp_path):
    path = tmp_path / "new" / "file.hdf"
    with atomic(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent and temporary.suffix == ".hdf"
        temporary.write_text("whole")
    assert path.read_text() == "whole"
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
