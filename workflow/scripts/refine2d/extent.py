"""The extent of a search that the options ask for."""

from refine2d.search import Plan
from refine2d.working import mask_radius, scale


def plan(options, run) -> Plan:
    """The extent of a search.

    Parameters
    ----------
    options : namespace
        mask_diameter (A), maxshift (pixels of the input), mirror.
    run : namespace
        box and working_box (pixels), apix (A) of the input.
    """
    return Plan(run.working_box, mask_radius(options, run), options.maxshift / scale(run), options.mirror)
