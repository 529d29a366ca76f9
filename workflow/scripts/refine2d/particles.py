"""The particle store: prepared images, their CTF and noise, and the matched filter.

A store is a small HDF5 file of per-particle columns, beside piece files with the images. All tables of a run
count its rows; row r is input image ``number[r]``.
"""

import os
import zlib
from dataclasses import fields
from functools import cached_property, lru_cache
from io import FileIO
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from refine2d import fourier
from refine2d.ctf import CtfTable, ctf, ring_power
from refine2d.datasets import read
from refine2d.errors import Damaged

OPEN = 256  # piece files that are held open


class ParticleStore:
    """Prepared particles of a run, read row by row.

    Attributes
    ----------
    n, box : int
    apix : float
        Working pixel size, Angstrom.
    input_box, input_apix : int, float
    used : bool array (n,)
        Neither excluded nor bad; images of other rows are zero.
    bad : uint8 array (n,)
        See `refine2d.normalize.REASONS`.
    number : int64 array (n,)
        Input image of each row.
    group : int32 array (n,)
        Optics group.
    contrast : float32 array (n,)
        See `prepare.prepare`.
    gain : float32 array (n,)
        What images are multiplied by as they are read, less than 1 for far too strong ones: see `outliers`.
    ctf_mode : str
    noise : float32 array (groups, rings)
        Noise power before any multiplication by the CTF.
    """

    def __init__(self, path):
        self._path, self._folder = path, Path(path).parent
        with h5py.File(path) as file:
            self._crc = read(file, "crc")
            for name in ("number", "used", "bad", "contrast", "gain", "group", "noise"):
                setattr(self, name, read(file, name))
            self._group_apix, self._premultiplied = read(file, "group_apix"), read(file, "premultiplied")
            self.box, self.input_box = int(file.attrs["box"]), int(file.attrs["input_box"])
            self.apix, self.input_apix = float(file.attrs["apix"]), float(file.attrs["input_apix"])
            self.ctf_mode = str(file.attrs["ctf_mode"])
            sources = sorted(
                (s.vspace.get_select_bounds()[0][0], s.file_name) for s in file["images"].virtual_sources()
            )
        self.n = len(self.number)
        self._starts = np.array([start for start, _ in sources])
        self._files = [self._folder / name for _, name in sources]
        self._opened = lru_cache(OPEN)(self._open)

    @cached_property
    def ctf(self) -> CtfTable | None:
        """CTF parameters of each row; read when they are asked for, since many steps need none."""
        with h5py.File(self._path) as file:
            names = [f"ctf/{field.name}" for field in fields(CtfTable)]
            return CtfTable(*(read(file, name) for name in names)) if "ctf" in file else None

    def images(self, rows) -> np.ndarray:
        """Prepared images times their gain, float32 (m, box, box), in the order of `rows`.

        Raises
        ------
        Damaged
            Where an image differs from its checksum.
        """
        rows = np.atleast_1d(rows)
        images, gain = self._prepared(rows), self.gain[rows]
        images[gain < 1] *= gain[gain < 1, None, None]
        return images

    def _prepared(self, rows: np.ndarray) -> np.ndarray:
        piece = np.searchsorted(self._starts, rows, side="right") - 1
        out = np.empty((len(rows), self.box, self.box), np.float32)
        starts = np.flatnonzero((np.diff(rows, prepend=-9) != 1) | (np.diff(piece, prepend=-9) != 0))
        for first, last in pairwise([*starts, len(rows)]):
            self._read(piece[first], rows[first], out[first:last])
        wrong = checksums(out) != self._crc[rows]
        if wrong.any():
            raise self._damaged(piece[wrong][0])
        return out

    def transfer(self, rows, box: int | None = None) -> np.ndarray:
        """The CTF of some rows under the store's mode, float32 (m, box, box // 2 + 1).

        Another `box` than the working box means another sampling of the same field of view.
        """
        rows = np.atleast_1d(rows)
        box = box or self.box
        if self.ctf is None:
            return np.ones((len(rows), box, box // 2 + 1), np.float32)
        apix = self._group_apix[self.group[rows]] * self.box / box
        return ctf(self.ctf[rows], box, apix, self.ctf_mode)

    def premultiplied(self, rows) -> np.ndarray:
        """Whether images were multiplied by their CTF already: bool (m,)."""
        return self._premultiplied[self.group[rows]]

    def corrected(self, rows) -> np.ndarray:
        """Images with their phases flipped back where the CTF had turned them, float32 (m, box, box)."""
        rows = np.atleast_1d(rows)
        sign = np.sign(self._filter(rows, self.transfer(rows)))
        return fourier.ift(fourier.ft(self.images(rows)) * sign, self.box)

    def matched(self, rows) -> tuple[np.ndarray, np.ndarray]:
        """The matched filter of some rows.

        An image that was multiplied by its CTF already is ``C X`` itself.

        Parameters
        ----------
        rows : int array (m,)

        Returns
        -------
        y : complex64 array (m, box, box // 2 + 1)
            ``C X / s2`` of the unitary FT; 0 at the origin and from ring ``box // 2`` on.
        c2 : float32 array (m, box // 2 + 1)
            Ring mean of ``C^2 / s2``, 0 on the same rings, and for rows that are not used.
        """
        rows = np.atleast_1d(rows)
        transfer = self.transfer(rows)
        weight = np.where(self.used[rows], np.float32(1), 0)[:, None] / self.noise[self.group[rows]]
        weight[:, 0] = weight[:, self.box // 2] = 0
        c2 = (ring_power(transfer) * weight).astype(np.float32)
        y = fourier.ft(self.images(rows))
        y *= self._filter(rows, transfer)
        y *= fourier.spread_rings(weight, self.box)
        return y, c2

    def _filter(self, rows, transfer) -> np.ndarray:
        """What is still to be multiplied by: 1 where the image has been multiplied by its CTF."""
        transfer[self.premultiplied(rows)] = 1
        return transfer

    def _read(self, p: int, row: int, out: np.ndarray) -> None:
        """Rows of piece p from `row` on. They are not mapped: pages around them would count as the job's memory."""
        file, offset = self._opened(p)
        place = offset + int(row - self._starts[p]) * self.box**2 * out.itemsize
        if os.preadv(file.fileno(), [out], place) != out.nbytes:
            raise self._damaged(p)

    def _open(self, p: int) -> tuple[FileIO, int]:
        """The file of piece p, and where its images start in there."""
        try:
            with h5py.File(self._files[p]) as file:
                offset = file["images"].id.get_offset()
            return open(self._files[p], "rb", buffering=0), offset
        except (OSError, KeyError):
            raise self._damaged(p) from None

    def _damaged(self, p: int) -> Damaged:
        """Both have to be made again: the workflow would not miss the piece alone."""
        return Damaged(f"{self._files[p]} is damaged: it is not what was written", self._files[p], self._path)


def checksums(images: np.ndarray) -> np.ndarray:
    """CRC-32 of each image: uint32 (n,)."""
    return np.array([zlib.crc32(image) for image in images], np.uint32)
