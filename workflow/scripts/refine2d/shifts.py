"""How far from the centres of their boxes particles are expected to be.

A search that expects nothing finds noisy particles' shifts all over its disc. The model is RELION's: a Gaussian of one
deviation for all particles and both axes, from the shifts that they have (Scheres 2012, doi:10.1016/j.jmb.2011.11.010).
"""

import numpy as np

TRUE = 0.75  # of the deviation that is seen: noise adds to it, and to the likelihoods
LARGEST = 4  # deviations that the largest shift is, before any are seen
LEAST = 1.0  # working pixels: averages are not centred better than that at first


def expected(alignments: np.ndarray) -> float:
    """Standard deviation of shifts to expect along an axis, in working pixels, from alignments (n,) ALIGNMENT."""
    x, y = (alignments[name].astype(np.float64) for name in ("sx", "sy"))
    return max(LEAST, TRUE * float(np.sqrt(((x**2 + y**2) / 2).mean())))


def expected_at_first(maxshift: float) -> float:
    """The same before any alignment, from the largest shift in working pixels."""
    return max(LEAST, maxshift / LARGEST)
