import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from refine2d import denoise, msa
from refine2d.fourier import soft_mask

BOX = 32
MASK = soft_mask(BOX, 12, 3)
VARIANCE = 0.6**2 * float((MASK**2).sum()) / 60  # of noise along any component of sixty images


def planted(count, seed=8):
    """Images in a subspace of four smooth components, and the components."""
    rng = np.random.default_rng(seed)
    components = np.stack([gaussian_filter(rng.standard_normal((BOX, BOX)), 2) for _ in range(5)]) * MASK * 50
    weights = rng.standard_normal((count, 4)) * np.array([1, 0.8, 0.6, 0.4])
    return components[0] + np.tensordot(weights, components[1:], 1), components


def with_noise(images, sigma=0.6, seed=9):
    noise = np.random.default_rng(seed).standard_normal(images.shape)
    return (images + sigma * noise * MASK).astype(np.float32)


def error(images, truth):
    return float(((images - truth) ** 2).sum())


def test_averages_together_are_nearer_to_what_they_were_without_noise():
    for count in (12, 60):
        clean, _ = planted(count)
        halves = np.stack([with_noise(clean, seed=seed) for seed in (9, 10)])
        noisy = halves.mean(0)
        noise = denoise.per_component([denoise.energy(pair) for pair in halves.swapaxes(0, 1)])
        assert error(denoise.together(noisy, noise), clean) < 0.7 * error(noisy, clean)


def test_the_energy_of_noise_and_its_variance_along_components_are_told_by_halves():
    clean, _ = planted(40)
    halves = np.stack([with_noise(clean, seed=seed) for seed in (9, 10)])
    energies = [denoise.energy(pair) for pair in halves.swapaxes(0, 1)]
    assert np.mean(energies) == pytest.approx(error(halves.mean(0), clean) / 40, rel=0.05)
    nothing = msa.basis(halves.mean(0) - clean.astype(np.float32), 40).eigval
    assert denoise.per_component(energies) == pytest.approx(nothing.mean(), rel=0.1)


def test_a_few_averages_of_junk_change_little_of_what_counts_as_noise():
    energies = list(np.linspace(20, 40, 17))
    with_junk = denoise.per_component([*energies, 900, 600, 400])
    assert with_junk == pytest.approx(np.mean(energies) / 20, rel=0.1)


def test_averages_without_noise_stay_as_they_are():
    noisy = with_noise(planted(10)[0])
    assert denoise.together(noisy, 0.0) is noisy


def test_an_average_loses_noise_inside_and_beyond_the_space():
    clean, _ = planted(60)
    space = msa.basis(with_noise(clean), 60, noise=VARIANCE)
    truth = planted(1, seed=8)[0]
    halves = with_noise(np.repeat(truth, 2, axis=0), 0.8, seed=11)
    average = halves.mean(0)
    assert error(denoise.by_halves(average, halves, space), truth[0]) < 0.5 * error(average, truth[0])


def test_what_halves_agree_upon_stays_though_the_space_lacks_it():
    clean, components = planted(60)
    space = msa.basis(with_noise(clean), 4, noise=VARIANCE)
    new = gaussian_filter(np.random.default_rng(3).standard_normal((BOX, BOX)), 2) * MASK * 50
    new -= np.tensordot(msa.coordinates(new[None], space), space.vectors, 1)[0]
    truth = components[0] + new
    halves = with_noise(np.repeat(truth[None], 2, axis=0), 0.2, seed=12)
    found = denoise.by_halves(halves.mean(0), halves, space) - components[0]
    assert (found * new).sum() > 0.9 * (new**2).sum()


def test_independent_noise_beyond_the_space_goes():
    space = msa.basis(planted(60)[0].astype(np.float32), 4)
    halves = with_noise(np.zeros((2, BOX, BOX)), 1.0, seed=13) + space.mean
    found = denoise.by_halves(halves.mean(0), halves, space) - space.mean
    assert (found**2).sum() < 0.4 * ((halves.mean(0) - space.mean) ** 2).sum()


def test_one_average_alone_has_no_space():
    one = planted(1)[0].astype(np.float32)
    space = msa.basis(one, 5)
    found = denoise.by_halves(one[0], np.repeat(one, 2, axis=0), space)
    assert np.abs(found - one[0]).max() < 1e-3 * np.abs(one).max()
