import naive
import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.decomposition import PCA

from refine2d import msa
from refine2d.fourier import ft, ift, nrings, soft_mask, spread_rings


def pictures(count, box=32, seed=0):
    rng = np.random.default_rng(seed)
    images = np.stack([gaussian_filter(rng.standard_normal((box, box)), 1.5) for _ in range(count)])
    return (images * soft_mask(box, 11, 3) * 20).astype(np.float32)


def test_basis_is_that_of_scikit_learn_with_fixed_signs():
    points = pictures(12)
    space = msa.basis(points, 6)
    theirs = PCA(6, svd_solver="full").fit(points.reshape(12, -1))
    ours = space.vectors.reshape(6, -1)
    assert np.allclose(np.abs((ours * theirs.components_).sum(1)), 1, atol=1e-3)
    assert np.allclose(space.explvarfrac, theirs.explained_variance_ratio_, rtol=1e-3)
    assert np.allclose(space.eigval, theirs.explained_variance_ * 11 / 12, rtol=1e-3)
    assert (ours[np.arange(6), np.abs(ours).argmax(1)] > 0).all()
    assert np.allclose(ours @ ours.T, np.eye(6), atol=1e-5)


def test_signal_is_what_noise_leaves_of_the_variance():
    """Points in a planted 3-dimensional subspace, with isotropic noise of known variance."""
    rng = np.random.default_rng(7)
    axes = np.linalg.qr(rng.standard_normal((400, 3)))[0].T
    planted = np.array([50.0, 20.0, 8.0])
    points = (rng.standard_normal((300, 3)) * np.sqrt(planted)) @ axes + 0.1 * rng.standard_normal((300, 400))
    space = msa.basis(points.astype(np.float32), 6, noise=0.01)
    assert np.allclose(space.signal[:3], planted, rtol=0.25)
    assert (space.signal[3:] < 0.05 * space.signal[2]).all()
    assert (msa.basis(points.astype(np.float32), 6).signal == space.eigval).all()


def test_more_vectors_than_points_gives_what_there_is():
    assert len(msa.basis(pictures(4), 10).vectors) == 3
    assert len(msa.basis(np.repeat(pictures(1), 5, axis=0), 10).vectors) == 1


def test_coordinates_rebuild_the_points():
    points = pictures(8)
    space = msa.basis(points, 8)
    rebuilt = space.mean + np.tensordot(msa.coordinates(points, space), space.vectors, 1)
    assert np.allclose(rebuilt, points, atol=1e-3)


def test_projection_is_the_naive_posterior_mean():
    points = pictures(7)
    space = msa.basis(points, 4)
    rng = np.random.default_rng(3)
    images = rng.standard_normal((5, 32, 32)).astype(np.float32)
    c2 = rng.uniform(0.01, 2, (5, nrings(32))).astype(np.float32)
    c2[:, 0] = c2[:, -1] = 0
    got = msa.Projector(space).project(images, c2)
    for mine, image, weights in zip(got, images, c2, strict=True):
        theirs = naive.posterior_mean(image, space.mean, space.vectors, space.signal, weights)
        assert np.allclose(mine, theirs, rtol=2e-3, atol=2e-3 * np.abs(theirs).max())


def test_planted_coefficients_come_back_through_the_ctf():
    space = msa.basis(pictures(9), 5)
    rng = np.random.default_rng(4)
    truth = rng.standard_normal((6, 5)) * np.sqrt(space.eigval)
    clean = (space.mean + np.tensordot(truth, space.vectors, 1)).astype(np.float32)
    c2 = rng.uniform(50, 100, (6, nrings(32))).astype(np.float32)
    c2[:, 0] = c2[:, -1] = 0
    seen = ift(ft(clean) * spread_rings(c2, 32), 32)
    projector = msa.Projector(space)
    got = projector.project(seen, c2)
    expected = np.concatenate([projector.shrunken(t[None], w) for t, w in zip(truth, c2, strict=True)])
    assert np.allclose(got, expected, atol=0.02 * np.abs(truth).max())
    assert np.corrcoef(got.ravel(), truth.ravel())[0, 1] > 0.99
