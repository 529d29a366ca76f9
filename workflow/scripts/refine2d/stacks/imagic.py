"""IMAGIC stacks: headers in a ``.hed`` file, 1024 bytes an image, and pixels in an ``.img`` file of the same name.

Fields by their place in the header, in words of four bytes (IMAGIC-5 manual, "The IMAGIC file format"): 1 the number
of images after the first, 12 lines and 13 pixels a line, 14 the type of the pixels, 60 planes. Lines run from the top
of the image downwards, where all other formats start with y = 0 at the bottom: EMAN2 turns them over, and so is done
here (RELION 3.1 does not).
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks.records import batches, read_records
from refine2d.stacks.source import Optics, Source, check_box, single

RECORD = 1024
TYPES = {b"REAL": "f4", b"INTG": "i2", b"PACK": "u1"}


@dataclass(frozen=True)
class ImagicStack:
    """An IMAGIC stack, known by its header file; see `source.Stack`."""

    path: str
    pixels: str
    n: int
    box: int
    dtype: np.dtype
    apix: float | None = None

    @property
    def files(self) -> tuple[str, str]:
        """The header file and the file of pixels."""
        return self.path, self.pixels

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""
        return self.stored(numbers)[:, ::-1].astype(np.float32)

    def stored(self, numbers: np.ndarray) -> np.ndarray:
        """Pixels as they are stored, the upper lines first: (m, box, box)."""
        return read_records(self.pixels, (self.dtype, (self.box, self.box)), 0, self.n, numbers)


def open_stack(path: str) -> ImagicStack:
    """An IMAGIC stack by either of its two files.

    Raises
    ------
    UserError
        When one of the files is missing, the header makes no sense, or pixels are fewer than it says.
    """
    headers, pixels = _pair(path)
    with open(headers, "rb") as file:
        first = file.read(RECORD)
    if len(first) < RECORD:
        raise UserError(f"{headers} is not an IMAGIC header: it has fewer than {RECORD} bytes.")
    order = _order(headers, first)
    words = np.frombuffer(first, np.dtype("i4").newbyteorder(order))
    n, ny, nx = int(words[1]) + 1, int(words[12]), int(words[13])
    kind = first[56:60]
    if kind not in TYPES:
        raise UserError(
            f"{headers} has pixels of type {kind.decode('latin1')!r}; REAL, INTG and PACK are read."
        )
    check_box(headers, nx, ny)
    if int(words[60]) > 1:
        raise UserError(f"{headers} holds volumes, but images are needed.")
    dtype = np.dtype(TYPES[kind]).newbyteorder(order)
    whole = min(os.path.getsize(headers) // RECORD, os.path.getsize(pixels) // (nx * ny * dtype.itemsize))
    if whole < n:
        raise UserError(f"{headers} is cut short: its header says {n} images, but only {whole} are there.")
    return ImagicStack(headers, pixels, n, nx, dtype)


def open_source(path: str) -> Source:
    """An IMAGIC stack as an input; the format has no pixel size and no CTF."""
    source = single(open_stack(path), [Optics("opticsGroup1")])
    source.path = path
    return source


def write_subset(stack: ImagicStack, numbers: np.ndarray, path: str) -> None:
    """Write some images of a stack with their headers, to the two files that `path` is one of."""
    headers, pixels = (Path(path).with_suffix(ending) for ending in (".hed", ".img"))
    with open(stack.path, "rb") as file:
        words = np.dtype("i4").newbyteorder(_order(stack.path, file.read(RECORD)))
    done = 0
    with (
        atomic(pixels) as data,
        atomic(headers) as head,
        open(data, "wb") as image,
        open(head, "wb") as header,
    ):
        for mine in batches(numbers):
            records = read_records(stack.path, (words, RECORD // 4), 0, stack.n, mine)
            records[:, 0] = done + 1 + np.arange(len(mine))
            records[:, 1] = np.where(records[:, 0] == 1, len(numbers) - 1, 0)
            header.write(records.tobytes())
            image.write(stack.stored(mine).tobytes())
            done += len(mine)


def _pair(path: str) -> tuple[str, str]:
    stem, ending = os.path.splitext(path)
    upper = ending.isupper()
    pair = [stem + (name.upper() if upper else name) for name in (".hed", ".img")]
    for file in pair:
        if not os.path.isfile(file):
            raise UserError(f"{path} is one of a pair of IMAGIC files, but {file} is not there.")
    return pair[0], pair[1]


def _order(path: str, first: bytes) -> str:
    """The byte order in which the sizes make sense."""
    for order in "<>":
        words = np.frombuffer(first, np.dtype("i4").newbyteorder(order))
        if 0 <= words[1] < 2**30 and 0 < words[12] < 2**16 and 0 < words[13] < 2**16:
            return order
    raise UserError(f"{path} is not an IMAGIC header: its numbers make no sense.")
