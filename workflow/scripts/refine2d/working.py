"""From the options' units (A, pixels of the input) to working pixels."""

from refine2d.search import Plan


def scale(run) -> float:
    """Working pixel size over input pixel size; `run` has box and working_box."""
    return run.box / run.working_box


def mask_radius(options, run) -> float:
    """Radius of the particle's mask in working pixels; `run` has box, working_box and apix."""
    return options.mask_diameter / 2 / (run.apix * scale(run))


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
