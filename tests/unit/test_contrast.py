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
    ref, c2 = rng.integers(4, size=6), informative(6, 0.1, 2, rng)
    images = seen(np.linspace(0, 1, 6)[:, None, None] * averages[ref], c2, rng)
    found = Contrast(averages).lack(images, c2, ref)
    shown = np.array([naive.contrast(images[i], averages[ref[i]], c2[i]) for i in range(6)])
    assert (shown < 0.5).any() and (shown > 0.5).any()
    assert found == pytest.approx(np.clip(1 - 2 * shown, 0, 1), abs=1e-4)


@pytest.mark.parametrize("strength", [0, 0.2, 0.4, 1])
def test_a_planted_contrast_is_found(strength):
    averages, rng = references(5), np.random.default_rng(2)
    ref = rng.integers(5, size=300)
    c2 = informative(300, 0.5, 2, rng)
    found = Contrast(averages).lack(seen(strength * averages[ref], c2, rng), c2, ref)
    assert np.median(found) == pytest.approx(max(0, 1 - 2 * strength), abs=0.06)


def test_an_empty_image_lacks_it_though_its_own_average_is_empty_too():
    averages, rng = references(5), np.random.default_rng(3)
    averages[4] = 0.1 * averages[0]
    c2 = informative(200, 0.5, 2, rng)
    images = seen(np.broadcast_to(averages[4], (200, BOX, BOX)), c2, rng)
    found = Contrast(averages).lack(images, c2, np.full(200, 4))
    assert np.median(found) > 0.8


def test_without_information_all_is_lacked():
    nothing = np.zeros((2, BOX, BOX), np.float32), np.zeros((2, nrings(BOX)), np.float32)
    assert (Contrast(references(3)).lack(*nothing, np.array([0, 2])) == 1).all()
    assert (Contrast(np.zeros((3, BOX, BOX), np.float32)).lack(*nothing, np.array([0, 2])) == 1).all()
