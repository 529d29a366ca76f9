"""What particles show beyond the MSA space.

Junk is like no average: its point in that space says little and falls among those of good particles, but much of it is
left outside the space. That is the residual of multivariate process control (Jackson & Mudholkar 1979,
doi:10.1080/00401706.1979.10489779).
"""

import numpy as np

from .fourier import ft, plane_weights, ring_index, soft_mask
from .msa import Basis
from .search.plan import Plan


class Residual:
    """Power of particles that their points in a subspace leave unexplained, in the band of the exhaustive search.

    Parameters
    ----------
    space : Basis
        Vectors and mean of shape (L, L), masked.
    plan : Plan
    """

    def __init__(self, space: Basis, plan: Plan):
        rings, box = plan.coarse_rings, plan.box
        ring = ring_index(box)
        self._at = np.flatnonzero((ring > 0) & (ring <= rings))
        self._ring = ring.ravel()[self._at]
        self._sum = (
            np.eye(rings + 1, dtype=np.float32)[self._ring] * plane_weights(box).ravel()[self._at, None]
        )
        self._mask = soft_mask(box, plan.mask_radius)
        self._mean, self._vectors = self._low(space.mean[None]), self._low(space.vectors)
        power = np.abs(self._mean[0]) ** 2 + space.eigval @ np.abs(self._vectors) ** 2
        size = self._sum.sum(0)
        self._power = power @ self._sum / np.maximum(size, 1)
        self._signal, self._noise = self._power * size, (self._mask**2).mean() * size

    def _low(self, images: np.ndarray) -> np.ndarray:
        return ft(images).reshape(len(images), -1)[:, self._at]

    def share(self, images: np.ndarray, c2: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Unexplained power, in units of what an average has on average.

        Rings are weighted as the test that tells a weak signal with the averages' spectrum from noise best.

        Parameters
        ----------
        images : ndarray
            (n, L, L) float32: matched-filtered particles, brought onto their references.
        c2 : ndarray
            (n, rings) float32.
        coefficients : ndarray
            (n, nbasis) float32 points of the space.

        Returns
        -------
        ndarray
            (n,) float32: 0, give or take noise, where all is explained, and for an image without information; about 1
            for something as strong as a particle that is like no average.
        """
        c2 = c2[:, : len(self._power)]
        expected = (self._mean + coefficients @ self._vectors) * c2[:, self._ring]
        left = np.abs(self._low(images * self._mask) - expected) ** 2 @ self._sum - c2 * self._noise
        weight = self._power / (1 + c2 * self._power)
        most = (weight * c2**2 * self._signal).sum(1)
        return ((weight * left).sum(1) / np.where(most > 0, most, 1)).astype(np.float32)
