"""Two runs compared."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refine2d.difference import compare
from refine2d.errors import UserError
from refine2d.files import write_json
from refine2d.stacks.hdf import write_hdf
from refine2d.tables import write_arrays, write_classmx
from refine2d.transforms import alignment

SCRIPT = Path(__file__).parents[2] / "workflow/scripts/diff.py"
IMAGES = np.random.default_rng(0).normal(size=(2, 8, 8)).astype(np.float32)


def run(folder, images=IMAGES, labels=(0, 1, 1), pieces=2, text="a\nb\n", path=None):
    """A few files of a run."""
    (folder / "logs").mkdir(parents=True)
    write_json(folder / "run.json", {"chunk": pieces})
    write_hdf(
        str(folder / "classes_01.hdf"), images, [{"class_ptcl_src": f"{path or 'run'}/p.lst"}] * len(images)
    )
    write_classmx(str(folder / "classmx_01.hdf"), np.array(labels), np.ones(3), alignment(np.zeros(3)), 1.0)
    for piece in range(pieces):
        write_arrays(folder / f"simmx_01/{piece:02d}.h5", best=alignment(np.zeros(6 // pieces)))
    (folder / "particles.star").write_text(text)
    (folder / "logs/a.log").write_text(f"made with {folder.name}\n")
    return folder


def test_the_same(tmp_path):
    same, different, alone = compare(run(tmp_path / "a"), run(tmp_path / "b"))
    assert (len(same), different, alone) == (5, [], [])


def test_how_far_two_runs_part(tmp_path):
    other = IMAGES.copy()
    other[1, 3, 3] += np.float32(0.01 * IMAGES[1].std())
    a, b = run(tmp_path / "a"), run(tmp_path / "b", other, (0, 1, 0), text="a\nc\n")
    same, different, alone = compare(a, b)
    assert (len(same), alone) == (2, [])
    assert {difference.name: difference.by for difference in different} == {
        "classes_01.hdf": "values part by up to 1.0e-02 of their spread",
        "classmx_01.hdf": "1 of 3 particles in another class",
        "particles.star": "1 of 2 lines differ",
    }


def test_the_own_path_of_a_run_is_no_difference(tmp_path):
    a, b, c = (
        run(tmp_path / name, path=f"{place}{name}", text=f"1@{place}{name}/classes.mrcs\nmanga/c.mrcs\n")
        for name, place in (("a", ""), ("long_b", "somewhere/"), ("c", ""))
    )
    same, different, alone = compare(a, b)
    assert (len(same), different, alone) == (5, [], [])
    (c / "particles.star").write_text("1@a/classes.mrcs\nmanga/d.mrcs\n")
    write_hdf(str(c / "classes_01.hdf"), IMAGES, [{"class_ptcl_src": "c/others.lst"}] * 2)
    assert {difference.name: difference.by for difference in compare(a, c)[1]} == {
        "classes_01.hdf": "only the attributes differ",
        "particles.star": "2 of 2 lines differ",
    }


def test_pieces_cut_otherwise_are_left_out(tmp_path):
    same, different, alone = compare(run(tmp_path / "a"), run(tmp_path / "b", pieces=3))
    assert (len(same), different, alone) == (3, [], [])


def test_a_file_of_one_run_only(tmp_path):
    a, b = run(tmp_path / "a"), run(tmp_path / "b")
    (b / "particles.star").unlink()
    assert compare(a, b)[2] == ["particles.star"]


def test_no_run(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        compare(run(tmp_path / "a"), tmp_path)


def test_the_command(tmp_path):
    a, b, c = run(tmp_path / "a"), run(tmp_path / "b"), run(tmp_path / "c", IMAGES + 1)
    printed = []
    for other, status in ((b, 0), (c, 1), (tmp_path, 1)):
        done = subprocess.run([sys.executable, SCRIPT, a, other], capture_output=True, text=True)
        assert done.returncode == status and "Traceback" not in done.stderr
        printed.append(done.stdout + done.stderr)
    assert printed[0].startswith("5 files are the same, byte for byte; 0 differ")
    assert "classes_01.hdf: values part by" in printed[1] and "c was made with c" in printed[1]
    assert "holds no run" in printed[2]
