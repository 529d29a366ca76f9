"""Noise spectra from around the particle."""

import numpy as np
import pytest

from refine2d import fourier, noise

BOX, COUNT = 32, 600
MASK = fourier.soft_mask(BOX, 11)


def coloured(profile, seed):
    white = np.random.default_rng(seed).standard_normal((COUNT, BOX, BOX))
    root = fourier.spread_rings(np.sqrt(profile), BOX, outside=np.sqrt(profile[-1]))
    return fourier.ift(fourier.ft(white) * root, BOX)


def measure(images):
    return noise.finish(noise.noise_power(images, MASK).sum(axis=0), len(images))


def test_white_noise_of_unit_variance_gives_one():
    images = np.random.default_rng(1).standard_normal((COUNT, BOX, BOX))
    outside = np.mean((1 - MASK) ** 2)
    error = np.sqrt(2 / (COUNT * fourier.ring_size(BOX) * outside))
    assert np.all(np.abs(measure(images) - 1)[noise.FIRST_RING :] < 5 * error[noise.FIRST_RING :])
    assert np.allclose(measure(images), 1, atol=0.1)


def test_coloured_noise_is_recovered_beneath_bright_particles():
    rings = np.arange(fourier.nrings(BOX))
    profile = 0.5 + 6 / (1 + rings / 4) ** 2
    particle = 20 * np.where(fourier.radius(BOX) < 9, 1, 0)
    images = coloured(profile, 2)
    assert np.allclose(measure(images + particle), profile, rtol=0.33)  # extrapolated below
    assert np.allclose(measure(images + particle)[noise.FIRST_RING :], profile[noise.FIRST_RING :], rtol=0.08)


def test_low_rings_come_from_the_rings_above():
    images = np.random.default_rng(3).standard_normal((COUNT, BOX, BOX))
    images -= images.mean(axis=(1, 2), keepdims=True)
    assert noise.noise_power(images, np.zeros((BOX, BOX))).sum(axis=0)[0] * noise.UNIT < 1e-3
    assert measure(images)[0] == pytest.approx(1, abs=0.1)


def test_sums_do_not_depend_on_how_the_stack_is_cut():
    images = np.random.default_rng(4).standard_normal((50, BOX, BOX)).astype(np.float32)
    whole = noise.noise_power(images, MASK).sum(axis=0)
    parts = sum(noise.noise_power(part, MASK).sum(axis=0) for part in np.split(images, [3, 20, 41]))
    assert np.array_equal(whole, parts)


def test_noise_is_nowhere_zero():
    images = fourier.ift(np.zeros((3, BOX, BOX // 2 + 1)), BOX)
    assert np.all(measure(images) > 0)
    smooth = coloured(np.where(np.arange(fourier.nrings(BOX)) < 8, 1.0, 0.0), 5)
    assert np.all(measure(smooth) > 1e-4)
