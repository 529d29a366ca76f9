"""Files of pixels that a table names: where they are looked for, and how they are opened by their ending."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from refine2d.errors import UserError
from refine2d.stacks import arrays, compressed, hdf, imagic, mrc, spider
from refine2d.stacks.source import Stack

OPENERS = {
    ".mrc": mrc.open_stack,
    ".mrcs": mrc.open_stack,
    ".st": mrc.open_stack,
    ".gz": compressed.open_stack,
    ".bz2": compressed.open_stack,
    ".hdf": hdf.open_stack,
    ".h5": hdf.open_stack,
    ".hed": imagic.open_stack,
    ".img": imagic.open_stack,
    ".spi": spider.open_stack,
    ".stk": spider.open_stack,
    ".spider": spider.open_stack,
    ".npy": arrays.open_npy,
    ".zarr": arrays.open_zarr,
}


def open_stack(path: str) -> Stack:
    """A file of pixels, opened by its ending; one of another ending is taken for MRC."""
    return OPENERS.get(Path(path).suffix.lower(), mrc.open_stack)(os.fspath(path))


def folders(path: str, project: str = ".") -> list[Path]:
    """Where a table's relative file names may start: its own folder, the project, the folders above its own."""
    folder = Path(path).parent
    return [folder, Path(project), *folder.resolve().parents]


def find(path: str, name: str, project: str = ".") -> str | None:
    """The file that a table means by a name; None where there is none."""
    there = os.path.isdir if name.lower().endswith(".zarr") else os.path.isfile
    for folder in folders(path, project):
        if there(folder / name):
            return _direct(os.fspath(folder / name))
    return None


def _direct(path: str) -> str:
    """The path of a file without `..`; that of the real folder where a `..` leads out of a linked one."""
    short = os.path.normpath(path)
    if os.path.exists(short) and os.path.samefile(short, path):
        return short
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def open_stacks(
    path: str,
    names: Iterable[str],
    stack: np.ndarray,
    index: np.ndarray,
    project: str,
    where: Callable[[int], str],
) -> list[Stack]:
    """The stacks that a table names, with the numbers of its images checked.

    Parameters
    ----------
    path : str
        The table.
    names : strings
        The stacks as the table names them, each once.
    stack, index : int arrays (n,)
        For each image its place in `names` and its 0-based number.
    project : str
    where : callable
        Says where row r of the table is, for messages: "line 7: 3@a.mrcs".

    Raises
    ------
    UserError
        For a stack that is missing or no stack, or a number outside it.
    """
    stacks = []
    for place, name in enumerate(names):
        file = find(path, name, project)
        if file is None:
            row = int(np.flatnonzero(stack == place)[0])
            raise UserError(
                f"{path}, {where(row)} is in a stack, {name}, that is not there, be it from the folder of that file, "
                "from one above it or from the project's."
            )
        stacks.append(open_stack(file))
    limit = np.array([each.n for each in stacks])[stack]
    wrong = np.flatnonzero((index < 0) | (index >= limit))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(f"{path}, {where(row)} is not in its stack, which has {limit[row]} images.")
    return stacks


def renamed(name: str, old: str, new: str, project: str = ".") -> str:
    """A file name in the table `old`, as the table `new` has to call it: unchanged where it means the same file."""
    file = find(old, name, project)
    if file is None:
        return name
    there = find(new, name, project)
    if there is not None and os.path.samefile(file, there):
        return name
    return from_here(file)


def means(name: str, file: str) -> bool:
    """Whether a name, from the current folder, is one of a file."""
    return os.path.exists(name) and os.path.samefile(name, file)


def from_here(file: str) -> str:
    """A file's path from the current folder; an absolute one stays."""
    return file if os.path.isabs(file) else os.path.relpath(file)
