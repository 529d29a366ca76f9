"""Transforms, rings, masks and Fourier cropping."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refine2d import fourier

boxes = pytest.mark.parametrize("box", [16, 17])


@boxes
def test_ft_follows_its_definition(box):
    image = np.random.default_rng(1).standard_normal((box, box))
    assert np.allclose(fourier.ft(image), naive.ft(image), atol=1e-5)


@boxes
def test_ift_inverts_ft(box):
    images = np.random.default_rng(2).standard_normal((3, box, box)).astype(np.float32)
    back = fourier.ift(fourier.ft(images), box)
    assert back.dtype == np.float32
    assert np.allclose(back, images, atol=1e-5)


def test_ft_leaves_its_input_alone():
    images = np.random.default_rng(3).standard_normal((2, 16, 16)).astype(np.float32)
    kept = images.copy()
    fourier.ft(images)
    assert np.array_equal(images, kept)


@boxes
def test_ring_sums_count_the_whole_plane(box):
    image = np.random.default_rng(4).standard_normal((box, box))
    whole = np.abs(np.fft.fft2(np.fft.ifftshift(image)) / box) ** 2
    half = np.abs(fourier.ft(np.stack([image, 2 * image]))) ** 2
    sums = fourier.ring_sum(half, box)
    assert sums.shape == (2, fourier.nrings(box))
    assert np.allclose(sums[0], naive.ring_sum(whole), rtol=1e-5)
    assert np.allclose(sums[1], 4 * sums[0], rtol=1e-5)


@boxes
def test_ring_mean_of_spread_rings_is_the_profile(box):
    profile = np.random.default_rng(5).random((2, fourier.nrings(box)))
    plane = fourier.spread_rings(profile, box, outside=7)
    assert np.allclose(fourier.ring_mean(plane, box), profile)
    assert np.all(plane[..., fourier.ring_index(box) > box // 2] == 7)


def test_white_noise_has_unit_power():
    spectra = fourier.ft(np.random.default_rng(6).standard_normal((200, 32, 32)))
    power = fourier.ring_mean(np.abs(spectra) ** 2, 32).mean(axis=0)
    error = np.sqrt(2 / (200 * fourier.ring_size(32)))
    assert np.all(np.abs(power - 1) < 5 * error)


def waves(box, rng):
    """A real image with whole periods in the box, sampled around the centre pixel."""
    x = (np.arange(box) - box // 2) / box
    terms = [(kx, ky, *rng.standard_normal(2)) for kx in range(-5, 6) for ky in range(6)]
    return sum(
        a * np.cos(2 * np.pi * (kx * x[None] + ky * x[:, None]))
        + b * np.sin(2 * np.pi * (kx * x[None] + ky * x[:, None]))
        for kx, ky, a, b in terms
    )


@pytest.mark.parametrize("box", [32, 33])
@pytest.mark.parametrize("smaller", [16, 17, 12])
def test_crop_resamples_a_band_limited_image_about_its_centre(box, smaller):
    wide = waves(box, np.random.default_rng(7))
    narrow = waves(smaller, np.random.default_rng(7))
    assert np.allclose(fourier.crop(wide, smaller), narrow, atol=1e-4)


@given(st.integers(8, 40), st.integers(0, 20), st.floats(-100, 100))
def test_crop_keeps_grey_values(box, less, grey):
    smaller = max(box - less, 2)
    assert np.allclose(fourier.crop(np.full((box, box), grey), smaller), grey, atol=1e-4)


def test_crop_never_enlarges():
    with pytest.raises(ValueError, match="larger"):
        fourier.crop(np.zeros((8, 8)), 10)


@boxes
def test_mask_is_round_soft_and_centred(box):
    mask = fourier.soft_mask(box, 4, edge_px=2)
    distance = np.hypot(*(np.mgrid[:box, :box] - box // 2))
    assert np.all(mask[distance <= 4] == 1)
    assert np.allclose(mask[distance >= 6], 0)
    assert 0 < mask[box // 2, box // 2 + 5] < 1
    assert np.argmin(fourier.radius(box)) == box // 2 * box + box // 2


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_ring_values_of_a_stretched_image(factor):
    box = 64
    y, x = np.mgrid[:box, :box] - box // 2
    images = [np.exp(-(x**2 + y**2) / (2 * (3.0 * size) ** 2)) for size in (factor, 1.0)]
    large, small = fourier.ring_mean(np.abs(fourier.ft(np.array(images, np.float32))), box)
    found = fourier.stretched(large[None], np.array([factor]))[0]
    np.testing.assert_allclose(found[:12] / found[0], small[:12] / small[0], atol=0.03)


@given(st.floats(4, 600))
def test_good_boxes_are_even_smooth_and_near(wanted):
    box = fourier.good_box(wanted)
    rest = box
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert box % 2 == 0
    assert rest == 1
    assert abs(box - wanted) <= 0.1 * wanted + 1
