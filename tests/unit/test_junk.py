import numpy as np
import pytest

from refine2d import junk

CENTRES = np.array([[0, 0], [0, 3], [4, 3], [4, 0]], np.float32)  # neighbours are 3 apart


def one(sign: np.ndarray, weight: float) -> np.ndarray:
    return junk.coordinates(sign[:, None], CENTRES, weight)[:, 0]


def test_the_coordinate_fades_without_junk_and_tells_it_where_there_is_some():
    weight, apart = 2, 3
    noise = np.random.default_rng(3).normal(0.2, 0.1, 4000).astype(np.float32)
    clean = one(noise, weight)
    assert clean.min() == 0 and clean.max() < 0.05 * weight * apart
    junk = np.concatenate([noise[:3600], noise[3600:] + 1])
    mixed = one(junk, weight)
    of_junk = 1 - 0.1**2 / (0.1**2 + 0.1 * 1)  # the planted share of the variance that is not noise
    assert np.median(mixed[3600:]) == pytest.approx(of_junk * weight * apart * (1 - 0.1), rel=0.1)
    assert (mixed[:3600] == 0).mean() > 0.75  # of a normal distribution 84 % are below one deviation
    assert mixed[:3600].mean() < 0.01 * mixed[3600:].mean()


def test_the_coordinate_ends_four_classes_away():
    share = np.r_[np.zeros(90), np.linspace(1, 9, 10)].astype(np.float32)
    assert one(share, 10)[90:].tolist() == [12.0] * 10


def test_the_coordinate_of_equal_shares_is_none():
    assert (one(np.full(10, 0.3, np.float32), 10) == 0).all()


def test_signs_do_not_change_each_other():
    signs = np.random.default_rng(4).normal(size=(50, 2)).astype(np.float32) ** 3
    both = junk.coordinates(signs, CENTRES, 10)
    assert both.dtype == np.float32 and both.shape == (50, 2)
    assert (both == np.stack([one(sign, 10) for sign in signs.T], axis=1)).all() and both.any(axis=0).all()
