"""How much a particle lacks of its reference: what a picker took for a particle, and is none, lacks all of it."""

import numpy as np

from .fourier import ft, ring_sum

ENOUGH = (
    0.5  # of the contrast: in the best of all poses particles show more, however noisy, empty images less
)
LEAST = 0.5  # of the references' usual power: the average of empty images has less, and is no measure of a particle


class Contrast:
    """Contrast of particles, as their references show it.

    Parameters
    ----------
    references : ndarray
        (R, L, L) float32, zero outside the mask.
    """

    def __init__(self, references: np.ndarray):
        self._references = references
        power = ring_sum(np.abs(ft(references)) ** 2, references.shape[-1])
        self._power, self._least = (
            each.astype(np.float32) for each in (power, LEAST * np.median(power, axis=0))
        )

    def lack(self, images: np.ndarray, c2: np.ndarray, ref: np.ndarray) -> np.ndarray:
        """What particles lack of half their references' contrast, by its maximum likelihood estimate.

        Parameters
        ----------
        images : ndarray
            (n, L, L) float32: matched-filtered particles, brought onto their references.
        c2 : ndarray
            (n, rings) float32.
        ref : ndarray
            (n,) int: the number of each one's reference.

        Returns
        -------
        ndarray
            (n,) float32: 0 for a particle that shows at least half of its reference, up to 1 for one that shows
            nothing of it, as an empty image; 1 for one without information.
        """
        shown = np.einsum("nij,nij->n", images, self._references[ref])
        most = np.maximum((c2 * self._power[ref]).sum(1), c2 @ self._least)
        return np.clip(1 - shown / np.where(most > 0, ENOUGH * most, 1), 0, 1)
