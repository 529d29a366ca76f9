"""MRC image stacks (``.mrc``, ``.mrcs``, ``.st``).

The format is MRC2014 (Cheng et al. 2015, doi:10.1016/j.jsb.2015.04.002). Programs differ in what they write
to ``mz``, ``ispg`` and the machine stamp of a stack, so that only ``nx``, ``ny``, ``nz``, ``mode`` and the
length of the extended header are relied on.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from mrcfile.dtypes import HEADER_DTYPE

from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks.records import batches, read_records
from refine2d.stacks.source import Optics, Source, check_box, single

MODES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
COMPLEX = (3, 4)
IMOD_STAMP = 1146047817


@dataclass(frozen=True)
class MrcStack:
    """An MRC file as a stack; see `source.Stack`. Each read opens the file anew, so that none stays open."""

    path: str
    n: int
    box: int
    apix: float | None
    dtype: np.dtype
    offset: int

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""
        return self.pixels(numbers).astype(np.float32, copy=False)

    def pixels(self, numbers: np.ndarray) -> np.ndarray:
        """Images as they are stored, (m, box, box)."""
        return read_records(self.path, (self.dtype, (self.box, self.box)), self.offset, self.n, numbers)


def open_stack(path: str) -> MrcStack:
    """Read the header of an MRC stack and check it against the file's size; see `parse`."""
    return parse(path, _start(path), os.path.getsize(path))


def parse(path: str, raw: bytes, size: int) -> MrcStack:
    """An MRC stack from the first 1024 bytes and the size of its file.

    Raises
    ------
    UserError
        When the file is no MRC stack of square, real images, or is shorter than its header says.
    """
    header = _header(path, raw)
    nx, ny, nz, mode, extended = (int(header[name]) for name in ("nx", "ny", "nz", "mode", "nsymbt"))
    if mode in COMPLEX:
        raise UserError(f"{path} holds Fourier transforms (MRC mode {mode}), but images are needed.")
    if mode not in MODES:
        raise UserError(f"{path} has MRC mode {mode}, which is not read; convert it to mode 2 (float32).")
    check_box(path, nx, ny)
    if header["ispg"] > 400:
        raise UserError(f"{path} is a stack of volumes by its header, but images are needed.")
    dtype = np.dtype("u1" if mode == 0 and _unsigned(header) else MODES[mode])
    dtype = dtype.newbyteorder(header.dtype["nx"].byteorder)
    offset = HEADER_DTYPE.itemsize + extended
    whole = (size - offset) // (nx * ny * dtype.itemsize)
    if whole < nz:
        raise UserError(
            f"{path} is cut short: its header says {nz} images, but only {max(whole, 0)} are there."
        )
    cell, mx = float(header["cella"]["x"]), int(header["mx"])
    apix = round(cell / mx, 6) if mx > 0 and 0 < cell < np.inf else None
    return MrcStack(path, nz, nx, apix, dtype, offset)


def open_source(path: str) -> Source:
    """An MRC stack as an input; a cube in a ``.mrc`` file that has a space group counts as a volume."""
    stack = open_stack(path)
    header = _header(path, _start(path))
    if header["ispg"] > 0 and 1 < stack.n == stack.box == header["mz"] and path.lower().endswith(".mrc"):
        raise UserError(
            f"{path} is a volume by its header; if it is a stack after all, rename it to end in .mrcs."
        )
    return single(stack, [Optics("opticsGroup1", stack.apix)])


def write_mrcs(path: str, images: Iterable[np.ndarray], apix: float | None, n: int, box: int) -> None:
    """Write a stack of float32 images, one at a time.

    Parameters
    ----------
    path : str
    images : iterable of n arrays (box, box)
    apix : float or None
        Angstrom per pixel.
    n, box : int
        Number of images, pixels a side.

    Notes
    -----
    The density statistics are marked as not determined, as MRC2014 allows, and there is no label, for a label
    would be a time stamp.
    """
    header = np.zeros((), HEADER_DTYPE.newbyteorder("<"))
    header["nx"] = header["ny"] = header["mx"] = header["my"] = box
    header["nz"], header["mz"], header["mode"] = n, 1, 2
    header["cella"] = ((apix or 0) * box, (apix or 0) * box, apix or 0)
    header["cellb"] = (90, 90, 90)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["dmin"], header["dmax"], header["dmean"], header["rms"] = 0, -1, -2, -1
    header["nversion"], header["map"], header["machst"] = 20141, b"MAP ", (0x44, 0x44, 0, 0)
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(header.tobytes())
        count = 0
        for image in images:
            if np.shape(image) != (box, box):
                raise ValueError(f"image {count} has shape {np.shape(image)}, not {(box, box)}")
            file.write(np.ascontiguousarray(image, "<f4").tobytes())
            count += 1
        if count != n:
            raise ValueError(f"{count} images came where {n} were announced")


def write_subset(stack: MrcStack, numbers: np.ndarray, path: str) -> None:
    """Write some images of a stack: pixels, labels and extended header as they are, density statistics unknown."""
    with open(stack.path, "rb") as file:
        header = _header(stack.path, file.read(HEADER_DTYPE.itemsize)).copy()
        extended = file.read(int(header["nsymbt"]))
    if header["mz"] == header["nz"]:
        header["cella"]["z"] *= len(numbers) / int(header["nz"])
        header["mz"] = len(numbers)
    header["nz"] = len(numbers)
    header["dmin"], header["dmax"], header["dmean"], header["rms"] = 0, -1, -2, -1
    with atomic(path) as temporary, open(temporary, "wb") as file:
        file.write(header.tobytes() + extended)
        for mine in batches(numbers):
            file.write(stack.pixels(mine).tobytes())


def _start(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(HEADER_DTYPE.itemsize)


def _header(path: str, raw: bytes) -> np.ndarray:
    """The header in the byte order in which its first numbers make sense (machine stamps are often wrong)."""
    if len(raw) == HEADER_DTYPE.itemsize:
        for order in "<>":
            header = np.frombuffer(raw, HEADER_DTYPE.newbyteorder(order))[0]
            sizes = [int(header[name]) for name in ("nx", "ny", "nz")]
            if (
                min(sizes) > 0
                and max(sizes[:2]) < 2**16
                and 0 <= header["mode"] < 2**8
                and header["nsymbt"] >= 0
            ):
                return header
    raise UserError(f"{path} is not an MRC file: its header makes no sense.")


def _unsigned(header: np.ndarray) -> bool:
    """Whether bytes are unsigned, as in IMOD's and SerialEM's files unless a flag calls them signed."""
    order = header.dtype["nx"].byteorder
    stamp, flags = np.frombuffer(header["extra2"].tobytes(), np.dtype("i4").newbyteorder(order), 2, offset=40)
    return stamp == IMOD_STAMP and not flags & 1
