"""The particle store: prepared images, their CTF and noise, and the matched filter.

A store is a small HDF5 file of per-particle columns, beside piece files with the images. All tables of a run
count its rows; row r is input image ``number[r]``.
"""

import logging
import os
import zlib
from collections import Counter
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np

from refine2d import fourier, noise, normalize
from refine2d.ctf import CtfTable, ctf, ring_power
from refine2d.datasets import read
from refine2d.errors import Damaged, UserError
from refine2d.files import atomic

log = logging.getLogger(__name__)

BLOCK = 64  # rows prepared at a time; pieces start at multiples of it
PREMULTIPLIED_SAMPLE = 2048  # particles of an optics group that its mean CTF power is taken from


def working_box(box: int, apix: float, shrink: float | str = "auto") -> int:
    """Box for the alignment, always even and never larger than the input's.

    Parameters
    ----------
    box, apix : int, float
        Input box in pixels, pixel size in Angstrom.
    shrink : float or 'auto'
        Factor to reduce images by; 'auto' aims at 4 Angstrom per pixel and 48 to 128 pixels.

    Raises
    ------
    UserError
        For a factor below 1 or a result of fewer than 16 pixels.
    """
    even = box - box % 2
    if shrink == "auto":
        wanted = np.clip(box * apix / 4, 48, 128)
    else:
        if not shrink >= 1:
            raise UserError(
                f"shrink is {shrink}, but images are never enlarged: give auto or a number from 1."
            )
        wanted = box / shrink
    small = even if wanted >= even else min(fourier.good_box(wanted), even)
    if small < 16:
        raise UserError(f"shrink leaves a box of {small} pixels, too small to align: use a smaller shrink.")
    return small


def fill_apix(source, apix: float | None) -> np.ndarray:
    """Input pixel size of each optics group, float64 (groups,), Angstrom; `apix` where the file has none.

    Raises
    ------
    UserError
        Where neither says it, or where groups differ by more than 2 %.
    """
    known = np.array([np.nan if group.apix is None else group.apix for group in source.optics], np.float64)
    known[~(known > 0)] = np.nan
    if apix is not None and np.any(np.abs(known / apix - 1) > 1e-3):
        log.warning("apix: %g is not used where %s says %g", apix, source.path, np.nanmax(known))
    filled = np.where(np.isnan(known), np.nan if apix is None else apix, known)
    if np.isnan(filled).any():
        raise UserError(f"{source.path} does not say the pixel size: set apix (Angstrom per pixel).")
    if filled.max() > 1.02 * filled.min():
        raise UserError(
            f"{source.path} has pixel sizes from {filled.min():g} to {filled.max():g} A: "
            "rescale the images to one pixel size first."
        )
    return filled


def fill_ctf(source, mode: str, voltage=None, cs=None, ac=None) -> tuple[CtfTable | None, str]:
    """CTF parameters with the file's gaps filled.

    Parameters
    ----------
    source : Source
    mode : str
        One of `refine2d.ctf.MODES`.
    voltage, cs, ac : float, optional
        kV, mm, fraction; used where the file has none.

    Returns
    -------
    table : CtfTable or None
    mode : str
        'none' where no CTF will be used.

    Raises
    ------
    UserError
        Where only some parameters are known, or they are not plausible.
    """
    if mode == "none":
        return None, "none"
    if source.ctf is None or np.isnan(source.ctf.defocus_u).all():
        log.warning("%s has no defocus: going on without CTF (as with ctf: none)", source.path)
        return None, "none"
    table = source.ctf[:]
    without = np.flatnonzero(np.isnan(table.defocus_u))
    if len(without):
        raise UserError(
            f"{source.path}: image {without[0]} and {len(without) - 1} more have no defocus, others have: "
            "leave them out of the file, or set ctf: none."
        )
    _fill(table.defocus_v, table.defocus_u)
    _fill(table.angle, 0)
    _fill(table.phase, 0)
    for name, value, unit, low, high in (
        ("voltage", voltage, "kV", 10, 3000),
        ("cs", cs, "mm", 0, 20),
        ("ac", ac, "a fraction", 0, 1),
    ):
        column = getattr(table, name)
        if value is not None:
            _fill(column, value)
        if np.isnan(column).any():
            raise UserError(f"{source.path} has defocus but no {name}: set {name} ({unit}), or ctf: none.")
        wrong = np.flatnonzero((column < low) | (column > high))
        if len(wrong):
            raise UserError(
                f"{source.path}: {name} of image {wrong[0]} is {column[wrong[0]]:g}, expected {unit} "
                f"from {low} to {high}: correct the file."
            )
    if np.median(np.abs(table.defocus_u)) < 100:
        raise UserError(
            f"{source.path}: defocus of image 0 is {table.defocus_u[0]:g}, expected Angstrom "
            "(1 um is 10000): correct the file."
        )
    return table, mode


