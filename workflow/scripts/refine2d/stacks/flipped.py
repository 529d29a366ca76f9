"""Whether EMAN2 says that an input's phases are flipped: by the name of a file, or by its first header."""

from pathlib import Path

import h5py

from refine2d.errors import UserError
from refine2d.stacks import hdf, lst, places


def phase_flipped(path: str) -> bool:
    """Whether EMAN2 says so of a stack, or of all files of a list.

    Raises
    ------
    UserError
        For a list of which only some files are flipped, or a damaged file.
    """
    files = _listed(path) if path.lower().endswith(".lst") else []
    said = [_said(file) for file in files]
    if len(set(said)) > 1:
        raise UserError(
            f"{path} lists phase-flipped images ({files[said.index(True)]}) and others ({files[said.index(False)]}): "
            "give a list of one kind."
        )
    return any(said) or _said(path)


def _listed(path: str) -> list[str]:
    """The files of a list that are there; none where it cannot be read, which is said when it is opened."""
    try:
        names = dict.fromkeys(entry.file for entry in lst.read_lst(path))
    except OSError:
        return []
    return [file for name in names if (file := places.find(path, name))]


def _said(path: str) -> bool:
    return "ctf_flip" in Path(path).name or (h5py.is_hdf5(path) and hdf.phase_flipped(path))
