"""Exhaustive search at low resolution: every reference, mirror, angle and shift."""

from copy import copy
from functools import lru_cache

import numpy as np

from ..simd import LANES
from .coarse_kernels import EACH, LOWEST, Grid, pick, try_all
from .plan import Plan
from .polar import rings_of

BATCH = LANES  # particles searched together; fixed, so that results never depend on how work is split


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
        self.plan, self.rings, self._grid = plan, rings_of(plan), grid_of(plan)
        h = self.rings.harmonics(*self.rings.sample(transforms))
        order = np.concatenate(self.rings.orders)
        area = np.arange(1, self.rings.n + 1) * 2 * np.pi / plan.coarse_angles
        scale = np.where(order == 0, 1, 2)[:, None] / plan.coarse_angles * area
        # what a template has on each ring, over the full plane: (R, rings)
        self.power = ((h.astype(np.float64) ** 2).sum(2) * scale).sum(1)
        self._templates = h * scale[:, None].astype(np.float32)

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
        best = np.empty((len(self.power), 1 + self.plan.mirror, self.plan.coarse_angles, BATCH), np.int32)
        try_all(np.ascontiguousarray(samples.T), self._templates, self._grid, best)
        if not self.plan.rotate:
            best[:, :, 1:] = LOWEST
        penalty = 0.5 * (self.power.astype(np.float32) @ c2[:, 1 : self.rings.n + 1].T)
        out = np.empty((BATCH, nbest, 4), np.int32)
        pick(best, penalty, self._grid.mark, out)
        return out


@lru_cache(maxsize=4)
def grid_of(plan: Plan) -> Grid:
    """What the kernels take of a plan."""
    rings, angles = rings_of(plan), plan.coarse_angles
    quarter = angles // 4 + 1
    orders = [np.pad(orders, (0, -len(orders) % EACH)).reshape(-1, EACH) for orders in rings.orders]
    a = np.arange(quarter + -quarter % EACH)
    unlikely = plan.shift_penalty(*plan.shifts.T)
    return Grid(
        ramps=rings.ramps,
        analysis=2 * _waves(np.arange(quarter), np.concatenate(orders), angles),
        synthesis=_waves(np.concatenate(rings.orders), a.reshape(-1, EACH), angles),
        places=LANES * (np.stack([a, -a, angles // 2 - a, angles // 2 + a], axis=1) % angles),
        even=len(rings.orders[0]),
        innermost=rings.innermost,
        # By how much each is likelier than the farthest: a cost would bring scores below zero (`try_all`).
        likely=(unlikely.max() - unlikely).astype(np.float32),
        mark=np.int32((1 << (len(plan.shifts) - 1).bit_length()) - 1),
    )


def _waves(rows: np.ndarray, blocks: np.ndarray, angles: int) -> np.ndarray:
    """Cosine and sine of harmonics (n,) at turns (blocks, EACH), or at turns of harmonics: (blocks, n, 2, EACH)."""
    phase = 2 * np.pi / angles * rows[:, None] * blocks[:, None]
    return np.ascontiguousarray(np.stack([np.cos(phase), np.sin(phase)], axis=2), np.float32)
