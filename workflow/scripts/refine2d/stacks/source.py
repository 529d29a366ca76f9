"""An opened input: where each image lies, its optics and its CTF. Pixels are read on request."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from refine2d.ctf import CtfTable
from refine2d.errors import UserError

if TYPE_CHECKING:
    from refine2d.stacks.grid import Grid

LARGEST_BOX = 2**13  # pixels; a header that says more is taken for damaged


class Stack(Protocol):
    """One file of `n` square images (`box` pixels a side, `apix` Angstrom a pixel or None).

    `files`, where a stack has it, are all the files that it consists of; `path` alone otherwise.
    """

    path: str
    n: int
    box: int
    apix: float | None

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""


@dataclass(frozen=True)
class Optics:
    """What the images of one optics group share; None where the file does not say.

    Attributes
    ----------
    apix : Angstrom per pixel
    voltage : kV
    cs : mm
    ac : amplitude contrast, fraction
    premultiplied : the images have been multiplied by their CTF
    """

    name: str
    apix: float | None = None
    voltage: float | None = None
    cs: float | None = None
    ac: float | None = None
    premultiplied: bool = False


@dataclass
class Source:
    """An input of n images.

    Attributes
    ----------
    path : str
        The file that was opened.
    stacks : list of Stack
        The files that hold the pixels.
    stack, index : int arrays (n,)
        For each image, its place in `stacks` and its 0-based number in there.
    optics : list of Optics
    group : int32 array (n,)
        For each image, its place in `optics`.
    ctf : CtfTable or None
        NaN where the file has no voltage, Cs or amplitude contrast.
    table : star.Table, cs.Table or None
        Where a table says what is to be carried through.
    sign : float32 array (n,) or None
        What the pixels on disk are multiplied by (cryoSPARC's `blob/sign`).
    grid : Grid or None
        The common grid, where optics groups differ in pixel or box size; `box`, `optics` and `images` are on it.
    """

    path: str
    stacks: list[Stack]
    stack: np.ndarray
    index: np.ndarray
    optics: list[Optics]
    group: np.ndarray
    ctf: CtfTable | None = None
    table: object | None = None
    sign: np.ndarray | None = None
    grid: "Grid | None" = None

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.index)

    @property
    def box(self) -> int:
        """Side of an image, pixels."""
        return self.grid.box if self.grid else self.stacks[0].box

    def images(self, numbers) -> np.ndarray:
        """Images by number.

        Parameters
        ----------
        numbers : int array (m,)
            0-based, in any order.

        Returns
        -------
        float32 array (m, box, box), axes (image, y, x)

        Raises
        ------
        UserError
            For a number that is not in 0..n-1, or when a file cannot be read any more.
        """
        numbers = np.atleast_1d(np.asarray(numbers, np.int64))
        wrong = numbers[(numbers < 0) | (numbers >= self.n)]
        if len(wrong):
            raise UserError(f"{self.path} has no image {wrong[0]}: its images are 0 to {self.n - 1}.")
        out = np.empty((len(numbers), self.box, self.box), np.float32)
        stack, index, group = self.stack[numbers], self.index[numbers], self.group[numbers]
        for s, g in sorted(set(zip(stack.tolist(), group.tolist(), strict=True))):
            rows = np.flatnonzero((stack == s) & (group == g))
            pixels = self.stacks[s].images(index[rows])
            out[rows] = self.grid.resample(pixels, g) if self.grid else pixels
        if self.sign is not None:
            out *= self.sign[numbers][:, None, None]
        return out

    def pixel_size(self, numbers: np.ndarray, default: float) -> np.ndarray:
        """Angstrom per pixel of some images (m,) as on disk, float64 (m,); `default` where that is not known."""
        sizes = self.grid.sizes if self.grid else [optics.apix or default for optics in self.optics]
        return np.array(sizes, np.float64)[self.group[numbers]]

    def box_size(self, numbers: np.ndarray) -> np.ndarray:
        """Boxes of some images (m,) as they are on disk, int64 (m,)."""
        return np.array([stack.box for stack in self.stacks], np.int64)[self.stack[numbers]]

    def locations(self, numbers: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """For some images (m,) the 0-based number in the stack, int64 (m,), and the path of that stack."""
        return self.index[numbers], [self.stacks[s].path for s in self.stack[numbers]]

    def files(self) -> list[str]:
        """Every file that the input consists of."""
        parts = [file for stack in self.stacks for file in getattr(stack, "files", (stack.path,))]
        return list(dict.fromkeys([self.path, *parts]))


def single(stack: Stack, optics: list[Optics], group=None, ctf: CtfTable | None = None) -> Source:
    """The input that consists of the whole of one stack."""
    rows = np.arange(stack.n)
    group = np.zeros(stack.n, np.int32) if group is None else group
    return Source(stack.path, [stack], np.zeros(stack.n, np.int32), rows, optics, group, ctf)


def group_rows(columns: dict[str, np.ndarray], row=None, names=None) -> tuple[list[Optics], np.ndarray]:
    """Optics groups from per-image columns: images that agree in all of them, `ac` aside, share a group.

    Parameters
    ----------
    columns : dict of float64 arrays (n,)
        Fields of `Optics`; NaN for unknown. A phase plate makes `ac` differ between micrographs in EMAN2's
        files, so that it sets no group apart; a group of several values has None.
    row : int array (n,), optional
        Each image's row in an optics table; images of different rows never share a group.
    names : str array, optional
        Group names by row.

    Returns
    -------
    optics : list of Optics
    group : int32 array (n,)
    """
    group = np.zeros(len(columns["apix"]), np.int64)
    keys = [values for field, values in columns.items() if field != "ac"]
    for key in keys if row is None else [row, *keys]:
        values, code = np.unique(key, return_inverse=True)
        group = np.unique(group * len(values) + code, return_inverse=True)[1]
    optics = []
    for g, first in enumerate(np.unique(group, return_index=True)[1]):
        known = {
            field: float(values[first]) for field, values in columns.items() if np.isfinite(values[first])
        }
        if np.ptp(columns["ac"][group == g]) > 0:
            known.pop("ac")
        known["premultiplied"] = bool(known.get("premultiplied", False))
        optics.append(Optics(f"opticsGroup{g + 1}" if row is None else str(names[row[first]]), **known))
    return optics, group.astype(np.int32)


def check_box(path: str, nx: int, ny: int) -> None:
    """Refuse images that are not square, or so large that the header must be wrong."""
    if nx != ny:
        raise UserError(f"{path} holds images of {nx} x {ny} pixels, but particle images must be square.")
    if not 0 < nx <= LARGEST_BOX:
        raise UserError(
            f"{path} holds images of {nx} x {ny} pixels by its header, but 1 to {LARGEST_BOX} are read."
        )
