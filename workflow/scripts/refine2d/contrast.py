"""How much a particle lacks of its reference: what a picker took for a particle, and is none, lacks all of it."""

import numpy as np

from .fourier import ft, ring_sum

ENOUGH = 0.5  # of the contrast: in the best of all poses noisy particles show more, empty images less
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
        self._power = ring_sum(np.abs(ft(references)) ** 2, references.shape[-1]).astype(np.float32)
        self._least = LEAST * np.median(self._power, axis=0)

    def lack(self, images: np.ndarray, c2: np.ndarray, ref: np.ndarray) -> np.ndarray:
        """What particles lack of half their references' contrast.

        Contrast is the factor before the reference that the likelihood of the particle is largest with (the model is
        that of the alignment: Sigworth 1998, doi:10.1006/jsbi.1998.4014).

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
