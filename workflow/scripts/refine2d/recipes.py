"""What the options ask averages to be made of."""

import numpy as np

from refine2d.averagers import averager
from refine2d.averaging import Recipe
from refine2d.extent import matching
from refine2d.names import Named, parse
from refine2d.normalizers import NormalizedStore
from refine2d.particles import ParticleStore
from refine2d.working import mask_radius


def centring(options) -> Named:
    """How averages are centred; options are center and centeracf."""
    return parse("center", "xform.centeracf" if options.centeracf else options.center)


def recipe(options, run, reference: np.ndarray | None = None, shift_sigma: float | None = None) -> Recipe:
    """How class averages are made.

    Parameters
    ----------
    options : namespace
        classaverager, center, centeracf, automask, and what `extent.matching` needs.
    run : namespace
        box and working_box (pixels), apix (A) of the input.
    reference : ndarray, optional
        (L, L) float32 whose power the average is brought to.
    shift_sigma : float, optional
        As for `extent.matching`.
    """
    named = parse("classaverager", options.classaverager)
    how = matching(options, run, "class", shift_sigma)
    return Recipe(averager(named), how, centring(options), options.automask, reference)


def store(path, options, run) -> ParticleStore:
    """The particles as they are averaged: through the normalizer of classnormproc, if there is one."""
    named = parse("classnormproc", options.classnormproc)
    return (
        ParticleStore(path)
        if named.name == "none"
        else NormalizedStore(path, named, mask_radius(options, run))
    )
