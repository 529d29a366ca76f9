"""From the options' units (A, pixels of the input) to working pixels."""


def scale(run) -> float:
    """Working pixel size over input pixel size; `run` has box and working_box."""
    return run.box / run.working_box


def mask_radius(options, run) -> float:
    """Radius of the particle's mask in working pixels; `run` has box, working_box and apix."""
    return options.mask_diameter / 2 / (run.apix * scale(run))
