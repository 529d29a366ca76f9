"""Particles against references with a comparator of its own for each stage: to search, to refine, to decide."""

from dataclasses import dataclass

import numpy as np

from .comparators import Comparator
from .particles import ParticleStore
from .search import Plan, References, align, best_of_each, peaks, poses, refined


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
    """

    plan: Plan
    search: Comparator
    refine: Comparator
    decide: Comparator

    @property
    def is_likelihood(self) -> bool:
        """Whether each stage takes the log-likelihood gain."""
        return self.plan.local and {c.name for c in (self.search, self.refine, self.decide)} == {"ml"}


class Matcher:
    """References that particles are aligned to.

    Parameters
    ----------
    matching : Matching
    images : ndarray
        (R, L, L) float32, on the particles' scale, zero outside the mask.
    """

    def __init__(self, matching: Matching, images: np.ndarray):
        self.matching, self.images = matching, images
        self.plain = References(matching.plan, images)
        if not matching.is_likelihood:
            self._search, self._refine = self._prepared(matching.search), self._prepared(matching.refine)

    def _prepared(self, comparator: Comparator) -> References:
        if comparator.name == "ml":
            return self.plain
        return References(self.matching.plan, comparator.references(self.images))

    def align(self, store: ParticleStore, rows: np.ndarray, nbest: int = 4, threads: int = 1) -> np.ndarray:
        """Best poses of particles.

        Parameters
        ----------
        store : ParticleStore
        rows : ndarray
            (n,) int.
        nbest : int
            Poses to refine and to decide between.
        threads : int
            The result does not depend on them.

        Returns
        -------
        ndarray
            (n, nbest) ALIGNMENT, best first, each reference once; ``ref`` is -1 and ``score`` -inf for none.
        """
        matching = self.matching
        if matching.is_likelihood:
            return align(self.plain, *store.matched(rows), nbest, threads)
        y, c2 = matching.search.particles(store, rows)
        found = peaks(self._search, y, c2, nbest, threads)
        if not matching.plan.local:
            found = poses(matching.plan, found)
        else:
            if matching.refine != matching.search:
                y, c2 = matching.refine.particles(store, rows)
            found = refined(self._refine, y, c2, found, threads)
        if not matching.plan.local or matching.decide != matching.refine:
            for rank in range(nbest):
                images = self.images[found["ref"][:, rank]]
                found["score"][:, rank] = matching.decide.scores(store, rows, found[:, rank], images)
        return best_of_each(found)
