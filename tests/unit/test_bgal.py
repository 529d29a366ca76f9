"""How averages of real particles are held against RELION's: whatever their pose and their spectrum."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import bgal

from refine2d import fourier, transforms

APIX, BOX = 3.54, 64


@pytest.fixture(scope="module")
def views() -> np.ndarray:
    """Four unlike images, smooth and inside the mask."""
    noise = np.random.default_rng(1).normal(size=(4, BOX, BOX)).astype(np.float32)
    smooth = np.exp(-((np.hypot(*fourier.frequencies(BOX)) / 6) ** 2))
    return fourier.ift(fourier.ft(noise) * smooth, BOX) * fourier.soft_mask(BOX, 20)


@pytest.fixture(scope="module")
def posed(views) -> np.ndarray:
    """The same views turned, mirrored and shifted."""
    poses = transforms.alignment(
        np.array([37.0, 121.0, 200.0, 310.0]),
        np.array([False, True, False, True]),
        np.array([3.0, -4.0, 0.0, 5.0]),
        np.array([-2.0, 1.0, 6.0, -5.0]),
    )
    return transforms.undo(views, poses)


def test_each_view_is_found_in_any_pose(views, posed):
    found = bgal.best_correlations(posed, views, APIX)
    assert (np.diag(found) > 0.95).all()
    assert (found[~np.eye(4, dtype=bool)] < 0.7).all()


def test_a_spectrum_tells_no_average_from_another(views, posed):
    rings = np.hypot(*fourier.frequencies(BOX))
    sharp, blurred = (
        fourier.ift(fourier.ft(posed) * filtered, BOX) for filtered in (rings, np.exp(-rings / 4))
    )
    for changed in (sharp, blurred):
        found = bgal.best_correlations(changed.astype(np.float32), views, APIX)
        assert (np.diag(found) > 0.9).all() and (found.argmax(1) == np.arange(4)).all()


def test_rings_count_alike_and_only_those_that_are_compared(views):
    power = fourier.ring_sum(np.abs(fourier.ft(bgal.flattened(views, APIX))) ** 2, BOX)
    last = int(BOX * APIX / bgal.RESOLUTION)
    np.testing.assert_allclose(power[:, bgal.FIRST : last + 1], 1, rtol=1e-4)
    assert power[:, : bgal.FIRST].max() < 1e-6 and power[:, last + 1 :].max() < 1e-6
