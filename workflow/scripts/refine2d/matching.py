"""Particles against references with a comparator of its own for each stage: to search, to refine, to decide."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .comparators import Comparator
from .particles import ParticleStore
from .search.align import (
    TRIED,
    Neighbourhoods,
    References,
    best_of_each,
    peaks,
    poses,
    refined,
    sampled,
)
from .search.plan import Plan
from .transforms import alignment, undo

REFINED = 2  # poses that are refined for each one that is wanted: several may be of one reference
BLOCK = 64  # particles that are filtered at a time, for the search alone


@dataclass(frozen=True)
class Matching:
    """How particles are aligned to references.

    Attributes
    ----------
    plan : Plan
        What is searched.
    search, refine : Comparator
        Of the exhaustive and of the local search.
    decide : Comparator
        Of the poses that were found; its value is the score.
    scales : tuple of float
        How many times larger than the reference the particle's image may be.
    """

    plan: Plan
    search: Comparator
    refine: Comparator
    decide: Comparator
    scales: tuple[float, ...] = (1.0,)

    @property
    def is_likelihood(self) -> bool:
        """Whether each stage takes the log-likelihood gain."""
        return self.plan.local and {c.name for c in (self.search, self.refine, self.decide)} == {"ml"}

    @property
    def is_plain(self) -> bool:
        """Whether that is so, and no scale is searched."""
        return self.is_likelihood and self.scales == (1.0,)


class Matcher:
    """References that particles are aligned to, at each scale of the matching.

    Parameters
    ----------
    matching : Matching
    images : ndarray
        (R, L, L) float32, on the particles' grey scale, zero outside the mask.
    """

    def __init__(self, matching: Matching, images: np.ndarray):
        self.matching, self.images = matching, images
        self._only = OneSize(matching, images) if matching.scales == (1.0,) else None

    def align(
        self,
        store: ParticleStore,
        rows: np.ndarray,
        nbest: int = 3,
        run: Callable = map,
        matched: tuple[np.ndarray, np.ndarray] | None = None,
        found: np.ndarray | None = None,
    ) -> np.ndarray:
        """Best poses of particles.

        Parameters
        ----------
        store : ParticleStore
        rows : ndarray
            (n,) int.
        nbest : int
            Poses to refine, and references to decide between by the best pose of each, at each scale.
        run : callable
            As for `search.align.align`.
        matched : tuple of ndarray, optional
            What `store.matched` says of the rows, where it is known already.
        found : ndarray, optional
            What `search` has found of the rows, where it was said already on which references they are tried.

        Returns
        -------
        ndarray
            (n, nbest) ALIGNMENT, best first, each reference once; ``ref`` is -1 and ``score`` -inf for none.
        """
        best = []
        for number, (scale, references) in enumerate(self._sizes()):
            of_this_size = None if found is None else found[number]
            best.append(references.align(store, rows, nbest, run, matched, of_this_size))
            best[-1]["scale"] = scale
        return best_of_each(np.concatenate(best, axis=1))[:, :nbest]

    def search(
        self, store: ParticleStore, rows: np.ndarray, nbest: int, run: Callable, near: Neighbourhoods
    ) -> np.ndarray:
        """The exhaustive search alone, of particles that are each tried on some of the references.

        Many particles have the same references in common, so that it is faster, the more of them it is given; it
        takes a fraction of their images' memory. Arguments as for `align` and `search.align.peaks`.

        Returns
        -------
        ndarray
            (scales, n, peaks, 4) int32.
        """
        return np.stack([references.search(store, rows, nbest, run, near) for _, references in self._sizes()])

    def penalty(self, c2: np.ndarray, found: np.ndarray) -> np.ndarray:
        """Half the power that each particle would show of its reference in a pose, (n,) ALIGNMENT: (n,) float32."""
        out = np.empty(len(found), np.float32)
        for scale, references in self._sizes():
            mine = found["scale"] == np.float32(scale)
            of_all = references.plain.penalty(c2[mine])
            out[mine] = np.take_along_axis(of_all, found["ref"][mine, None], axis=1)[:, 0]
        return out

    def _sizes(self) -> Iterator[tuple[float, "OneSize"]]:
        """Scales and the references at each; those of one scale are in memory at a time."""
        for scale in self.matching.scales:
            yield scale, self._only or OneSize(self.matching, magnified(self.images, scale))


def magnified(images: np.ndarray, scale: float) -> np.ndarray:
    """Images (n, L, L) `scale` times as large about their centre, in the same box."""
    return undo(images, alignment(np.zeros(len(images)), scale=1 / scale))


class OneSize:
    """References at one scale; parameters as for `Matcher`."""

    def __init__(self, matching: Matching, images: np.ndarray):
        self.matching, self.images = matching, images
        self.plain = References(matching.plan, images)
        self._search, self._refine = self._prepared(matching.search), self._prepared(matching.refine)

    def _prepared(self, comparator: Comparator) -> References:
        if comparator.name == "ml":
            return self.plain
        return References(self.matching.plan, comparator.references(self.images))

    def search(self, store, rows, nbest, run, near) -> np.ndarray:
        """As in `Matcher`, at this scale: (n, peaks, 4) int32."""

        def read(first: int) -> tuple[np.ndarray, np.ndarray]:
            y, c2 = self.matching.search.particles(store, rows[first : first + BLOCK])
            return sampled(self._search, y), c2

        parts = zip(*run(read, range(0, len(rows), BLOCK)), strict=True)
        return peaks(self._search, *map(np.concatenate, parts), TRIED * nbest, run, near)

    def align(self, store, rows, nbest=3, run=map, matched=None, found=None) -> np.ndarray:
        """As in `Matcher`, of these references alone."""
        matching, read_by = self.matching, None

        def read(comparator: Comparator) -> tuple[np.ndarray, np.ndarray]:
            return matched if matched and comparator.name == "ml" else comparator.particles(store, rows)

        if found is None:
            y, c2, read_by = *read(matching.search), matching.search
            found = peaks(self._search, sampled(self._search, y, run), c2, TRIED * nbest, run)
        if matching.plan.local and read_by != matching.refine:
            y, c2 = read(matching.refine)
        if matching.is_likelihood:
            return best_of_each(refined(self.plain, y, c2, found, nbest, run))
        if matching.plan.local:
            found = refined(self._refine, y, c2, found, REFINED * nbest, run)
        else:
            found = poses(matching.plan, found)
        found = best_of_each(found)[:, :nbest]
        if not matching.plan.local or matching.decide != matching.refine or matching.decide.zeromask:
            self._decide(store, rows, found)
        return best_of_each(found)

    def _decide(self, store: ParticleStore, rows: np.ndarray, found: np.ndarray) -> None:
        """Give the pose that each reference was found in the score of the comparator that decides."""
        for rank in range(found.shape[1]):
            met = np.flatnonzero(found["ref"][:, rank] >= 0)
            images = self.images[found["ref"][met, rank]]
            found["score"][met, rank] = self.matching.decide.scores(
                store, rows[met], found[met, rank], images
            )
