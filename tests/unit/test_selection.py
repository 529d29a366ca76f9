"""Chosen classes: the file that says which, and their particles."""

from types import SimpleNamespace

import numpy as np
import pytest
import yaml

import select_classes
from refine2d.errors import UserError
from refine2d.files import write_json
from refine2d.report.collect import Report
from refine2d.selection import Selection, doubt, read_selection, suggested, write_chosen, write_selection
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.opening import open_source
from refine2d.tables import MEMBER

RUN = "0123456789012345"  # digits alone, which YAML would take for a number


def test_a_selection_comes_back(tmp_path):
    before = Selection(RUN, 8, (0, 3, 5), (1,))
    write_selection(tmp_path / "selection.yaml", before)
    assert read_selection(tmp_path / "selection.yaml", 6, RUN + "6789", 8) == before
    assert yaml.safe_load((tmp_path / "selection.yaml").read_text())["keep"] == [0, 3, 5]


def test_a_selection_can_be_written_by_hand(tmp_path):
    (tmp_path / "mine.yaml").write_text("iteration: 2\nkeep: [1]\n")
    assert read_selection(tmp_path / "mine.yaml", 4, RUN, 2) == Selection("", 2, (1,))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not a selection"),
        ("keep: [1]\n", "is not a selection"),
        ("iteration: 2\nkeep: [one]\n", "is not a selection"),
        ("iteration: [\n", "is not a selection"),
        ("iteration: 2\nkeep: [4]\n", "names class 4, but the run has classes 0 to 3"),
        ("iteration: 2\nkeep: [-1]\n", "names class -1"),
        ("iteration: 2\nkeep: []\njunk: [1]\n", "keeps no class"),
        ('run: "ffff"\niteration: 2\nkeep: [1]\n', "another run"),
        ("iteration: 1\nkeep: [1]\n", "is about iteration 1, but the run ended with 2"),
    ],
)
def test_what_does_not_fit_the_run_is_a_sentence(tmp_path, text, said):
    (tmp_path / "selection.yaml").write_text(text)
    with pytest.raises(UserError, match=r"selection\.yaml") as error:
        read_selection(tmp_path / "selection.yaml", 4, RUN, 2)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_selection_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.yaml is not a selection"):
        read_selection(tmp_path / "nothing.yaml", 4)


class Store:
    """Rows 0 to 5 are images 0, 2, 4 ..."""

    number = np.arange(0, 12, 2)


def test_particles_of_kept_classes_are_written_in_the_inputs_order(tmp_path):
    images = np.arange(12, dtype=np.float32)[:, None, None] * np.ones((24, 24), np.float32)
    write_mrcs(tmp_path / "in.mrcs", images, 2.0, 12, 24)
    members = np.zeros(5, MEMBER)
    members["row"], members["class"] = [5, 1, 0, 3, 2], [1, 1, 2, 0, 1]
    members["kept"] = [True, False, True, True, True]
    count = write_chosen(open_source(str(tmp_path / "in.mrcs")), Store, members, [1], tmp_path / "out.mrcs")
    chosen = open_source(str(tmp_path / "out.mrcs"))
    assert (count, chosen.n, chosen.optics[0].apix) == (3, 3, 2.0)
    assert chosen.images([0, 1, 2])[:, 0, 0].tolist() == [2, 4, 10]


def test_the_suggestion_marks_every_class():
    report = Report.__new__(Report)
    report.run, report.iteration = RUN, 4
    report.quality = type("Quality", (), {"keep": np.array([True, False, True])})
    assert suggested(report) == Selection(RUN, 4, (0, 2), (1,))


def test_the_iteration_of_the_results_counts_not_the_last_that_is_there(tmp_path, monkeypatch):
    """`iter` may have been lowered, or raised by a command that was interrupted."""
    monkeypatch.setattr(select_classes, "load", lambda folder: SimpleNamespace())
    monkeypatch.setattr(select_classes, "choose", lambda folder, last, *_: last)
    for name in ("classes.mrcs", "state_01.json", "state_02.json"):
        (tmp_path / name).touch()
    parameters = tmp_path / "0_refine2d_parms.json"
    for iterations in (1, 2):
        write_json(parameters, {"iter": iterations})
        assert select_classes.main(tmp_path, "mine.yaml", tmp_path) == iterations
    write_json(parameters, {"iter": 3})
    with pytest.raises(UserError, match="holds no finished run"):
        select_classes.main(tmp_path, "mine.yaml", tmp_path)


def test_a_suggestion_without_junk_is_doubted():
    assert doubt(Selection(RUN, 4, (0, 2), (1,))) is None
    assert doubt(Selection(RUN, 4, (0, 1, 2))).startswith("No class is judged junk, though some may be: ")
