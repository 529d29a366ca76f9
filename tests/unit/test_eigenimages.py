"""Principal components of particles: planted ones come back through CTF, poses and noise."""

import numpy as np
import pytest
from naive import spread_of_particles
from test_averaging import BOX, NOISE, Store, picture, table

from refine2d import eigenimages
from refine2d.ctf import ctf
from refine2d.fourier import ft, ift, ring_index, soft_mask
from refine2d.msa import coordinates
from refine2d.transforms import alignment, inverse, undo

APIX, RADIUS, DEVIATIONS = 4.0, 0.4 * BOX, (16.0, 12.0, 8.0)
MASK = soft_mask(BOX, RADIUS)
MEAN = 0.2 * picture() * MASK


def directions():
    """Three orthonormal images inside the mask, of rings that any CTF shows."""
    shown = (ring_index(BOX) > 3) & (ring_index(BOX) < 12)
    images = np.stack([ift(ft(picture(seed)) * shown, BOX) * MASK for seed in (5, 6, 7)]).reshape(3, -1)
    return np.linalg.qr(images.T)[0].T.reshape(3, BOX, BOX).astype(np.float32)


def varied(count, seed=0, noise=NOISE, spread=0.0):
    """Particles that differ along `directions`, in planted poses, with CTF and noise: a store, their poses."""
    rng = np.random.default_rng(seed)
    shares = rng.standard_normal((count, 3)) * DEVIATIONS
    clean = MEAN + np.tensordot(shares, directions(), 1).astype(np.float32)
    poses = alignment(
        rng.uniform(0, 360, count),
        rng.random(count) < 0.5,
        rng.uniform(-2, 2, count),
        rng.uniform(-2, 2, count),
        scale=np.linspace(1 - spread, 1 + spread, count),
    )
    transfer = ctf(table(count, seed), BOX, APIX)
    images = ift(ft(undo(clean, inverse(poses))) * transfer, BOX)
    images = images + np.sqrt(noise) * rng.standard_normal(images.shape).astype(np.float32)
    return Store(images, transfer, noise), poses


def test_planted_components_are_found_with_their_variances():
    store, poses = varied(3000)
    space = eigenimages.eigenimages(store, np.arange(3000), poses, MEAN, 3, RADIUS)
    flat = space.vectors.reshape(3, -1)
    assert flat @ flat.T == pytest.approx(np.eye(3), abs=1e-5)
    overlap = np.abs(flat @ directions().reshape(3, -1).T)
    assert np.diag(overlap).min() > 0.9
    assert np.sqrt(space.eigval) == pytest.approx(DEVIATIONS, rel=0.15)


def test_noise_alone_has_no_variance():
    rng = np.random.default_rng(1)
    count, ones = 1500, np.ones((1500, BOX, BOX // 2 + 1), np.float32)
    images = np.sqrt(NOISE) * rng.standard_normal((count, BOX, BOX)).astype(np.float32)
    store = Store(images, ones)
    none = np.zeros((BOX, BOX), np.float32)
    space = eigenimages.eigenimages(store, np.arange(count), alignment(np.zeros(count)), none, 5, RADIUS)
    assert space.eigval.max() < 0.1 * NOISE


@pytest.mark.parametrize("spread", [0.0, 0.15])
def test_the_space_is_that_of_its_definition(spread):
    store, poses = varied(60, noise=0.5, spread=spread)
    space = eigenimages.eigenimages(store, np.arange(60), poses, MEAN, 4, RADIUS)
    twin = spread_of_particles(store, poses, MEAN, MASK, eigenimages.RINGS)[:4]
    shown = coordinates(space.mean + twin, space)
    assert (shown**2).sum(1) == pytest.approx((twin**2).sum((1, 2)), rel=1e-3)
    assert space.eigval.sum() == pytest.approx((twin**2).sum(), rel=1e-3)


def test_threads_change_no_bit():
    from concurrent.futures import ThreadPoolExecutor

    store, poses = varied(700)
    known = store, np.arange(700), poses, MEAN, 6, RADIUS
    with ThreadPoolExecutor(2) as pool:
        one, two = eigenimages.eigenimages(*known), eigenimages.eigenimages(*known, run=pool.map)
    assert (one.vectors == two.vectors).all() and (one.eigval == two.eigval).all()


def test_the_spiked_model_is_what_samples_show():
    """Variances planted along axes, in as many samples that the ratio of dimensions to them is 0.3."""
    rng, planted, dimensions = np.random.default_rng(2), np.array([8.0, 4.0, 2.0]), 600
    samples = rng.standard_normal((dimensions * 10 // 3, dimensions))
    samples[:, :3] *= np.sqrt(1 + planted)
    eigval, vectors = np.linalg.eigh(samples.T @ samples / len(samples))
    along = [(planted * vectors[:3, -k] ** 2).sum() for k in (1, 2, 3)]
    found = eigenimages.spiked(eigval[::-1], 0.3)
    assert found[:3] == pytest.approx(along, rel=0.15)
    assert (found[5:] < 0.05).all()
