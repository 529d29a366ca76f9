"""What EMAN2 says of an input's phases, by headers and names; lists, whose files say it."""

from pathlib import Path

import numpy as np
import pytest

from refine2d.errors import UserError
from refine2d.stacks.flipped import phase_flipped
from refine2d.stacks.hdf import write_hdf


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """Stacks whose phases are flipped by header and by name, and a plain one."""
    monkeypatch.chdir(tmp_path)
    Path("particles").mkdir()
    for name, flipped in (("header", 1), ("m1__ctf_flip", 0), ("plain", 0)):
        write_hdf(f"particles/{name}.hdf", np.ones((2, 8, 8)), [{"ctf_phase_flipped": flipped}] * 2)


def listing(*names, path="sets/x.lst"):
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text("#LST\n" + "".join(f"0\tparticles/{name}.hdf\n" for name in names))
    return path


@pytest.mark.parametrize(("name", "flipped"), [("header", True), ("m1__ctf_flip", True), ("plain", False)])
def test_a_stack_and_a_list_of_it(name, flipped):
    assert phase_flipped(f"particles/{name}.hdf") == flipped
    assert phase_flipped(listing(name, name)) == flipped


def test_lists_of_several_stacks():
    assert phase_flipped(listing("header", "m1__ctf_flip", "lost"))
    assert phase_flipped(listing("plain", path="sets/all__ctf_flip.lst"))
    with pytest.raises(UserError) as error:
        phase_flipped(listing("plain", "header", "plain"))
    assert str(error.value) == (
        "sets/x.lst lists phase-flipped images (particles/header.hdf) and others (particles/plain.hdf): "
        "give a list of one kind."
    )


def test_files_that_say_nothing():
    Path("a.hdf").write_bytes(b"no")
    assert not any(map(phase_flipped, ("a.hdf", "lost.hdf", "lost.lst", "particles")))
    whole = Path("particles/header.hdf").read_bytes()
    Path("a.hdf").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a\.hdf is not an HDF5 file, or is damaged"):
        phase_flipped("a.hdf")