def select(n: int, exclude=(), subset: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Choose the input images that become rows.

    Parameters
    ----------
    n : int
        Images in the input.
    exclude : ints
        0-based numbers of images to leave out.
    subset : int, optional
        Take this many, spread evenly over the images that are not excluded; all become rows otherwise.

    Returns
    -------
    number : int64 array (rows,)
    excluded : bool array (rows,)

    Raises
    ------
    UserError
        For numbers outside the input, and when nothing is left.
    """
    excluded = np.zeros(n, bool)
    exclude = np.asarray(exclude, np.int64)
    wrong = exclude[(exclude < 0) | (exclude >= n)]
    if len(wrong):
        raise UserError(f"exclude names image {wrong[0]}, but the input has images 0 to {n - 1}.")
    excluded[exclude] = True
    left = np.flatnonzero(~excluded)
    if not len(left):
        raise UserError("exclude leaves no image: shorten the list.")
    if subset is None:
        return np.arange(n), excluded
    take = min(subset, len(left))
    return left[(2 * np.arange(take) + 1) * len(left) // (2 * take)], np.zeros(take, bool)


def read_numbers(path) -> np.ndarray:
    """Image numbers from a text file, int64: split at blanks, commas and lines; ``#`` starts a comment."""
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"exclude: cannot read {path} ({error}).") from error
    words = [word for line in lines for word in line.split("#")[0].replace(",", " ").split()]
    for word in words:
        if not word.isdigit():
            raise UserError(f"exclude: {path} holds {word!r}, expected image numbers from 0.")
    return np.array([int(word) for word in words], np.int64)


def prepare(images, box: int, mask_radius: float, invert: bool = False):
    """Bring raw images to the working box and to one scale.

    The plane that fits the background is subtracted, the image Fourier-cropped, and its background set to
    mean 0 and standard deviation 1.

    Parameters
    ----------
    images : float array (n, B, B)
    box : int
        Working box, at most B.
    mask_radius : float
        Working pixels; farther out is background.
    invert : bool
        Change the sign, for dark protein.

    Returns
    -------
    images : float32 array (n, box, box)
        Zero where bad.
    bad : uint8 array (n,)
        A reason of `refine2d.normalize.REASONS`, or 0.
    contrast : float64 array (n,)
        Mean of the inner half of the mask: positive, on average, for bright protein.
    """
    bad = normalize.defects(images)
    clean = np.where((bad == normalize.OK)[:, None, None], images, 0)
    if invert:
        clean = -clean
    wide = normalize.outside(images.shape[-1], mask_radius * images.shape[-1] / box)
    background = normalize.outside(box, mask_radius)
    small = normalize.flatten(fourier.crop(normalize.flatten(clean, wide), box), background)
    spread = normalize.deviation(small, background)
    overall = small.std(axis=(1, 2), dtype=np.float64)
    bad[(bad == normalize.OK) & (spread <= 1e-4 * overall)] = normalize.NO_BACKGROUND
    scale = np.where(bad == normalize.OK, 1 / np.where(spread > 0, spread, 1), 0)
    small *= scale[:, None, None].astype(np.float32)
    centre = fourier.radius(box) <= mask_radius / 2
    return small, bad, small[:, centre].mean(axis=1, dtype=np.float64)


