"""Tables of particles and classes: pieces of scattered steps, and EMAN2's matrices made of them.

EMAN2 stores scores that are smaller for better, and transforms that bring the particle onto the reference, shifts in
pixels of the input. In memory alignments are `transforms.ALIGNMENT` arrays, scores larger for better.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import h5py
import numpy as np

from refine2d.datasets import stored
from refine2d.files import atomic
from refine2d.frc import resolution
from refine2d.stacks.hdf import HdfWriter, read_hdf, read_headers, write_hdf
from refine2d.transforms import ALIGNMENT, from_eman2, to_eman2

BLOCK = 2**14  # rows written or moved at a time
UNTRIED = 1e24  # score of a reference that a particle was not compared with; large, since small is good

MEMBER = np.dtype(
    [("row", "i8"), ("class", "i4"), ("kept", "?"), ("quality", "f4"), ("alignment", ALIGNMENT)]
)


# ---- Pieces ------------------------------------------------------------------


def write_arrays(path, **arrays: np.ndarray) -> None:
    """Write arrays, structured ones too, as datasets of an HDF5 file."""
    with atomic(path) as temporary, h5py.File(temporary, "w") as file:
        for name, array in arrays.items():
            file[name] = array


def read_arrays(paths: Iterable, name: str) -> np.ndarray:
    """One dataset of several pieces, joined along its first axis; in memory but once."""
    paths, ends = list(paths), [0]
    for path in paths:
        with h5py.File(path) as file:
            piece = stored(file, name)
            ends.append(ends[-1] + len(piece))
            each, dtype = piece.shape[1:], piece.dtype
    joined = np.empty((ends[-1], *each), dtype)
    for path, (first, last) in zip(paths, pairwise(ends), strict=True):
        with h5py.File(path) as file:
            joined[first:last] = file[name][()]
    return joined


def read_parts(paths: Iterable, *names: str) -> Iterator[tuple]:
    """Some datasets of several pieces, at most `BLOCK` rows at a time: which rows of the whole they are, and the rows.

    Yields
    ------
    slice, array, ...
    """
    start = 0
    for path in paths:
        with h5py.File(path) as file:
            datasets = [stored(file, name) for name in names]
            for first in range(0, len(datasets[0]), BLOCK):
                arrays = [dataset[first : first + BLOCK] for dataset in datasets]
                yield slice(start, start + len(arrays[0])), *arrays
                start += len(arrays[0])


def read_rows(paths: Iterable, name: str, rows: np.ndarray) -> np.ndarray:
    """Some rows, ascending, of a dataset of several pieces."""
    parts = []
    for mine, part in read_parts(paths, name):
        first, last = np.searchsorted(rows, [mine.start, mine.stop])
        parts.append(part[rows[first:last] - mine.start])
    return np.concatenate(parts)


# ---- classmx, simmx, projections -----------------------------------------------


def write_classmx(
    path, labels: np.ndarray, weights: np.ndarray, alignments: np.ndarray, binning: float
) -> None:
    """Write six images (n, 1): class (-1 for none), weight, dx, dy, dalpha, flip; the scale too if it was searched.

    Parameters
    ----------
    path : path
    labels, weights : arrays (n,)
    alignments : ALIGNMENT array (n,)
    binning : float
        Working pixel size over input pixel size.
    """
    alpha, tx, ty, mirror, scale = to_eman2(alignments, binning)
    columns = [labels, weights, tx, ty, alpha, mirror, *([scale] if (scale != 1).any() else [])]
    write_hdf(path, (column[:, None] for column in columns))


def read_classmx(path, binning: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels int32 (n,), weights float32 (n,) and ALIGNMENT (n,); inverse of `write_classmx`."""
    labels, weights, tx, ty, alpha, mirror, *more = read_hdf(path)[:, :, 0]
    labels = labels.astype(np.int32)
    alignments = from_eman2(alpha, tx, ty, mirror, *(more or [1.0]), binning)
    alignments["ref"] = labels
    return labels, weights, alignments


def write_simmx(path, pieces: Iterable[np.ndarray], n: int, nref: int, binning: float) -> None:
    """Write six images (n, nref): score, tx, ty, alpha, mirror, scale; `UNTRIED` scores where nothing was compared.

    Parameters
    ----------
    path : path
    pieces : ALIGNMENT arrays (m, nbest)
        Together the n rows, in order; a `ref` below 0 is none.
    n, nref : int
    binning : float
        Working pixel size over input pixel size.
    """
    fills = (UNTRIED, 0, 0, 0, 0, 1)
    with HdfWriter(path) as writer:
        images = [writer.create((n, nref), fill=fill) for fill in fills]
        start = 0
        for best in pieces:
            row, rank = np.nonzero(best["ref"] >= 0)
            tried = best[row, rank]
            alpha, tx, ty, mirror, scale = to_eman2(tried, binning)
            values = (-tried["score"], tx, ty, alpha, mirror, scale)
            for image, fill, value in zip(images, fills, values, strict=True):
                block = np.full((len(best), nref), fill, np.float32)
                block[row, tried["ref"]] = value
                image[start : start + len(best)] = block
            start += len(best)


def read_simmx(path, binning: float) -> np.ndarray:
    """ALIGNMENT (n, nref) of a file that `write_simmx` or EMAN2 wrote; where nothing was compared, ref is -1 and the
    score -inf."""
    score, tx, ty, alpha, mirror, *more = read_hdf(path)
    out = from_eman2(alpha, tx, ty, mirror, *(more or [1.0]), binning)
    tried = np.abs(score) < UNTRIED
    out["ref"] = np.where(tried, np.arange(score.shape[1]), -1)
    out["score"] = np.where(tried, -score, -np.inf)
    return out


