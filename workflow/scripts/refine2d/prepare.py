"""Raw images made the particles of a run: normalised, at the working size, with their noise and CTF beside them."""

import os
from collections import Counter
from dataclasses import fields
from pathlib import Path

import h5py
import numpy as np

from refine2d import fourier, noise, normalize, outliers
from refine2d.ctf import CtfTable, ctf, ring_power
from refine2d.datasets import read
from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.particles import ParticleStore, checksums

DARK = -5  # mean contrast in standard errors below which protein looks dark
BLOCK = 64  # rows prepared at a time; pieces start at multiples of it
PREMULTIPLIED_SAMPLE = 2048  # particles of an optics group that its mean CTF power is taken from


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
    flat = normalize.flatten(clean, wide)
    small = normalize.flatten(fourier.crop(flat, box), background)
    spread = normalize.deviation(small, background)
    noisy = _is_noisy(flat, wide) & _is_noisy(small, background)
    bad[(bad == normalize.OK) & ~noisy] = normalize.NO_BACKGROUND
    scale = np.where(bad == normalize.OK, 1 / np.where(spread > 0, spread, 1), 0)
    small *= scale[:, None, None].astype(np.float32)
    centre = fourier.radius(box) <= mask_radius / 2
    return small, bad, small[:, centre].mean(axis=1, dtype=np.float64)


def _is_noisy(images: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Whether images have more than zeros in their background: bool (n,)."""
    grey = np.abs(images).reshape(len(images), -1)
    return grey @ background.ravel().astype(np.float32) > 1e-4 * background.mean() * grey.sum(1)


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
    contrast, strength = np.zeros(len(number)), np.zeros(len(number), np.float32)
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
                strength[rows] = outliers.strength(block[rows - start], mask)
                good = rows[bad[rows] == normalize.OK]
                np.add.at(power, source.group[number[good]], noise.noise_power(block[good - start], mask))
                np.add.at(count, source.group[number[good]], 1)
            images[start : start + BLOCK] = block
            crc[start : start + BLOCK] = checksums(block)
        columns = {"bad": bad, "contrast": contrast, "strength": strength, "crc": crc}
        for name, column in (columns | {"power": power, "count": count}).items():
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
    columns = {"bad": [], "contrast": [], "strength": [], "crc": []}
    power, count, shapes = 0, 0, []
    for piece in pieces:
        with h5py.File(piece) as file:
            for name in columns:
                columns[name].append(read(file, name))
            power, count = power + read(file, "power"), count + read(file, "count")
            shapes.append(file["images"].shape)
    bad, contrast, strength, crc = (np.concatenate(columns[name]) for name in columns)
    used = bad == normalize.OK
    if len(bad) != len(number):
        raise ValueError(f"the pieces hold {len(bad)} rows, not {len(number)}")
    if not used.any():
        raise UserError(f"{source.path}: no image can be used: {'; '.join(report(number, bad))}.")
    box, group = shapes[0][1], source.group[number].astype(np.int32)
    working_apix = apix * source.box / box
    spectra = _noise_spectra(source, power, count, number, group, used, table, mode, box, working_apix)
    relative = [os.path.relpath(piece, Path(path).parent) for piece in pieces]
    with atomic(path) as temporary, h5py.File(temporary, "w") as out:
        _link_images(out, relative, shapes)
        for name, column in (
            ("number", number.astype(np.int64)),
            ("used", used),
            ("bad", bad),
            ("contrast", contrast.astype(np.float32)),
            ("gain", outliers.gains(strength, used)),
            ("crc", crc),
            ("group", group),
            ("noise", spectra),
            ("group_apix", working_apix),
            ("premultiplied", np.array([group.premultiplied for group in source.optics], bool)),
        ):
            out[name] = column
        if table is not None:
            for field in fields(table):
                out[f"ctf/{field.name}"] = getattr(table, field.name)[number]
        out.attrs["box"], out.attrs["input_box"] = box, source.box
        out.attrs["apix"], out.attrs["input_apix"] = working_apix[0], apix[0]
        out.attrs["ctf_mode"] = mode
    return ParticleStore(path)


def report(number: np.ndarray, bad: np.ndarray, most: int = 10) -> list[str]:
    """One phrase per reason that images are left out for, with the first `most` of their 0-based numbers."""
    phrases = []
    for reason, count in sorted(Counter(bad[bad != normalize.OK].tolist()).items()):
        has = "" if reason == normalize.EXCLUDED else "with "
        phrases.append(f"{count} {has}{normalize.REASONS[reason]}: {listed(number[bad == reason], most)}")
    return phrases


def listed(number: np.ndarray, most: int = 10) -> str:
    """The first of some numbers, as text."""
    return ", ".join(map(str, number[:most])) + (", ..." if len(number) > most else "")


def contrast_score(contrast: np.ndarray, used: np.ndarray) -> float:
    """Mean contrast of the used particles in standard errors: far below 0 where the protein is dark."""
    values = contrast[used].astype(np.float64)
    return float(values.mean() / max(values.std() / np.sqrt(len(values)), 1e-12))


def doubt(contrast: np.ndarray, used: np.ndarray, invert: bool) -> str | None:
    """A sentence where the protein looks dark, as the particles are after `invert`."""
    if contrast_score(contrast, used) >= DARK:
        return None
    if invert:
        return "The particles, inverted, look dark on a bright ground: if they are, set invert to false."
    return "The particles look dark on a bright ground: if they are, set invert to true."


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


def _noise_spectra(source, power, count, number, group, used, table, mode, box, apix) -> np.ndarray:
    """Noise per optics group; a group without particles takes the mean of all.

    Where images were multiplied by their CTF, so was their noise: a division by the mean C^2 undoes that.
    """
    sums = power.astype(np.float64)
    for g, optics in enumerate(source.optics):
        rows = np.flatnonzero(used & (group == g))[:PREMULTIPLIED_SAMPLE]
        if optics.premultiplied and table is not None and len(rows):
            mean = ring_power(ctf(table[number[rows]], box, apix[g], mode)).mean(axis=0)
            sums[g] /= np.maximum(mean, 1e-2)
    everywhere = noise.finish(sums.sum(axis=0), count.sum())
    return np.where(count[:, None] > 0, noise.finish(sums, np.maximum(count, 1)), everywhere)
