"""EMAN2's lists of images in other files (``.lst``).

A line is a 0-based number, a file and, if need be, more, parted by tabs, or by blanks in plain lists. After ``#LSX``
two more lines start with ``#``, the second the number of characters of each line; lines are filled up with blanks.
Lines that start with ``#`` are none of an image. Files are looked for as those of a STAR file.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from refine2d.ctf import CtfTable
from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks import hdf, places
from refine2d.stacks.records import batches, read_records
from refine2d.stacks.source import Optics, Source

LONGEST = 2**16  # characters of a line


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list: image number, file, and what follows them, untouched."""

    number: int
    file: str
    rest: str = ""


def open_source(path: str, project: str = ".") -> Source:
    """The images of a list as an input, with the pixel sizes and the CTF that the files' own headers have.

    Raises
    ------
    UserError
        For a line that names no image, a stack that is missing or no stack, a number outside it, or a list of which
        only some images have a CTF.
    """
    order: dict[str, int] = {}
    found = ((order.setdefault(entry.file, len(order)), entry.number) for entry in read_lst(path))
    at = np.fromiter(found, [("stack", "i4"), ("index", "i8")])
    if not len(at):
        raise UserError(f"{path} lists no images.")
    stack, index, files = at["stack"].copy(), at["index"].copy(), list(order)

    def where(row: int) -> str:
        return f"image {row}: {index[row]} of {files[stack[row]]}"

    stacks = places.open_stacks(path, order, stack, index, project, where)
    parts = [_headers(each) for each in stacks]
    groups: dict[tuple[Optics, int], int] = {}
    group, rows = np.empty(len(index), np.int32), []
    for s, part in enumerate(parts):
        mine = np.flatnonzero(stack == s)
        used, which = np.unique(part.group[index[mine]], return_inverse=True)
        numbers = [groups.setdefault((part.optics[g], part.box), len(groups)) for g in used]
        group[mine] = np.array(numbers)[which]
        rows.append(mine)
    optics = [each for each, _ in groups]
    return Source(path, stacks, stack, index, optics, group, _joined(path, parts, index, rows))


def read_lst(path: str) -> Iterator[Entry]:
    """The lines of a list, one after the other.

    Raises
    ------
    UserError
        With the line, where it is not of the form.
    """
    try:
        with open(path, encoding="utf-8") as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                if line.startswith("#") or not line.strip():
                    continue
                words = line.strip().split("\t", 2) if "\t" in line else line.split(None, 2)
                if len(words) < 2 or not (words[0].strip().isdecimal() and len(words[0]) < 12):
                    raise UserError(
                        f"{path}, line {number} is not an image number and a file: {line[:60].strip()!r}."
                    )
                file_name = sys.intern(words[1].strip())  # many lines, few files
                yield Entry(int(words[0]), file_name, words[2].rstrip() if len(words) > 2 else "")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a list of images: it is not text.") from None


def write_lst(
    path: str,
    numbers: Sequence[int],
    files: Sequence[str],
    rests: Sequence[str] | None = None,
    comment: str = "Particles of a run, a line each.",
) -> None:
    """Write a list of the kind in which every line has the same length.

    Parameters
    ----------
    path : str
    numbers, files, rests
        As in an `Entry`, one of each for every image.
    comment : str
    """

    def lines() -> Iterator[str]:
        return map(_line, numbers, files, rests or repeat(""))

    length = max((len(line.encode()) for line in lines()), default=0) + 1
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        file.write(_head(comment, length))
        for line in lines():
            file.write(line + " " * (length - 1 - len(line.encode())) + "\n")


def copy_lines(source: str, rows: np.ndarray, path: str, comment: str) -> None:
    """Write some lines, by their places (m,), of a list that `write_lst` has written as another one."""
    with open(source, "rb") as file:
        head = [file.readline() for _ in range(3)]
        start = file.tell()
    length = int(head[2][1:])
    n = (os.path.getsize(source) - start) // length
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(_head(comment, length).encode())
        for mine in batches(rows):
            file.write(read_records(source, f"V{length}", start, n, mine).tobytes())


def _head(comment: str, length: int) -> str:
    return f"#LSX\n# {comment} All lines after the next have its number of characters.\n# {length}\n"


def _line(number: int, file: str, rest: str) -> str:
    return f"{number}\t{file}\t{rest}" if rest else f"{number}\t{file}"


def _headers(stack) -> Source:
    """A stack as an input of its own, which is where its pixel size and CTF come from."""
    if isinstance(stack, hdf.HdfStack):
        return hdf.open_source(stack.path)
    none = np.zeros(stack.n, np.int32)
    return Source(
        stack.path,
        [stack],
        none,
        np.arange(stack.n),
        [Optics(os.path.basename(stack.path), stack.apix)],
        none,
    )


def _joined(path: str, parts: list[Source], index: np.ndarray, rows: list[np.ndarray]) -> CtfTable | None:
    """The CTF parameters of all images; None where no file has any."""
    if all(part.ctf is None for part in parts):
        return None
    for part in parts:
        if part.ctf is None:
            raise UserError(
                f"{path}: the images of {part.path} have no CTF in their headers, but others have one."
            )
    table = CtfTable(*np.full((7, len(index)), np.nan))
    for part, mine in zip(parts, rows, strict=True):
        for name, values in vars(part.ctf).items():
            getattr(table, name)[mine] = values[index[mine]]
    return table
