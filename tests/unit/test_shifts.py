from types import SimpleNamespace

import numpy as np
import pytest

from refine2d.extent import matching
from refine2d.shifts import LEAST, TRUE, expected
from refine2d.stacks.hdf import write_hdf
from refine2d.tables import read_shift_sigma
from refine2d.transforms import alignment

OPTIONS = {
    "mask_diameter": 200.0,
    "maxshift": 16.0,
    "mirror": True,
    "simalign": "rotate_translate_flip",
    "simralign": "refine",
    "simaligncmp": "ml",
    "simraligncmp": "ml",
    "simcmp": "ml",
}
RUN = SimpleNamespace(box=128, working_box=64, apix=2.0)


def test_most_of_a_planted_deviation_is_expected():
    sx, sy = np.random.default_rng(0).normal(0, 2.5, (2, 4000))
    assert expected(alignment(sx=sx, sy=sy)) == pytest.approx(TRUE * 2.5, rel=0.03)


def test_centred_particles_may_move_by_a_pixel():
    assert expected(alignment(sx=np.zeros(10))) == LEAST


def test_averages_say_what_shifts_they_expect(tmp_path):
    images = np.zeros((2, 16, 16), np.float32)
    write_hdf(tmp_path / "known.hdf", images, [{"shift_sigma": 9.5}] * 2)
    write_hdf(tmp_path / "unknown.hdf", images)
    assert read_shift_sigma(tmp_path / "known.hdf") == 9.5
    assert read_shift_sigma(tmp_path / "unknown.hdf") is None


def test_angstroms_become_working_pixels():
    assert matching(SimpleNamespace(**OPTIONS), RUN, "sim", 10.0).plan.shift_sigma == 2.5


def test_shifts_that_are_not_known_are_a_quarter_of_the_largest():
    assert matching(SimpleNamespace(**OPTIONS), RUN, "sim").plan.shift_sigma == pytest.approx(16 / 2 / 4)
    assert matching(SimpleNamespace(**OPTIONS | {"maxshift": 2.0}), RUN, "sim").plan.shift_sigma == LEAST


@pytest.mark.parametrize("stage", ["simaligncmp", "simraligncmp", "simcmp"])
def test_no_shift_costs_anything_where_a_comparator_is_no_likelihood(stage):
    options = SimpleNamespace(**OPTIONS | {stage: "ccc"})
    assert matching(options, RUN, "sim", 10.0).plan.shift_sigma == np.inf
