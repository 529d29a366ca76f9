import numpy as np
import pytest

from refine2d import fourier, outliers

BOX = 48
MASK = fourier.soft_mask(BOX, 20)
GOLD = [3, 77, 150]


def noisy(n=200, box=BOX):
    return np.random.default_rng(4).standard_normal((n, box, box)).astype(np.float32)


def with_gold():
    images, (y, x) = noisy(), np.mgrid[:BOX, :BOX]
    for place, number in enumerate(GOLD):
        images[number] += 30 * ((x - 18 - 5 * place) ** 2 + (y - 25) ** 2 < 16)
    return images


def test_what_is_far_too_strong_counts_for_little():
    images, used = with_gold(), np.ones(200, bool)
    strength = outliers.strength(images, MASK)
    gains = outliers.gains(strength, used)
    assert np.flatnonzero(gains < 1).tolist() == GOLD
    assert (np.delete(gains, GOLD) == 1).all()
    weakened = outliers.strength(images * gains[:, None, None], MASK)
    assert (weakened[GOLD] < np.median(strength) / 2).all()


def test_the_gain_has_no_step():
    strengths = np.append(np.ones(99), [1.99, 2.01, 4, 100])
    gains = outliers.gains(strengths, np.ones(103, bool))
    assert (gains[:100] == 1).all()
    assert gains[100:] == pytest.approx([2 / 2.01, 0.5, 0.02])
    assert (np.diff(gains[99:] ** 2 * strengths[99:]) < 0.01).all()


def test_images_that_are_not_used_do_not_count():
    images = with_gold()
    images[20:] = 0
    used = np.arange(200) < 20
    strength = outliers.strength(images, MASK)
    assert np.flatnonzero(outliers.gains(strength, used) < 1).tolist() == GOLD[:1]
    used[GOLD[0]] = False
    assert (outliers.gains(strength, used) == 1).all()


@pytest.mark.parametrize("box", [24, 31, 32, 48, 65])
def test_strength_of_coarse_detail_is_its_sum_of_squares(box):
    y, x = np.mgrid[:box, :box] - box // 2
    blob = np.exp(-(x**2 + (y - 1) ** 2) / 18)[None]
    assert outliers.strength(blob, np.ones((box, box))) == pytest.approx((blob**2).sum(), rel=1e-3)
    assert outliers.strength(blob, np.zeros((box, box))) == 0


def test_fine_detail_counts_for_nothing():
    checked = 50 * (np.indices((64, 64)).sum(0) % 2 - 0.5)[None]
    assert outliers.strength(checked, np.ones((64, 64))) < 1e-3
