import naive
import numpy as np
import pytest
from test_msa import pictures

from refine2d import msa, residual
from refine2d.fourier import ft, ift, nrings, ring_mean, soft_mask, spread_rings
from refine2d.search.plan import Plan

BOX = 32
PLAN = Plan(BOX, 11, 4)


def seen(clean: np.ndarray, c2: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Matched-filtered images of clean ones: times C^2/s2, with the noise that the filter leaves."""
    noise = ft(rng.standard_normal(clean.shape).astype(np.float32)) * np.sqrt(spread_rings(c2, BOX))
    return ift(ft(clean) * spread_rings(c2, BOX) + noise, BOX)


def informative(count: int, low: float, high: float, rng: np.random.Generator) -> np.ndarray:
    c2 = rng.uniform(low, high, (count, nrings(BOX))).astype(np.float32)
    c2[:, 0] = c2[:, -1] = 0
    return c2


def test_share_is_the_naive_one():
    averages = pictures(7)
    space = msa.basis(averages, 6)
    rng = np.random.default_rng(1)
    images, c2 = rng.standard_normal((5, BOX, BOX)).astype(np.float32), informative(5, 0.01, 2, rng)
    points = rng.standard_normal((5, 6)).astype(np.float32)
    got = residual.Residual(space, PLAN).share(images, c2, points)
    power = ring_mean(np.abs(ft(averages)) ** 2, BOX).mean(0)  # six vectors hold all seven averages
    for mine, image, weights, point in zip(got, images, c2, points, strict=True):
        average = space.mean + np.tensordot(point, space.vectors, 1)
        mask = soft_mask(BOX, PLAN.mask_radius)
        theirs = naive.unexplained(image, mask, average, power, weights, PLAN.coarse_rings)
        assert mine == pytest.approx(theirs, rel=2e-3)


def test_what_the_space_holds_has_a_share_of_none_and_what_is_like_no_average_of_about_one():
    pool = pictures(60)
    averages, strange = pool[:6], pool[6:]
    space = msa.basis(averages, 5)
    rng = np.random.default_rng(2)
    members = averages[rng.integers(6, size=200)]
    projector, measure = msa.Projector(space), residual.Residual(space, PLAN)

    def shares(clean):
        c2 = informative(len(clean), 0.2, 0.4, rng)
        images = seen(clean, c2, rng)
        return measure.share(images, c2, projector.project(images, c2))

    assert np.median(shares(members)) == pytest.approx(0, abs=0.05)
    assert np.median(shares(strange)) == pytest.approx(1, abs=0.4)


def test_an_image_without_information_has_no_share():
    space = msa.basis(pictures(5), 4)
    nothing = np.zeros((2, BOX, BOX), np.float32), np.zeros((2, nrings(BOX)), np.float32)
    assert (residual.Residual(space, PLAN).share(*nothing, np.zeros((2, 4), np.float32)) == 0).all()
