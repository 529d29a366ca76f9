import naive
import numpy as np
import pytest
from test_msa import pictures
from test_residual import BOX, informative, seen

from refine2d.contrast import Contrast
from refine2d.fourier import nrings, soft_mask

RADIUS = 11


def references(count: int) -> np.ndarray:
    return pictures(count) * soft_mask(BOX, RADIUS)


def test_the_lack_is_the_naive_one():
    averages, rng = references(4), np.random.default_rng(1)
    images, c2 = rng.standard_normal((6, BOX, BOX)).astype(np.float32), informative(6, 0.01, 2, rng)
    ref = rng.integers(4, size=6)
    found = Contrast(averages).lack(images, c2, ref)
    assert found == pytest.approx(
        [1 - naive.contrast(images[i], averages[ref[i]], c2[i]) for i in range(6)], abs=1e-4
    )


@pytest.mark.parametrize("strength", [0, 0.3, 1, 1.5])
def test_a_planted_contrast_is_found(strength):
    averages, rng = references(5), np.random.default_rng(2)
    ref = rng.integers(5, size=300)
    c2 = informative(300, 0.5, 2, rng)
    found = Contrast(averages).lack(seen(strength * averages[ref], c2, rng), c2, ref)
    assert np.median(found) == pytest.approx(1 - strength, abs=0.03)


def test_empty_images_lack_it_to_an_average_of_their_own_too():
    averages, rng = references(5), np.random.default_rng(3)
    averages[4] = 0.1 * averages[0]
    c2 = informative(200, 0.5, 2, rng)
    images = seen(np.broadcast_to(averages[4], (200, BOX, BOX)), c2, rng)
    found = Contrast(averages).lack(images, c2, np.full(200, 4))
    assert np.median(found) > 0.9


def test_without_information_all_is_lacked():
    nothing = np.zeros((2, BOX, BOX), np.float32), np.zeros((2, nrings(BOX)), np.float32)
    assert (Contrast(references(3)).lack(*nothing, np.array([0, 2])) == 1).all()
    assert (Contrast(np.zeros((3, BOX, BOX), np.float32)).lack(*nothing, np.array([0, 2])) == 1).all()
