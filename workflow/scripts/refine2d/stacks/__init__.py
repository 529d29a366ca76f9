"""Readers and writers of image stacks, one module a format; `open_source` picks by file ending."""

import os

from refine2d.errors import UserError
from refine2d.stacks import hdf, mrc, star
from refine2d.stacks.source import Optics, Source

__all__ = ["Optics", "Source", "open_source"]

OPENERS = {
    ".mrc": mrc.open_source,
    ".mrcs": mrc.open_source,
    ".st": mrc.open_source,
    ".hdf": hdf.open_source,
    ".h5": hdf.open_source,
}


def open_source(path: str, project: str = ".") -> Source:
    """Open an input; only headers and tables are read.

    Parameters
    ----------
    path : str
        MRC stack (``.mrc``, ``.mrcs``, ``.st``), EMAN2 stack (``.hdf``, ``.h5``) or
        RELION particles (``.star``).
    project : str
        Folder that relative image names in a STAR file may start from, besides the STAR file's own.

    Raises
    ------
    UserError
        When the file is missing, empty, damaged, of an unknown kind or not a stack of square images.
    """
    path = os.fspath(path)
    ending = os.path.splitext(path)[1].lower()
    if ending != ".star" and ending not in OPENERS:
        raise UserError(f"{path} has an unknown ending; known are {', '.join([*OPENERS, '.star'])}.")
    if not os.path.isfile(path):
        raise UserError(f"The input {path} is not there.")
    if os.path.getsize(path) == 0:
        raise UserError(f"The input {path} is empty.")
    try:
        return star.open_source(path, project) if ending == ".star" else OPENERS[ending](path)
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error
