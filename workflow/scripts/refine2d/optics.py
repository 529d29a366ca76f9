"""Pixel size and CTF of the particles: what the input lacks, the options fill."""

import logging

import numpy as np

from refine2d.ctf import CtfTable
from refine2d.errors import UserError

log = logging.getLogger(__name__)


def fill_apix(source, apix: float | None) -> np.ndarray:
    """Input pixel size of each optics group, float64 (groups,), Angstrom; `apix` where the file has none.

    Raises
    ------
    UserError
        Where neither says it, or where groups differ by more than 2 %.
    """
    known = np.array([np.nan if group.apix is None else group.apix for group in source.optics], np.float64)
    known[~(known > 0)] = np.nan
    if apix is not None and np.any(np.abs(known / apix - 1) > 1e-3):
        log.warning("apix: %g is not used where %s says %g", apix, source.path, np.nanmax(known))
    filled = np.where(np.isnan(known), np.nan if apix is None else apix, known)
    if (lacking := np.isnan(filled)).any():
        what = "its pixel size" if lacking.all() else "the pixel size of all its images"
        raise UserError(f"{source.path} does not say {what}: give apix=... in A.")
    if filled.max() > 1.02 * filled.min():
        raise UserError(
            f"{source.path} has pixel sizes from {filled.min():g} to {filled.max():g} A: "
            "rescale the images to one pixel size first."
        )
    return filled


def fill_ctf(source, mode: str, voltage=None, cs=None, ac=None) -> tuple[CtfTable | None, str]:
    """CTF parameters with the file's gaps filled.

    Parameters
    ----------
    source : Source
    mode : str
        One of `refine2d.ctf.MODES`.
    voltage, cs, ac : float, optional
        kV, mm, fraction; used where the file has none.

    Returns
    -------
    table : CtfTable or None
    mode : str
        'none' where no CTF will be used.

    Raises
    ------
    UserError
        Where only some parameters are known, or they are not plausible.
    """
    if mode == "none":
        return None, "none"
    if source.ctf is None or np.isnan(source.ctf.defocus_u).all():
        log.warning("%s has no defocus: going on without CTF (as with ctf: none)", source.path)
        return None, "none"
    table = source.ctf[:]
    without = np.flatnonzero(np.isnan(table.defocus_u))
    if len(without):
        raise UserError(
            f"{source.path}: image {without[0]} and {len(without) - 1} more have no defocus, others have: "
            "leave them out of the file, or set ctf: none."
        )
    _fill(table.defocus_v, table.defocus_u)
    _fill(table.angle, 0)
    _fill(table.phase, 0)
    for name, value, unit, low, high in (
        ("voltage", voltage, "kV", 10, 3000),
        ("cs", cs, "mm", 0, 20),
        ("ac", ac, "a fraction", 0, 1),
    ):
        column = getattr(table, name)
        if value is not None:
            _fill(column, value)
        if np.isnan(column).any():
            raise UserError(f"{source.path} has defocus but no {name}: set {name} ({unit}), or ctf: none.")
        wrong = np.flatnonzero((column < low) | (column > high))
        if len(wrong):
            raise UserError(
                f"{source.path}: {name} of image {wrong[0]} is {column[wrong[0]]:g}, expected {unit} "
                f"from {low} to {high}: correct the file."
            )
    if np.median(np.abs(table.defocus_u)) < 100:
        raise UserError(
            f"{source.path}: defocus of image 0 is {table.defocus_u[0]:g}, expected Angstrom "
            "(1 um is 10000): correct the file."
        )
    return table, mode


def _fill(column: np.ndarray, value) -> None:
    gaps = np.isnan(column)
    column[gaps] = np.broadcast_to(value, column.shape)[gaps]
