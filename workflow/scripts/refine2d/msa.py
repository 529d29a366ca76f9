"""Multivariate statistical analysis: a subspace of images, and particles in it with CTF and noise allowed for."""

from dataclasses import dataclass

import numpy as np

from .fourier import ft, ring_sum


@dataclass
class Basis:
    """A linear subspace: a point of it is ``mean + coefficients @ vectors``.

    Attributes
    ----------
    mean : ndarray
        (d,) or (L, L) float32.
    vectors : ndarray
        (nbasis, ...) float32, orthonormal, largest variance first; the largest entry of each is positive.
    eigval : ndarray
        (nbasis,) float64 variance along each vector.
    explvarfrac : ndarray
        (nbasis,) float64 share of all variance.
    noise : float
        Variance that noise alone has along any vector.
    """

    mean: np.ndarray
    vectors: np.ndarray
    eigval: np.ndarray
    explvarfrac: np.ndarray
    noise: float = 0.0

    @property
    def signal(self) -> np.ndarray:
        """(nbasis,) float64 variance along each vector without the noise's, at least a fiftieth of the whole.

        The maximum-likelihood estimate of probabilistic principal components (Tipping & Bishop 1999,
        doi:10.1111/1467-9868.00196).
        """
        return np.maximum(self.eigval - self.noise, 0.02 * self.eigval)


def basis(points: np.ndarray, nvectors: int, noise: float = 0.0) -> Basis:
    """Principal components of points by a full, sign-fixed singular value decomposition.

    Parameters
    ----------
    points : ndarray
        (n, d) or (n, L, L) float32; images are masked already.
    nvectors : int
        Number of vectors; fewer are returned where the points span fewer dimensions.
    noise : float
        Of the result.

    Returns
    -------
    Basis
        Vectors and mean have the shape of a point.
    """
    shape = points.shape[1:]
    flat = points.reshape(len(points), -1).astype(np.float64)
    mean = flat.mean(0)
    _, s, vectors = np.linalg.svd(flat - mean, full_matrices=False)
    variance = s**2 / len(flat)
    spanned = int((s > s[0] * 1e-6).sum()) if s[0] > 0 else 0
    count = max(1, min(nvectors, spanned))
    vectors = signed(vectors[:count])
    share = variance[:count] / max(variance.sum(), 1e-300)
    return Basis(
        mean.reshape(shape).astype(np.float32),
        vectors.reshape(count, *shape).astype(np.float32),
        variance[:count],
        share,
        noise,
    )


def signed(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d), the largest entry of each positive."""
    return vectors * np.sign(vectors[np.arange(len(vectors)), np.abs(vectors).argmax(1)])[:, None]


def coordinates(points: np.ndarray, space: Basis) -> np.ndarray:
    """Coefficients of complete, noise-free points: (n, nbasis) float32."""
    flat = (points - space.mean).reshape(len(points), -1)
    return flat @ space.vectors.reshape(len(space.vectors), -1).T


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, d) at unit length, float32; zero stays zero."""
    length = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))[:, None]
    return np.divide(vectors, np.where(length > 0, length, 1), dtype=np.float32)


class Projector:
    """Posterior means of particles in a subspace of images.

    A particle is ``C (mean + sum v_b b) + noise``; with the prior variance of each coefficient from the basis
    (`Basis.signal`), its posterior mean solves ``(G + 1/signal) v = <b, back(Y)> - <b, C^2/s2 mean>`` with
    ``G_ab = sum over rings of c2 <a, b>``, the Wiener form of probabilistic principal components (Tipping & Bishop
    1999, doi:10.1111/1467-9868.00196).

    Parameters
    ----------
    space : Basis
        Vectors and mean of shape (L, L), masked.
    """

    def __init__(self, space: Basis):
        self.space, box = space, space.mean.shape[-1]
        self._flat = space.vectors.reshape(len(space.vectors), -1)
        transforms = ft(np.concatenate([space.vectors, space.mean[None]]))
        n = len(space.vectors)
        rows = [ring_sum((np.conj(t) * transforms).real, box) for t in transforms[:n]]
        gram = np.stack(rows)  # (nbasis, nbasis + 1, rings)
        self._gram = np.ascontiguousarray(
            np.moveaxis(gram[:, :n], 2, 0).reshape(gram.shape[2], -1), np.float32
        )
        self._mean = np.ascontiguousarray(gram[:, n].T, np.float32)
        self._prior = np.diag(1 / np.maximum(space.signal, 1e-12)).astype(np.float32)

    def _information(self, c2: np.ndarray) -> np.ndarray:
        n = len(self._flat)
        return (c2 @ self._gram).reshape(-1, n, n)

    def project(self, images: np.ndarray, c2: np.ndarray) -> np.ndarray:
        """Posterior mean coefficients.

        Parameters
        ----------
        images : ndarray
            (n, L, L) float32: matched-filtered particles, brought onto their references.
        c2 : ndarray
            (n, rings) float32.

        Returns
        -------
        ndarray
            (n, nbasis) float32.
        """
        data = images.reshape(len(images), -1) @ self._flat.T - c2 @ self._mean
        return np.linalg.solve(self._information(c2) + self._prior, data[..., None])[..., 0]

    def shrunken(self, coefficients: np.ndarray, c2: np.ndarray) -> np.ndarray:
        """What particles at the given coefficients come out at on average.

        Parameters
        ----------
        coefficients : ndarray
            (K, nbasis).
        c2 : ndarray
            (rings,) mean over the particles.

        Returns
        -------
        ndarray
            (K, nbasis) float32.
        """
        information = self._information(c2[None])[0]
        return np.linalg.solve(information + self._prior, information @ coefficients.T).T.astype(np.float32)
