"""Ramp, background and defects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refine2d import normalize


@pytest.mark.parametrize("box", [24, 25])
def test_background_lies_outside_the_radius(box):
    background = normalize.outside(box, 8)
    distance = np.hypot(*(np.mgrid[:box, :box] - box // 2))
    assert np.array_equal(background, distance > 8)
    assert normalize.outside(box, 10 * box).any()


@given(st.floats(-1e4, 1e4), st.floats(-50, 50), st.floats(-50, 50), st.sampled_from([24, 25]))
@settings(deadline=None)
def test_a_planted_ramp_goes_and_the_particle_stays(level, along_x, along_y, box):
    y, x = np.mgrid[:box, :box] - box // 2
    particle = np.where(np.hypot(x, y) < 6, 100.0 + x, 0)
    ramp = level + along_x * x + along_y * y
    flat = normalize.flatten((particle + ramp)[None].astype(np.float32), normalize.outside(box, 7))
    assert np.allclose(flat[0], particle, atol=0.02)


def test_deviation_is_that_of_the_background():
    rng = np.random.default_rng(1)
    background = normalize.outside(32, 12)
    images = np.where(background, 3 * rng.standard_normal((5, 32, 32)), 50).astype(np.float32)
    expected = np.sqrt((images[:, background] ** 2).mean(axis=1))
    assert np.allclose(normalize.deviation(images, background), expected)


def test_defects_are_named():
    images = np.random.default_rng(2).standard_normal((6, 8, 8)).astype(np.float32)
    images[1] = 4
    images[2, 3, 3] = np.nan
    images[3, 0, 0] = np.inf
    images[4, 7, 7] = -3e30
    expected = [normalize.OK, normalize.CONSTANT, *[normalize.NOT_FINITE] * 3, normalize.OK]
    assert normalize.defects(images).tolist() == expected
    assert set(normalize.REASONS) >= set(expected) - {normalize.OK}
