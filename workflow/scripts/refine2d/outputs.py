"""What a run writes, by name: none of it may be a file that the run reads."""

import os
import re
from collections.abc import Iterable
from functools import cache

from refine2d.errors import UserError

WRITTEN = re.compile(  # in the run's folder; without selection_suggested.yaml, which `selection` may name
    r"particles\.(h5|lst|star|cs)|classes\.(mrcs|star|hdf|png|pdf)|curves\.(svg|pdf)|movie\.(gif|mp4)|report\.html"
    r"|(0_refine2d_parms|run|lock)\.json|(options|e2refine2d)\.yaml"
    r"|(classes_init|input_fp|input_fp_basis|input_fp_basis_proj|input_\d\d_proj)\.hdf"
    r"|(aliref|allrefs|basis|classes|classmx|quality|resultmx|simmx|state)_\d\d\.(hdf|json|tsv)"
    r"|(particles|simmx_\d\d)/\d+\.h5|classes_(init|full|\d\d)/\d+\.hdf|sets/class_\d+\.lst"
    r"|selected(/.*)?|logs/.*"
)


def check(folder: str, read: Iterable[str], resultmx: str = "") -> None:
    """Refuse a run that would replace or remove a file that it reads.

    Parameters
    ----------
    folder : str
        The run's.
    read : strings
        The user's own files.
    resultmx : str
        What the run writes elsewhere, if anything.

    Raises
    ------
    UserError
        For the first such file.
    """
    read = list(read)
    for file in read:
        if _written(folder, file):
            raise UserError(f"path is {folder}, but a run there would replace {file}: give another path.")
    if resultmx and (_written(folder, resultmx) or any(_places(resultmx) & _places(file) for file in read)):
        raise UserError(f"resultmx is {resultmx}, a file of the run itself: give another name.")


def _written(folder: str, file: str) -> bool:
    """Whether a run in the folder writes a file of that name."""
    real = _real(os.path.join(os.getcwd(), folder))
    return any(WRITTEN.fullmatch(os.path.relpath(place, real)) for place in _places(file))


def _places(file: str) -> set[str]:
    """Where a file's name is; and where the file is, if that is a link."""
    folder, name = os.path.split(os.path.join(os.getcwd(), file.rstrip("/")))
    place = os.path.join(_real(folder), name)
    return {place, os.path.realpath(place)} if os.path.islink(place) else {place}


@cache
def _real(folder: str) -> str:
    return os.path.realpath(folder)
