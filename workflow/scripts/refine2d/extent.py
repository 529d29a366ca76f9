"""What the options ask the search for: its extent, by the aligners' names, and its comparators."""

from dataclasses import replace

from refine2d.comparators import comparator
from refine2d.matching import Matching
from refine2d.names import parse, scales
from refine2d.search.plan import COARSE_BAND, COARSE_STEP, FINE_BAND, MOVES, Plan
from refine2d.shifts import expected_at_first
from refine2d.working import mask_radius, scale

SETTINGS = {  # rotate, translate, flip
    "translational": (False, True, False),
    "rotational": (True, False, False),
    "rotational_iterative": (True, False, False),
    "rotational_bispec": (True, False, False),
    "rotate_precenter": (True, False, False),
    "rotate_flip": (True, False, True),
    "rotate_flip_iterative": (True, False, True),
    "rotate_translate": (True, True, False),
    "rotate_translate_tree": (True, True, True),
    "rotate_translate_bispec": (True, True, False),
    "rotate_translate_iterative": (True, True, False),
    "rotate_translate_resample": (True, True, False),
    "rotate_translate_flip": (True, True, True),
    "rotate_translate_flip_iterative": (True, True, True),
    "rotate_translate_flip_resample": (True, True, True),
    "rtf_exhaustive": (True, True, True),
    "rtf_slow_exhaustive": (True, True, True),
    "frm2d": (True, True, False),
    "rotate_translate_scale": (True, True, False),
    "rotate_trans_scale_iter": (True, True, False),
    "rotate_trans_flip_scale": (True, True, True),
    "rotate_trans_flip_scale_iter": (True, True, True),
}


def plan(options, run, stage: str = "class") -> Plan:
    """The extent of a search.

    Parameters
    ----------
    options : namespace
        mask_diameter (A), maxshift (pixels of the input), mirror, and the stage's align and ralign.
    run : namespace
        box and working_box (pixels), apix (A) of the input.
    stage : str
        ``sim``, particles against all references, or ``class``, a class's members against its average.
    """
    aligner, refiner = (
        parse(f"{stage}{what}", getattr(options, stage + what)) for what in ("align", "ralign")
    )
    rotate, translate, flip = SETTINGS[aligner.name]
    first, then = aligner.params, refiner.params
    step = scale(run)
    return Plan(
        run.working_box,
        mask_radius(options, run),
        first.get("maxshift", options.maxshift) / step,
        options.mirror and first.get("flip", flip),
        rotate,
        translate,
        coarse_band=_band(COARSE_BAND, run.apix * step, first),
        band=_band(FINE_BAND, run.apix * step, first, then),
        shift_step=max(0.5, first.get("transtep", COARSE_STEP * step) / step),
        angle_step=first.get("angstep", 360.0),
        local=refiner.name != "none",
        moves=then.get("maxiter", MOVES),
        reach=then.get("maxshift", float("inf")) / step,
    )


def matching(options, run, stage: str, shift_sigma: float | None = None) -> Matching:
    """How particles are aligned in a stage.

    Parameters
    ----------
    options, run, stage
        As for `plan`, options with the stage's comparators too.
    shift_sigma : float, optional
        Standard deviation of the shifts that are expected along an axis (A); without, by the largest. Only the
        likelihood can take it into account: other comparators have no scale on which a shift could cost something.
    """
    extent, apix = plan(options, run, stage), run.apix * scale(run)
    compared = [
        comparator(parse(f"{stage}{what}", getattr(options, stage + what)), extent, apix)
        for what in ("aligncmp", "raligncmp", "cmp")
    ]
    search, refine = (
        c if c.is_dot else comparator(parse("simcmp", "ccc"), extent, apix) for c in compared[:2]
    )
    aligner = parse(f"{stage}align", getattr(options, f"{stage}align"))
    how = Matching(extent, search, refine, compared[2], scales(aligner))
    if not how.is_likelihood:
        return how
    sigma = expected_at_first(extent.maxshift) if shift_sigma is None else shift_sigma / apix
    return replace(how, plan=replace(extent, shift_sigma=sigma))


def names(stage: str) -> tuple[str, ...]:
    """The options that `matching` needs."""
    named = tuple(stage + what for what in ("align", "ralign", "aligncmp", "raligncmp", "cmp"))
    return ("mask_diameter", "maxshift", "mirror", *named)


def _band(most: float, apix: float, *params: dict) -> float:
    """Cycles per pixel up to the resolution (A) that an aligner's parameters give."""
    return min([most, *(apix / p["maxres"] for p in params if p.get("maxres", 0) > 0)])