def write_piece(
    path, source, number: np.ndarray, excluded: np.ndarray, box: int, mask_radius: float, invert: bool = False
) -> None:
    """Prepare some rows and write them as one piece file.

    Parameters
    ----------
    path : path
    source : Source
    number, excluded : int and bool arrays (rows,)
        From `select`, the rows of this piece.
    box, mask_radius, invert
        See `prepare`.
    """
    mask = fourier.soft_mask(box, min(mask_radius, box // 2 - 1))
    bad = np.full(len(number), normalize.EXCLUDED, np.uint8)
    contrast = np.zeros(len(number))
    crc = np.zeros(len(number), np.uint32)
    power = np.zeros((len(source.optics), fourier.nrings(box)), np.int64)
    count = np.zeros(len(source.optics), np.int64)
    with atomic(path) as temporary, h5py.File(temporary, "w") as out:
        images = out.create_dataset("images", (len(number), box, box), np.float32)
        for start in range(0, len(number), BLOCK):
            rows = start + np.flatnonzero(~excluded[start : start + BLOCK])
            block = np.zeros((min(BLOCK, len(number) - start), box, box), np.float32)
            if len(rows):
                raw = source.images(number[rows])
                block[rows - start], bad[rows], contrast[rows] = prepare(raw, box, mask_radius, invert)
                good = rows[bad[rows] == normalize.OK]
                np.add.at(power, source.group[number[good]], noise.noise_power(block[good - start], mask))
                np.add.at(count, source.group[number[good]], 1)
            images[start : start + BLOCK] = block
            crc[start : start + BLOCK] = _checksums(block)
        columns = {"bad": bad, "contrast": contrast, "crc": crc, "power": power, "count": count}
        for name, column in columns.items():
            out[name] = column
        out.attrs["box"], out.attrs["input_box"] = box, source.box


def merge(
    pieces, path, source, number: np.ndarray, apix: np.ndarray, table: CtfTable | None, mode: str
) -> "ParticleStore":
    """Make the store of its pieces.

    Parameters
    ----------
    pieces : list of paths
        In the order of their rows; the store points to them relative to its own folder.
    path : path
    source : Source
    number : int array (rows,)
        From `select`, all rows.
    apix : float array (groups,)
        From `fill_apix`.
    table, mode
        From `fill_ctf`.

    Returns
    -------
    ParticleStore

    Raises
    ------
    UserError
        When no image can be used.
    """
    columns = {"bad": [], "contrast": [], "crc": []}
    power, count, shapes = 0, 0, []
    for piece in pieces:
        with h5py.File(piece) as file:
            for name in columns:
                columns[name].append(read(file, name))
            power, count = power + read(file, "power"), count + read(file, "count")
            shapes.append(file["images"].shape)
    bad, contrast, crc = (np.concatenate(columns[name]) for name in columns)
    used = bad == normalize.OK
    if len(bad) != len(number):
        raise ValueError(f"the pieces hold {len(bad)} rows, not {len(number)}")
    if not used.any():
        raise UserError(f"{source.path}: no image can be used: {'; '.join(report(number, bad))}.")
    box, group = shapes[0][1], source.group[number].astype(np.int32)
    working_apix = apix * source.box / box
    table = None if table is None else table[number]
    spectra = _noise_spectra(source, power, count, group, used, table, mode, box, working_apix)
    relative = [os.path.relpath(piece, Path(path).parent) for piece in pieces]
    with atomic(path) as temporary, h5py.File(temporary, "w") as out:
        _link_images(out, relative, shapes)
        for name, column in (
            ("number", number.astype(np.int64)),
            ("used", used),
            ("bad", bad),
            ("contrast", contrast.astype(np.float32)),
            ("crc", crc),
            ("group", group),
            ("noise", spectra),
            ("group_apix", working_apix),
            ("premultiplied", np.array([group.premultiplied for group in source.optics], bool)),
        ):
            out[name] = column
        if table is not None:
            for field in fields(table):
                out[f"ctf/{field.name}"] = getattr(table, field.name)
        out.attrs["box"], out.attrs["input_box"] = box, source.box
        out.attrs["apix"], out.attrs["input_apix"] = working_apix[0], apix[0]
        out.attrs["ctf_mode"] = mode
    return ParticleStore(path)


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
        See `prepare`.
    ctf : CtfTable or None
    ctf_mode : str
    noise : float32 array (groups, rings)
        Noise power before any multiplication by the CTF.
    """

    def __init__(self, path):
        self._path, self._folder = path, Path(path).parent
        with h5py.File(path) as file:
            self._crc = read(file, "crc")
            for name in ("number", "used", "bad", "contrast", "group", "noise"):
                setattr(self, name, read(file, name))
            self._group_apix, self._premultiplied = read(file, "group_apix"), read(file, "premultiplied")
            self.ctf = None
            if "ctf" in file:
                self.ctf = CtfTable(*(read(file, f"ctf/{field.name}") for field in fields(CtfTable)))
            self.box, self.input_box = int(file.attrs["box"]), int(file.attrs["input_box"])
            self.apix, self.input_apix = float(file.attrs["apix"]), float(file.attrs["input_apix"])
            self.ctf_mode = str(file.attrs["ctf_mode"])
            sources = sorted(
                (s.vspace.get_select_bounds()[0][0], s.file_name) for s in file["images"].virtual_sources()
            )
        self.n = len(self.number)
        self._starts = np.array([start for start, _ in sources])
        self._files = [self._folder / name for _, name in sources]
        self._maps = [None] * len(sources)

    def images(self, rows) -> np.ndarray:
        """Prepared images, float32 (m, box, box), in the order of `rows`.

        Raises
        ------
        Damaged
            Where an image differs from its checksum.
        """
        rows = np.atleast_1d(rows)
        piece = np.searchsorted(self._starts, rows, side="right") - 1
        out = np.empty((len(rows), self.box, self.box), np.float32)
        for p in np.unique(piece):
            mine = np.flatnonzero(piece == p)
            out[mine] = block = self._map(p)[rows[mine] - self._starts[p]]
            if (_checksums(block) != self._crc[rows[mine]]).any():
                raise self._damaged(p)
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

    def _map(self, p: int) -> np.ndarray:
        if self._maps[p] is None:
            try:
                with h5py.File(self._files[p]) as file:
                    images = file["images"]
                    offset, shape = images.id.get_offset(), images.shape
                self._maps[p] = np.memmap(self._files[p], np.float32, "r", offset, shape)
            except (OSError, KeyError, ValueError):
                raise self._damaged(p) from None
        return self._maps[p]

    def _damaged(self, p: int) -> Damaged:
        """Both have to be made again: the workflow would not miss the piece alone."""
        return Damaged(f"{self._files[p]} is damaged: it is not what was written", self._files[p], self._path)


def report(number: np.ndarray, bad: np.ndarray, most: int = 10) -> list[str]:
    """One phrase per reason that images are left out for, with the first `most` of their 0-based numbers."""
    phrases = []
    for reason, count in sorted(Counter(bad[bad != normalize.OK].tolist()).items()):
        names = ", ".join(map(str, number[bad == reason][:most])) + (", ..." if count > most else "")
        phrases.append(f"{count} with {normalize.REASONS[reason]}: {names}")
    return phrases


def contrast_score(contrast: np.ndarray, used: np.ndarray) -> float:
    """Mean contrast of the used particles in standard errors: far below 0 where the protein is dark."""
    values = contrast[used].astype(np.float64)
    return float(values.mean() / max(values.std() / np.sqrt(len(values)), 1e-12))


def _checksums(images: np.ndarray) -> np.ndarray:
    """CRC-32 of each image: uint32 (n,)."""
    return np.array([zlib.crc32(image) for image in images], np.uint32)


def _link_images(file: h5py.File, pieces: list[str], shapes: list[tuple]) -> None:
    """A virtual dataset `images` over those of the pieces; h5py's own function would put the time into it."""
    total = (sum(shape[0] for shape in shapes), *shapes[0][1:])
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_obj_track_times(False)
    start = 0
    for piece, shape in zip(pieces, shapes, strict=True):
        place = h5py.h5s.create_simple(total)
        place.select_hyperslab((start, 0, 0), shape)
        properties.set_virtual(place, os.fsencode(piece), b"images", h5py.h5s.create_simple(shape))
        start += shape[0]
    h5py.h5d.create(file.id, b"images", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple(total), properties)


def _noise_spectra(source, power, count, group, used, table, mode, box, apix) -> np.ndarray:
    """Noise per optics group; a group without particles takes the mean of all.

    Where images were multiplied by their CTF, so was their noise: a division by the mean C^2 undoes that.
    """
    sums = power.astype(np.float64)
    for g, optics in enumerate(source.optics):
        rows = np.flatnonzero(used & (group == g))[:PREMULTIPLIED_SAMPLE]
        if optics.premultiplied and table is not None and len(rows):
            mean = ring_power(ctf(table[rows], box, apix[g], mode)).mean(axis=0)
            sums[g] /= np.maximum(mean, 1e-2)
    everywhere = noise.finish(sums.sum(axis=0), count.sum())
    return np.where(count[:, None] > 0, noise.finish(sums, np.maximum(count, 1)), everywhere)


def _fill(column: np.ndarray, value) -> None:
    gaps = np.isnan(column)
    column[gaps] = np.broadcast_to(value, column.shape)[gaps]
