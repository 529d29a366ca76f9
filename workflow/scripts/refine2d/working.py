"""The working size: its box, and the options' units (A, pixels of the input) in its pixels."""

import numpy as np

from refine2d import fourier
from refine2d.errors import UserError


def working_box(box: int, apix: float, shrink: float | str = "auto") -> int:
    """Box for the alignment, always even and never larger than the input's.

    Parameters
    ----------
    box, apix : int, float
        Input box in pixels, pixel size in Angstrom.
    shrink : float or 'auto'
        Factor to reduce images by; 'auto' aims at 4 Angstrom per pixel and 48 to 128 pixels.

    Raises
    ------
    UserError
        For a factor below 1 or a result of fewer than 16 pixels.
    """
    even = box - box % 2
    if shrink == "auto":
        wanted = np.clip(box * apix / 4, 48, 128)
    else:
        if not shrink >= 1:
            raise UserError(
                f"shrink is {shrink}, but images are never enlarged: give auto or a number from 1."
            )
        wanted = box / shrink
    small = even if wanted >= even else min(fourier.good_box(wanted), even)
    if small < 16:
        raise UserError(f"shrink leaves a box of {small} pixels, too small to align: use a smaller shrink.")
    return small


def scale(run) -> float:
    """Working pixel size over input pixel size; `run` has box and working_box."""
    return run.box / run.working_box


def mask_radius(options, run) -> float:
    """Radius of the particle's mask in working pixels; `run` has box, working_box and apix."""
    return options.mask_diameter / 2 / (run.apix * scale(run))
