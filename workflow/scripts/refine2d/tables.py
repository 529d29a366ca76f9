"""Tables of particles and classes: pieces of scattered steps, and EMAN2's matrices made of them.

EMAN2 stores scores that are smaller for better, and transforms that bring the particle onto the reference, shifts in
pixels of the input. In memory alignments are `transforms.ALIGNMENT` arrays, scores larger for better.
"""

from collections.abc import Iterable, Sequence
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


def packed(rows: np.ndarray, used: np.ndarray) -> np.ndarray:
    """The rows (n, d) that are `used`, bool (n,): moved to the front of their array, so in memory but once."""
    kept = np.flatnonzero(used)
    for first in range(0, len(kept), BLOCK):
        mine = kept[first : first + BLOCK]
        rows[first : first + len(mine)] = rows[mine]
    return rows[: len(kept)]


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


def write_projection(
    path,
    vectors: np.ndarray,
    alignments: np.ndarray | None = None,
    binning: float = 1.0,
    header: dict | None = None,
) -> None:
    """Write one image with a row for each particle: tx, ty, alpha, mirror where there are alignments, then `vectors`;
    scales as a second image (n, 1) if they were searched.

    Parameters
    ----------
    path : path
    vectors : array (n, d)
    alignments : ALIGNMENT array (n,), optional
    binning : float
        Working pixel size over input pixel size.
    header : dict, optional
        More attributes.
    """
    header = {"isvector": 1} | (header or {})
    if alignments is None:
        write_hdf(path, [vectors], [header])
        return
    alpha, tx, ty, mirror, scale = to_eman2(alignments, binning)
    poses = np.stack([tx, ty, alpha, mirror], axis=1)
    with HdfWriter(path) as writer:
        image = writer.create((len(vectors), 4 + vectors.shape[1]), header, compressed=False)
        for first in range(0, len(vectors), BLOCK):
            rows = slice(first, first + BLOCK)
            image[rows] = np.concatenate([poses[rows], vectors[rows]], axis=1)
        if (scale != 1).any():
            writer.add(scale[:, None])


def read_projection(path, binning: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 (n, d) and ALIGNMENT (n,) of a file that `write_projection` wrote with alignments."""
    (rows,) = read_hdf(path, [0])
    tx, ty, alpha, mirror = rows[:, :4].T
    scale = read_hdf(path, [1])[0, :, 0] if len(read_headers(path)) > 1 else 1.0
    return rows[:, 4:], from_eman2(alpha, tx, ty, mirror, scale, binning)


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
        for number, header in enumerate(read_headers(piece))
    ]
    return [(piece, number) for _, piece, number in sorted(found)]


def class_sizes(path) -> np.ndarray:
    """Number of members of each class of a file of averages, left-out ones too: int64 (K,)."""
    members = ("class_ptcl_idxs", "exc_class_ptcl_idxs")
    return np.array([sum(np.size(header.get(name, ())) for name in members) for header in read_headers(path)])


def members_of(number: int, rows: np.ndarray, average) -> np.ndarray:
    """The members (MEMBER) of class `number` as a `ClassAverage` has them."""
    members = np.empty(len(rows), MEMBER)
    members["row"], members["class"], members["kept"] = rows, number, average.kept
    members["quality"], members["alignment"] = average.quality, average.alignments
    return members


def read_members(paths: Iterable) -> np.ndarray:
    """The members (MEMBER) of the classes in some files, sorted by row."""
    members = read_arrays(paths, "members")
    return members[np.argsort(members["row"], kind="stable")]


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
