"""An input of any format, picked by file ending."""

import os
from pathlib import Path

from refine2d.errors import UserError
from refine2d.stacks import arrays, compressed, cs, hdf, imagic, lst, mrc, spider, star
from refine2d.stacks.grid import on_one_grid
from refine2d.stacks.source import Source

STACKS = {
    ".mrc": mrc.open_source,
    ".mrcs": mrc.open_source,
    ".st": mrc.open_source,
    ".gz": compressed.open_source,
    ".bz2": compressed.open_source,
    ".hdf": hdf.open_source,
    ".h5": hdf.open_source,
    ".hed": imagic.open_source,
    ".img": imagic.open_source,
    ".spi": spider.open_source,
    ".stk": spider.open_source,
    ".spider": spider.open_source,
    ".npy": arrays.open_source,
    ".zarr": arrays.open_source,
}
TABLES = {".star": star.open_source, ".cs": cs.open_source, ".lst": lst.open_source}


def open_source(path: str, project: str = ".") -> Source:
    """Open an input; only headers and tables are read.

    Parameters
    ----------
    path : str
        A stack: MRC (``.mrc``, ``.mrcs``, ``.st``, also ``.gz`` or ``.bz2`` of them), EMAN2 (``.hdf``, ``.h5``), IMAGIC
        (``.hed``, ``.img``), SPIDER (``.spi``, ``.stk``, ``.spider``), ``.npy`` or ``.zarr``. Or a table that names
        images in stacks: RELION (``.star``), cryoSPARC (``.cs``), EMAN2 (``.lst``).
    project : str
        Folder that relative file names in a table may start from, besides the table's own.

    Raises
    ------
    UserError
        When the file is missing, empty, damaged, of an unknown kind or not a stack of square images.
    """
    path = os.fspath(path)
    ending = Path(path).suffix.lower()
    if ending not in STACKS and ending not in TABLES:
        raise UserError(f"{path} has an unknown ending; known are {', '.join([*STACKS, *TABLES])}.")
    if not (os.path.isdir(path) if ending == ".zarr" else os.path.isfile(path)):
        raise UserError(f"The input {path} is not there.")
    if os.path.getsize(path) == 0 and ending != ".zarr":
        raise UserError(f"The input {path} is empty.")
    try:
        return on_one_grid(TABLES[ending](path, project) if ending in TABLES else STACKS[ending](path))
    except OSError as error:
        raise UserError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error
