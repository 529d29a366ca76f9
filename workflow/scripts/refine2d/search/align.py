"""Alignment search: particles against references, exhaustive at low resolution, then local in the full band.

The score is the gain in log-likelihood of a particle over pure noise, with the CTF and the coloured noise of the
particle, and what shifts are expected (Sigworth 1998, doi:10.1006/jsbi.1998.4014; Scheres 2012,
doi:10.1016/j.jmb.2011.11.010).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np

from ..fourier import ft, ring_sum
from ..transforms import alignment
from . import local
from .coarse import BATCH, Coarse
from .plan import Plan
from .templates import Band, rotated

TRIED = 4  # peaks of the exhaustive search for each pose that is wanted
TEMPLATE_BYTES = 512 << 20  # most memory of rotated templates at a time
ALIKE = 16 * BATCH  # most particles that a neighbourhood's references are put together for at a time


class References:
    """References prepared for a search.

    Parameters
    ----------
    plan : Plan
        Extent of the search.
    images : ndarray
        (R, box, box) float32, on the particles' scale, zero outside the mask.
    """

    def __init__(self, plan: Plan, images: np.ndarray):
        self.plan, self.images = plan, np.ascontiguousarray(images, np.float32)
        transforms = ft(self.images)
        self.coarse = Coarse(plan, transforms)
        self.band, self.ramps = _fine(plan)
        self.power = ring_sum(np.abs(transforms) ** 2, plan.box)
        self.power[:, 0] = self.power[:, plan.fine_rings + 1 :] = 0

    def __len__(self) -> int:
        return len(self.images)

    def penalty(self, c2: np.ndarray) -> np.ndarray:
        """Half the power of each reference as each particle would show it: (n, R) float32."""
        return (0.5 * (c2 @ self.power.T)).astype(np.float32)

    def templates(self, run: Callable = map) -> Iterator[tuple[int, np.ndarray]]:
        """Rotated templates block by block: number of the first reference, templates."""
        each = self.plan.fine_angles // 2 * 8 * len(self.band.kx)
        step = max(1, TEMPLATE_BYTES // each)
        if len(self) <= step:
            if not hasattr(self, "_templates"):
                self._templates = rotated(self.images, self.plan, self.band, run)
            yield 0, self._templates
            return
        for first in range(0, len(self), step):
            yield first, rotated(self.images[first : first + step], self.plan, self.band, run)


@dataclass(frozen=True)
class Neighbourhoods:
    """The references that each of some particles is tried on.

    Attributes
    ----------
    of : ndarray
        (n,) int, the particle's row of `references`.
    references : ndarray
        (m, r) int, their numbers, ascending.
    """

    of: np.ndarray
    references: np.ndarray

    def take(self, rows: np.ndarray | slice) -> "Neighbourhoods":
        """Those of some of the particles."""
        return replace(self, of=self.of[rows])


@lru_cache(maxsize=4)
def _fine(plan: Plan) -> tuple[Band, np.ndarray]:
    return (band := Band(plan)), local.ramps(plan, band)


def align(
    references: References, y: np.ndarray, c2: np.ndarray, nbest: int = 3, run: Callable = map
) -> np.ndarray:
    """Find the best poses of particles among all references.

    Parameters
    ----------
    references : References
        Prepared references; their plan says what is searched.
    y : ndarray
        (n, box, box // 2 + 1) complex64, matched-filtered transforms C X / s2 (see `particles.ParticleStore.matched`).
    c2 : ndarray
        (n, rings) float32, ring means of C^2 / s2.
    nbest : int
        Poses to refine wholly; the best one of each reference is returned.
    run : callable
        How a function is applied to each of some batches: `map`, or that of a pool, with the same result.

    Returns
    -------
    ndarray
        (n, nbest) ALIGNMENT, best first; ``ref`` is -1 and ``score`` -inf where fewer references were met.
    """
    found = peaks(references, sampled(references, y, run), c2, TRIED * nbest, run)
    return best_of_each(refined(references, y, c2, found, nbest, run))


def sampled(references: References, y: np.ndarray, run: Callable = map) -> np.ndarray:
    """What the exhaustive search takes of particles, a fraction of their images: arguments as for `align`.

    Returns
    -------
    ndarray
        (n, 2, half, rings) float32, see `coarse.Coarse.samples`.
    """
    rings = references.coarse.rings
    read = np.empty((len(y), 2, rings.half, rings.n), np.float32)

    def read_batch(batch: slice) -> None:
        read[batch] = references.coarse.samples(_filled(y[batch]))[: len(y[batch])]

    list(run(read_batch, _batches(len(y))))
    return read


def peaks(
    references: References,
    samples: np.ndarray,
    c2: np.ndarray,
    count: int = 4,
    run: Callable = map,
    near: Neighbourhoods | None = None,
) -> np.ndarray:
    """The exhaustive search alone.

    Parameters
    ----------
    references, c2, run
        As for `align`.
    samples : ndarray
        From `sampled`.
    count : int
        Peaks to keep of each particle.
    near : Neighbourhoods, optional
        The references that are tried, where they are not all.

    Returns
    -------
    ndarray
        (n, count, 4) int32: reference, mirror, angle index, shift index, best first; -1 where there are fewer.
    """
    found = np.empty((len(samples), count, 4), np.int32)

    def search(batch: slice | np.ndarray, coarse: Coarse) -> None:
        best = coarse.peaks(_filled(samples[batch]), _filled(c2[batch]), count)
        found[batch] = best[: len(c2[batch])]

    def search_near(alike: np.ndarray) -> None:
        numbers = near.references[near.of[alike[0]]]
        coarse = references.coarse.only(numbers)
        for batch in _batches(len(alike)):
            search(alike[batch], coarse)
        found[alike, :, 0] = np.append(numbers, -1)[found[alike, :, 0]]

    if near is None:
        list(run(partial(search, coarse=references.coarse), _batches(len(samples))))
    else:
        list(run(search_near, _alike(near.of)))
    return found


def _filled(batch: np.ndarray) -> np.ndarray:
    """At most BATCH rows, and zeros up to as many."""
    missing = BATCH - len(batch)
    return np.pad(batch, ((0, missing), *[(0, 0)] * (batch.ndim - 1))) if missing else batch


def _alike(of: np.ndarray) -> list[np.ndarray]:
    """Particles of one neighbourhood after another, at most `ALIKE` at a time."""
    order = np.argsort(of, kind="stable")
    cuts = np.flatnonzero(np.diff(of[order])) + 1
    return [
        rows[first : first + ALIKE] for rows in np.split(order, cuts) for first in range(0, len(rows), ALIKE)
    ]


def refined(
    references: References, y: np.ndarray, c2: np.ndarray, peaks: np.ndarray, nbest: int, run: Callable = map
) -> np.ndarray:
    """The local search: a step from each of some `peaks`, and from the `nbest` places that are best then to the end.

    Returns
    -------
    ndarray
        (n, nbest) ALIGNMENT, not in order.
    """
    out = alignment(np.zeros((len(y), nbest)), ref=-1, score=-np.inf)
    if not len(y):
        return out
    walk = local.Walk(references.plan, peaks)

    def go(step: Callable, *result: np.ndarray) -> None:
        def go_batch(batch: slice, first: int, templates: np.ndarray) -> None:
            known = references.plan, references.band, references.ramps, templates, first
            step(*known, y[batch], references.penalty(c2[batch]), walk, batch, *(a[batch] for a in result))

        for first, templates in references.templates(run):
            list(run(partial(go_batch, first=first, templates=templates), _batches(len(y))))

    go(local.first_step)
    walk.keep(nbest)
    go(local.polish, out)
    return out


def poses(plan: Plan, peaks: np.ndarray) -> np.ndarray:
    """The poses of `peaks` on the exhaustive search's grid: (n, count) ALIGNMENT, score 0, or -inf for none."""
    reference, mirror, angle, shift = np.moveaxis(peaks, -1, 0)
    score = np.where(reference < 0, -np.inf, 0)
    x, y = np.moveaxis(plan.shifts[shift], -1, 0)
    return alignment(angle * (360 / plan.coarse_angles), mirror, x, y, reference, score)


def _batches(n: int) -> list[slice]:
    return [slice(k, min(k + BATCH, n)) for k in range(0, n, BATCH)]


def best_of_each(found: np.ndarray) -> np.ndarray:
    """Candidates of each particle, (n, nbest) ALIGNMENT, best first; only the best one of each reference counts."""
    order = np.argsort(-found["score"], axis=1, kind="stable")
    found = np.take_along_axis(found, order, axis=1)
    for m in range(1, found.shape[1]):
        again = (found["ref"][:, :m] == found["ref"][:, m, None]).any(axis=1)
        found["ref"][again, m], found["score"][again, m] = -1, -np.inf
    order = np.argsort(-found["score"], axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)
