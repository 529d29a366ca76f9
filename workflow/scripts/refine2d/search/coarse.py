"""Exhaustive search at low resolution: every reference, mirror, angle and shift, as a few matrix products."""

import numpy as np

from ..jit import njit
from .plan import Plan
from .polar import rings_of

BATCH = 16  # particles a matrix product; fixed, so that results never depend on how work is split
REFERENCES = 8  # references a matrix product: keeps the products inside the cache


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
        h = self.rings.harmonics(*self.rings.sample(transforms), self.rings.no_ramp)[..., 0]
        order = np.concatenate(self.rings.orders)
        area = np.arange(1, self.rings.n + 1) * 2 * np.pi / plan.coarse_angles
        scale = np.where(order == 0, 1, 2)[:, None] / plan.coarse_angles * area
        power = (h.astype(np.float64) ** 2).sum(1) * scale[..., None]
        self.power = power.sum(0).T  # (R, rings): what a template has on each ring, over the full plane
        h = np.moveaxis(h, 3, 1) * scale[:, None, None].astype(np.float32)
        cos, sin = h[:, :, 0], h[:, :, 1]  # each (harmonics, R, rings)
        if plan.mirror:
            sign = np.where(order % 2 == 0, 1, -1).astype(np.float32)[:, None, None]
            cos = np.stack([cos, sign * cos], 2).reshape(len(order), -1, self.rings.n)
            sin = np.stack([sin, -sign * sin], 2).reshape(len(order), -1, self.rings.n)
        templates = np.stack([np.concatenate([cos, sin], 2), np.concatenate([-sin, cos], 2)], 1)
        step = REFERENCES * (1 + plan.mirror)
        self._blocks = [
            np.ascontiguousarray(templates[:, :, k : k + step]).reshape(len(order), -1, 2 * self.rings.n)
            for k in range(0, templates.shape[2], step)
        ]
        angle = 2 * np.pi * np.arange(plan.coarse_angles // 4 + 1) / plan.coarse_angles
        self._waves = [
            wave(np.outer(angle, orders)).astype(np.float32)
            for orders in self.rings.orders
            for wave in (np.cos, np.sin)
        ]

    def peaks(self, y: np.ndarray, c2: np.ndarray, nbest: int) -> np.ndarray:
        """Best poses of one batch of particles.

        Parameters
        ----------
        y : ndarray
            (BATCH, box, box // 2 + 1) complex64, matched-filtered transforms.
        c2 : ndarray
            (BATCH, rings) float32, ring means of C^2 / s2.
        nbest : int
            Peaks to keep of each particle; angles next to a better peak are left out.

        Returns
        -------
        ndarray
            (BATCH, nbest, 4) int32: reference, mirror, angle index, shift index, best first; -1 where there are fewer.
        """
        mirrors, angles, shifts = 1 + self.plan.mirror, self.plan.coarse_angles, len(self.plan.shifts)
        spectra = self.rings.harmonics(*self.rings.sample(y), self.rings.ramps)
        spectra = spectra.reshape(self.plan.harmonics, 2 * self.rings.n, -1)
        penalty = 0.5 * (c2[:, 1 : self.rings.n + 1] @ self.power.T.astype(np.float32))
        best = np.empty((BATCH, mirrors * len(self.power), angles), np.float32)
        where = np.empty(best.shape, np.int32)
        done = 0
        for templates in self._blocks:
            count = templates.shape[1] // 2
            products = np.matmul(templates, spectra)
            quarters = self._quarters(products.reshape(self.plan.harmonics, 2, -1))
            _best_shift(quarters.reshape(4, -1, count, BATCH, shifts), best, where, done)
            done += count
        best -= np.repeat(penalty, mirrors, axis=1)[:, :, None]
        if not self.plan.rotate:
            best[:, :, 1:] = -np.inf
        out = np.empty((BATCH, nbest, 4), np.int32)
        _pick(best, where, mirrors, out)
        return out

    def _quarters(self, products: np.ndarray) -> np.ndarray:
        """Even cosine, even sine, odd cosine and odd sine sums at the angles of the first quarter turn.

        Their sums and differences are the scores at all angles, for a quarter of the work.
        """
        even = len(self.rings.orders[0])
        parts = products[:even, 0], products[:even, 1], products[even:, 0], products[even:, 1]
        out = np.empty((4, len(self._waves[0]), products.shape[2]), np.float32)
        for wave, part, sums in zip(self._waves, parts, out, strict=True):
            np.matmul(wave, part, out=sums)
        return out


@njit(nogil=True, cache=True, fastmath=True)
def _best_shift(quarters, best, where, first):
    """Best shift of each template at each angle.

    The lowest bits of each score's mantissa give way to the shift's number, so that one maximum finds both. A maximum
    below zero comes out lower than it is, which no peak is.
    """
    _, count, templates, n, shifts = quarters.shape
    angles, half = best.shape[2], best.shape[2] // 2
    number = np.int32(1)
    while number < shifts:
        number *= np.int32(2)
    number -= np.int32(1)
    scores, top = np.empty((4, shifts), np.float32), np.empty(4, np.float32)
    bits, top_bits = scores.view(np.int32), top.view(np.int32)
    for a in range(count):
        at = (a, -a % angles, half - a, half + a)
        for t in range(templates):
            for i in range(n):
                even_cos, even_sin = quarters[0, a, t, i], quarters[1, a, t, i]
                odd_cos, odd_sin = quarters[2, a, t, i], quarters[3, a, t, i]
                for s in range(shifts):
                    p, q = even_cos[s] + odd_cos[s], even_sin[s] + odd_sin[s]
                    u, v = even_cos[s] - odd_cos[s], even_sin[s] - odd_sin[s]
                    scores[0, s], scores[1, s], scores[2, s], scores[3, s] = p + q, p - q, u - v, u + v
                for part in range(4):
                    row = bits[part]
                    most = np.int32(-(2**31))
                    for s in range(shifts):
                        most = max(most, (row[s] & ~number) | np.int32(s))
                    top_bits[part] = most & ~number
                    best[i, first + t, at[part]] = top[part]
                    where[i, first + t, at[part]] = most & number


@njit(nogil=True, cache=True)
def _pick(best, where, mirrors, out):
    n, templates, angles = best.shape
    for i in range(n):
        row_top = np.empty(templates, np.float32)
        for t in range(templates):
            row_top[t] = best[i, t].max()
        for m in range(out.shape[1]):
            t = np.argmax(row_top)
            if row_top[t] == -np.inf:
                out[i, m] = -1
                continue
            a = np.argmax(best[i, t])
            out[i, m, 0], out[i, m, 1] = t // mirrors, t % mirrors
            out[i, m, 2], out[i, m, 3] = a, where[i, t, a]
            for d in range(-3, 4):
                best[i, t, (a + d) % angles] = -np.inf
            row_top[t] = best[i, t].max()
