"""Exhaustive search at low resolution: every reference, mirror, angle and shift, as a few matrix products."""

from copy import copy

import numpy as np

from ..jit import njit
from .plan import Plan
from .polar import rings_of

BATCH = 16  # particles a matrix product; fixed, so that results never depend on how work is split
LOWEST = np.int32(-(2**31))
REFERENCES = 4  # references a matrix product: what it makes fits into a core's own cache


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
        h = self.rings.harmonics(*self.rings.sample(transforms), self.rings.no_ramp)[..., 0, :]
        order = np.concatenate(self.rings.orders)
        area = np.arange(1, self.rings.n + 1) * 2 * np.pi / plan.coarse_angles
        scale = np.where(order == 0, 1, 2)[:, None] / plan.coarse_angles * area
        power = (h.astype(np.float64) ** 2).sum(1) * scale[..., None]
        self.power = power.sum(0).T  # (R, rings): what a template has on each ring, over the full plane
        h = np.moveaxis(h, 3, 1) * scale[:, None, None].astype(np.float32)
        cos, sin = h[:, :, 0], h[:, :, 1]  # each (harmonics, R, rings)
        sign = np.where(order % 2 == 0, 1, -1).astype(np.float32)[:, None, None]
        cos = np.stack([cos, sign * cos][: 1 + plan.mirror], 2)
        sin = np.stack([sin, -sign * sin][: 1 + plan.mirror], 2)
        self._templates = np.stack([np.concatenate([cos, sin], 3), np.concatenate([-sin, cos], 3)], 1)
        self._blocks = _blocks(self._templates)
        angle = 2 * np.pi * np.arange(plan.coarse_angles // 4 + 1) / plan.coarse_angles
        self._waves = [
            wave(np.outer(angle, orders)).astype(np.float32)
            for orders in self.rings.orders
            for wave in (np.cos, np.sin)
        ]

        unlikely = plan.shift_penalty(*plan.shifts.T)
        # By how much each shift is likelier than the farthest: a cost would bring scores below zero (`_best_shift`).
        self._likely = np.repeat(unlikely.max() - unlikely, BATCH).astype(np.float32)

    def only(self, references: np.ndarray) -> "Coarse":
        """The search of some of the references alone, (r,) int, which are numbered anew."""
        few = copy(self)
        few.power, few._blocks = self.power[references], _blocks(self._templates[:, :, references])
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
        mirrors, angles, shifts = 1 + self.plan.mirror, self.plan.coarse_angles, len(self.plan.shifts)
        spectra = self.rings.harmonics(samples[:, 0], samples[:, 1], self.rings.ramps)
        spectra = spectra.reshape(self.plan.harmonics, 2 * self.rings.n, -1)
        penalty = 0.5 * (c2[:, 1 : self.rings.n + 1] @ self.power.T.astype(np.float32))
        best = np.empty((angles, mirrors * len(self.power), BATCH), np.float32)
        where = np.empty(best.shape, np.int32)
        done = 0
        for templates in self._blocks:
            products = np.matmul(templates, spectra).reshape(self.plan.harmonics, 2, -1, shifts * BATCH)
            products[0, 0] += self._likely  # harmonic 0 counts alike at all angles
            _best_shift(self._quarters(products), best, where, done)
            done += products.shape[2]
        best -= np.repeat(penalty.T, mirrors, axis=0)
        if not self.plan.rotate:
            best[1:] = -np.inf
        out = np.empty((BATCH, nbest, 4), np.int32)
        _pick(best, where, mirrors, out)
        return out

    def _quarters(self, products: np.ndarray) -> np.ndarray:
        """Even cosine, even sine, odd cosine and odd sine sums at the angles of the first quarter turn.

        Their sums and differences are the scores at all angles, for a quarter of the work.
        """
        _, _, templates, columns = products.shape
        even = len(self.rings.orders[0])
        parts = products[:even, 0], products[:even, 1], products[even:, 0], products[even:, 1]
        out = np.empty((4, len(self._waves[0]), templates * columns), np.float32)
        for wave, part, sums in zip(self._waves, parts, out, strict=True):
            np.matmul(wave, part.reshape(len(part), -1), out=sums)
        return out.reshape(4, -1, templates, columns)


def _blocks(templates: np.ndarray) -> list[np.ndarray]:
    """Templates (harmonics, 2, R, mirrors, 2 rings), cut for the matrix products."""
    cuts = range(0, templates.shape[2], REFERENCES)
    return [
        templates[:, :, k : k + REFERENCES].reshape(len(templates), -1, templates.shape[-1]) for k in cuts
    ]


@njit(nogil=True, cache=True, fastmath=True)
def _best_shift(quarters, best, where, first):
    """Best shift of each template at each angle, for a batch of particles side by side.

    The lowest bits of each score's mantissa give way to the shift's number, so that one maximum finds both. A maximum
    below zero comes out lower than it is, which no peak is.
    """
    _, count, templates, columns = quarters.shape
    angles, half, n = best.shape[0], best.shape[0] // 2, best.shape[2]
    shifts = columns // n
    power = 1
    while power < shifts:
        power *= 2
    number = np.int32(power - 1)
    shift = np.empty(columns, np.int32)
    for k in range(columns):
        shift[k] = k // n
    scores = np.full((4, power * n), LOWEST, np.int32)
    for a in range(count):
        at = (a, -a % angles, half - a, half + a)
        for t in range(templates):
            even_cos, even_sin, odd_cos, odd_sin = (
                quarters[0, a, t],
                quarters[1, a, t],
                quarters[2, a, t],
                quarters[3, a, t],
            )
            for k in range(columns):
                scores[0, k] = _marked(
                    (even_cos[k] + odd_cos[k]) + (even_sin[k] + odd_sin[k]), number, shift[k]
                )
            for k in range(columns):
                scores[1, k] = _marked(
                    (even_cos[k] + odd_cos[k]) - (even_sin[k] + odd_sin[k]), number, shift[k]
                )
            for k in range(columns):
                scores[2, k] = _marked(
                    (even_cos[k] - odd_cos[k]) - (even_sin[k] - odd_sin[k]), number, shift[k]
                )
            for k in range(columns):
                scores[3, k] = _marked(
                    (even_cos[k] - odd_cos[k]) + (even_sin[k] - odd_sin[k]), number, shift[k]
                )
            for part in range(4):
                row = scores[part]
                size = power * n // 2
                while size >= n:
                    for k in range(size):
                        row[k] = max(row[k], row[k + size])
                    size //= 2
                for i in range(n):
                    where[at[part], first + t, i] = row[i] & number
                for i in range(n):
                    best[at[part], first + t, i] = np.int32(row[i] & ~number).view(np.float32)
                row[columns:] = LOWEST


@njit(nogil=True, inline="always")
def _marked(score, number, shift):
    return (np.float32(score).view(np.int32) & ~number) | shift


@njit(nogil=True, cache=True)
def _pick(best, where, mirrors, out):
    angles, templates, n = best.shape
    row_top = np.full((templates, n), -np.inf, np.float32)
    for a in range(angles):
        for t in range(templates):
            for i in range(n):
                row_top[t, i] = max(row_top[t, i], best[a, t, i])
    for i in range(n):
        for m in range(out.shape[1]):
            t = np.argmax(row_top[:, i])
            if row_top[t, i] == -np.inf:
                out[i, m] = -1
                continue
            a = np.argmax(best[:, t, i])
            out[i, m, 0], out[i, m, 1] = t // mirrors, t % mirrors
            out[i, m, 2], out[i, m, 3] = a, where[a, t, i]
            for d in range(-3, 4):
                best[(a + d) % angles, t, i] = -np.inf
            row_top[t, i] = best[:, t, i].max()