def write_vectors(path, vectors: np.ndarray, header: dict | None = None) -> None:
    """Write one image with a row for each of some vectors (n, d); `header` are more attributes."""
    write_hdf(path, [vectors], [{"isvector": 1} | (header or {})])


def write_projection(
    path, parts: Iterable[tuple], shape: tuple[int, int], binning: float, header: dict
) -> None:
    """Write one image with a row for each particle: tx, ty, alpha, mirror, then its vector; scales as a second image
    (n, 1) if they were searched.

    Parameters
    ----------
    path : path
    parts : pairs of arrays (m, d) and ALIGNMENT arrays (m,)
        Together the n particles, in order.
    shape : (n, d)
    binning : float
        Working pixel size over input pixel size.
    header : dict
        More attributes.
    """
    scales, start = [], 0
    with HdfWriter(path) as writer:
        image = writer.create((shape[0], 4 + shape[1]), {"isvector": 1} | header, compressed=False)
        for vectors, alignments in parts:
            alpha, tx, ty, mirror, scale = to_eman2(alignments, binning)
            image[start : start + len(vectors)] = np.column_stack([tx, ty, alpha, mirror, vectors])
            start += len(vectors)
            scales.append(scale)
        scale = np.concatenate(scales)
        if (scale != 1).any():
            writer.add(scale[:, None])


def read_projection(path, rows: np.ndarray, binning: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 (m, d) and ALIGNMENT (m,) of some rows, ascending, of a file that `write_projection` wrote."""
    image, *scaled = [f"MDF/images/{number}/image" for number in range(len(read_headers(path, ())))]
    found = read_rows([path], image, rows)
    tx, ty, alpha, mirror = found[:, :4].T
    scale = read_rows([path], *scaled, rows)[:, 0] if scaled else 1.0
    return found[:, 4:], from_eman2(alpha, tx, ty, mirror, scale, binning)


# ---- Classes -------------------------------------------------------------------


def write_classes(path, images: Sequence[np.ndarray], headers: list[dict], members: np.ndarray) -> None:
    """Write averages as EMAN2 does, and their members as a dataset `members` (MEMBER) beside them."""
    with atomic(path) as temporary:
        write_hdf(temporary, images, headers)
        with h5py.File(temporary, "a") as file:
            file["members"] = members


def join_classes(path, pieces: Sequence) -> None:
    """Write the averages of some files to one, sorted by class number."""
    places = class_places(pieces)
    headers = {piece: read_headers(piece) for piece in pieces}
    images = (read_hdf(piece, [number])[0] for piece, number in places)
    write_hdf(path, images, [headers[piece][number] for piece, number in places])


def class_places(pieces: Sequence) -> list[tuple[str, int]]:
    """File and image number of each class average, sorted by class number."""
    found = [
        (header["class_id"], piece, number)
        for piece in pieces
        for number, header in enumerate(read_headers(piece, ["class_id"]))
    ]
    return [(piece, number) for _, piece, number in sorted(found)]


def read_shift_sigma(path) -> float | None:
    """Standard deviation (A) of the shifts that averages expect of particles; None where they have no members."""
    return read_headers(path, ["shift_sigma"])[0].get("shift_sigma")


def class_sizes(path) -> np.ndarray:
    """Number of members of each class of a file of averages, left-out ones too: int64 (K,)."""
    members = ("class_ptcl_idxs", "exc_class_ptcl_idxs")
    headers = read_headers(path, members)
    return np.array([sum(np.size(header.get(name, ())) for name in members) for header in headers])


def members_of(number: int, rows: np.ndarray, average) -> np.ndarray:
    """The members (MEMBER) of class `number` as a `ClassAverage` has them."""
    members = np.empty(len(rows), MEMBER)
    members["row"], members["class"], members["kept"] = rows, number, average.kept
    members["quality"], members["alignment"] = average.quality, average.alignments
    return members


def read_members(paths: Iterable) -> np.ndarray:
    """The members (MEMBER) of the classes in some files, sorted by row."""
    members = read_arrays(paths, "members")
    order = np.argsort(members["row"], kind="stable")
    for name in MEMBER.names:  # one after another: all of them in memory but once
        members[name] = members[name][order]
    return members


def class_header(
    number: int, members: np.ndarray, frc: np.ndarray, source: str, apix: float, noise: float = 0.0
) -> dict:
    """EMAN2's attributes of a class average.

    Parameters
    ----------
    number : int
        Class number.
    members : MEMBER array
    frc : float array (rings,)
        Fourier ring correlation of its halves.
    source : str
        List file (.lst) whose lines the members' rows are.
    apix : float
        Pixel size of the average, Angstrom.
    noise : float
        Energy of the noise in it.
    """
    kept = members["kept"]
    quality = -members["quality"][kept].astype(np.float64)
    header = {
        "ptcl_repr": int(kept.sum()),
        "class_id": number,
        "class_ptcl_src": source,
        "class_ptcl_idxs": members["row"][kept],
        "exc_class_ptcl_idxs": members["row"][~kept],
        "class_ptcl_qual": float(quality.mean()) if kept.any() else 0.0,
        "class_ptcl_qual_sigma": float(quality.std()) if kept.any() else 0.0,
        "frc": np.asarray(frc, np.float32),
        "resolution": resolution(frc, apix),
        "noise": float(noise),
        "apix_x": float(apix),
        "apix_y": float(apix),
    }
    return {name: value for name, value in header.items() if np.size(value)}
