"""Exhaustive search at low resolution: every reference, mirror, angle and shift."""

from copy import copy

import numpy as np

from ..simd import LANES
from . import coarse_kernels
from .plan import Plan
from .polar import rings_of

BATCH = LANES  # particles that are searched together


class Coarse:
    """Low-resolution references, ready to be tried on particles.

    Parameters
    ----------
    plan : Plan
        Extent of the search.
    transforms : ndarray
        (R, box, box // 2 + 1) complex64, unitary half-plane transforms of the references.
    """

    def __init__(self, plan: Plan, transforms: np.ndarray):
        self.plan, self.rings = plan, rings_of(plan)
        h = self.rings.harmonics(*self.rings.sample(transforms), self.rings.no_ramp)[:, :, 0]
        order = np.concatenate(self.rings.orders)
        area = np.arange(1, self.rings.n + 1) * 2 * np.pi / plan.coarse_angles
        scale = np.where(order == 0, 1, 2)[:, None] / plan.coarse_angles * area
        power = (h.astype(np.float64) ** 2).sum(1) * scale[..., None]
        self.power = power.sum(0).T  # (R, rings): what a template has on each ring, over the full plane
        self._templates = np.ascontiguousarray(
            np.moveaxis(h * scale[:, None, :, None].astype(np.float32), 3, 0)
        )
        self._waves = _waves(order, plan.coarse_angles)

        unlikely = plan.shift_penalty(*plan.shifts.T)
        # By how much each shift is likelier than the farthest: a cost would bring scores below zero (`try_all`).
        self._likely = (unlikely.max() - unlikely).astype(np.float32)
        self._mark = np.int32(2 ** int(np.ceil(np.log2(len(plan.shifts)))) - 1)

    def only(self, references: np.ndarray) -> "Coarse":
        """The search of some of the references alone, (r,) int, which are numbered anew."""
        few = copy(self)
        few.power, few._templates = self.power[references], self._templates[references]
        return few

    def samples(self, y: np.ndarray) -> np.ndarray:
        """What the search takes of particles.

        Parameters
        ----------
        y : ndarray
            (BATCH, box, box // 2 + 1) complex64, matched-filtered transforms.

        Returns
        -------
        ndarray
            (BATCH, 2, half, rings) float32, real and imaginary part on half of each ring.
        """
        return np.stack(self.rings.sample(y), axis=1)

    def peaks(self, samples: np.ndarray, c2: np.ndarray, nbest: int) -> np.ndarray:
        """Best poses of one batch of particles.

        Parameters
        ----------
        samples : ndarray
            (BATCH, 2, half, rings) float32, from `samples`.
        c2 : ndarray
            (BATCH, rings) float32, ring means of C^2 / s2.
        nbest : int
            Peaks to keep of each particle; angles next to a better peak are left out.

        Returns
        -------
        ndarray
            (BATCH, nbest, 4) int32: reference, mirror, angle index, shift index, best first; -1 where there are fewer.
        """
        spectra = self.rings.harmonics(samples[:, 0], samples[:, 1], self.rings.ramps)
        best = np.empty((len(self.power), 1 + self.plan.mirror, self.plan.coarse_angles, BATCH), np.int32)
        rings, even = self.rings.innermost, len(self.rings.orders[0])
        coarse_kernels.try_all(
            spectra, self._templates, rings, self._waves, even, self._likely, self._mark, best
        )
        if not self.plan.rotate:
            best[:, :, 1:] = coarse_kernels.LOWEST
        penalty = 0.5 * (self.power.astype(np.float32) @ c2[:, 1 : self.rings.n + 1].T)
        out = np.empty((BATCH, nbest, 4), np.int32)
        coarse_kernels.pick(best, penalty, self._mark, out)
        return out


def _waves(order: np.ndarray, angles: int) -> np.ndarray:
    """Cosine and sine of harmonics at the angles of a quarter turn, as `coarse_kernels.try_all` takes them.

    The last block may go beyond the quarter turn, and gives some scores twice.
    """
    each = coarse_kernels.ANGLES
    blocks = -(-(angles // 4 + 1) // each)
    phase = 2 * np.pi / angles * np.outer(np.arange(blocks * each), order)
    waves = np.stack([np.cos(phase), np.sin(phase)]).reshape(2, blocks, each, len(order))
    return np.ascontiguousarray(waves.transpose(1, 3, 0, 2), np.float32)
