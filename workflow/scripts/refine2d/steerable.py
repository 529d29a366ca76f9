"""What particles show at any angle, and averages made by it.

Particles turned by all angles have a covariance that is known long before any of their poses: it says which
frequencies an image of such particles has together, inside which outline. An average that is filtered by it instead of
by the power of its rings has far less noise, the fewer its members the more. That is steerable principal component
analysis (Zhao & Singer 2013, doi:10.1364/JOSAA.30.000871), here of particles that are turned one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .averagers import Averager
from .eigenimages import eigenimages
from .msa import Basis, Projector
from .particles import ParticleStore
from .transforms import alignment

TURNED = 16  # images of a particle, at some angle each; 4 of 2,000 particles are too few
LEAST, MOST = 8192, 32768  # of these images
VECTORS = 300
GOLDEN = (5**0.5 - 1) / 2  # turns between one particle and the next, which fill the circle evenly


def steerable_basis(store: ParticleStore, rows: np.ndarray, mask_radius: float, run: Callable = map) -> Basis:
    """Principal components of particles at all angles and mirrored, about zero.

    Parameters
    ----------
    store : ParticleStore
    rows : ndarray
        (n,) int.
    mask_radius : float
        Pixels.
    run : callable
        As for `search.align.align`.

    Returns
    -------
    Basis
        Of images; its mean is zero.
    """
    count = max(len(rows), min(max(TURNED * len(rows), LEAST), MOST))
    time, particle = np.divmod(np.arange(count), len(rows))
    angle = particle * GOLDEN + time / (time[-1] + 1)
    turned = alignment(360 * (angle % 1), mirror=time % 2 == 1)
    zero = np.zeros((store.box, store.box), np.float32)
    return eigenimages(store, rows[particle], turned, zero, VECTORS, mask_radius, run=run, sample=count)


@dataclass(frozen=True)
class SteerableAverager(Averager):
    """Averages as the likeliest images under the Gaussian of a steerable basis.

    Attributes
    ----------
    projector : Projector
        Into that basis.
    """

    projector: Projector | None = None

    def finish(self, total: np.ndarray, weight: np.ndarray, floor: np.ndarray | float) -> np.ndarray:
        """As in `Averager`; `floor` is not used."""
        space = self.projector.space
        found = self.projector.project(
            total.sum(0)[None].astype(np.float32), weight.sum(0)[None].astype(np.float32)
        )
        return np.tensordot(found[0], space.vectors, 1)
