"""cryoSPARC's view of a run: particles.cs."""

import hashlib
import os

import numpy as np

from refine2d.particles import ParticleStore
from refine2d.stacks import cs, places
from refine2d.stacks.arrays import write_npy
from refine2d.stacks.source import Source
from refine2d.transforms import to_relion

SLOT = "alignments2D"
NOTHING = (
    "error",
    "error_min",
    "resid_pow",
    "slice_pow",
    "image_pow",
    "alpha_min",
    "weight",
    "pose_ess",
    "shift_ess",
)
ABERRATIONS = {"shift_A": 2, "tilt_A": 2, "trefoil_A": 2, "tetra_A": 4, "anisomag": 4}


def write_particles(
    path: str,
    source: Source,
    store: ParticleStore,
    rows: np.ndarray,
    labels: np.ndarray,
    alignments: np.ndarray,
    invert: bool = False,
) -> None:
    """Write particles with class, pose and score as cryoSPARC's records.

    A .cs input keeps all its fields, and those of `alignments2D` are replaced or added. Paths that do not mean the
    stacks that were read from the project folder, the current one, are completed. Other inputs get `uid` (a digest of
    the image's place), `blob` and `ctf`. As pyem's csparc2star has it, `pose` is RELION's psi in radians, and `shift`
    its origin in pixels of `psize_A`: the particle is shifted by it, then rotated. cryoSPARC has no mirror: pose and
    shift bring a mirrored member onto the average's mirror image, and its `refine2d/flip` is 1. `cross_cor` is the
    log-likelihood gain, the shift a priori taken in; what this run does not know is 0.

    Parameters
    ----------
    path : str
    source : Source
    store : ParticleStore
    rows : int array (n,)
        Rows of the store to write.
    labels : int array (n,)
        Class numbers, from 0, as cryoSPARC counts.
    alignments : ALIGNMENT array (n,)
    invert : bool
        The run took the pixels (after the input's own sign) with their sign changed.
    """

    def records(first: int) -> np.ndarray:
        mine = slice(first, first + cs.BATCH)
        return _records(source, store, rows[mine], labels[mine], alignments[mine], invert)

    write_npy(path, map(records, range(0, max(len(rows), 1), cs.BATCH)), len(rows))


def _records(source: Source, store: ParticleStore, rows, labels, alignments, invert: bool) -> np.ndarray:
    numbers = store.number[rows]
    pixel = source.pixel_size(numbers, store.input_apix)
    sign = -1 if invert else 1
    if isinstance(source.table, cs.Table):
        records = source.table[numbers]
        before = records[cs.SIGN] if cs.SIGN in records.dtype.names else np.ones(len(rows))
        kept = {cs.PATH: _paths(records, source, numbers), cs.SIGN: np.asarray(before * sign, "f4")}
        records = cs.with_fields(records, kept)
    else:
        records = _fresh(source, store, rows, pixel, sign)
    return cs.with_fields(records, _poses(records, store, labels, alignments, pixel))


def _paths(records: np.ndarray, source: Source, numbers: np.ndarray) -> np.ndarray:
    """The records' paths of stacks, completed where they do not mean the same files from the current folder."""
    old, new = records[cs.PATH].tolist(), {}
    for path, file in zip(old, source.locations(numbers)[1], strict=True):
        if path not in new:
            same = places.means(cs.stack_name(path), file)
            new[path] = os.fsencode(path if same else places.from_here(file))
    longest = max(records.dtype[cs.PATH].itemsize, _longest(source))
    return np.array([new[path] for path in old], f"S{longest}")


def _poses(
    records: np.ndarray, store: ParticleStore, labels, alignments: np.ndarray, pixel: np.ndarray
) -> dict:
    psi, x, y, flip = to_relion(alignments, store.apix)
    n = len(records)
    known = f"{SLOT}/split" in records.dtype.names
    columns = {
        "split": records[f"{SLOT}/split"] if known else np.zeros(n, "u4"),
        "shift": (np.stack([x, y], axis=1) / pixel[:, None]).astype("f4"),
        "pose": np.deg2rad(psi % 360).astype("f4"),
        "psize_A": pixel.astype("f4"),
        "cross_cor": alignments["score"].astype("f4"),
        **{name: np.zeros(n, "f4") for name in NOTHING},
        **{name: np.ones(n, "f4") for name in ("alpha", "class_posterior", "class_ess")},
        "class": np.asarray(labels, "u4"),
    }
    return {f"{SLOT}/{name}": column for name, column in columns.items()} | {
        "refine2d/flip": flip.astype("u1")
    }


def _fresh(
    source: Source, store: ParticleStore, rows: np.ndarray, pixel: np.ndarray, sign: int
) -> np.ndarray:
    numbers = store.number[rows]
    index, stacks = source.locations(numbers)
    paths = [places.from_here(stack) for stack in stacks]
    box = source.box_size(numbers)
    columns = {
        "uid": np.array([_uid(path, place) for path, place in zip(paths, index, strict=True)], "u8"),
        cs.PATH: np.array([path.encode() for path in paths], f"S{_longest(source)}"),
        cs.INDEX: index.astype("u4"),
        cs.SHAPE: np.stack([box, box], axis=1).astype("u4"),
        cs.PIXEL: pixel.astype("f4"),
        cs.SIGN: np.full(len(rows), sign, "f4"),
        "blob/import_sig": np.zeros(len(rows), "u8"),
    }
    if store.ctf is not None:
        columns |= _ctf(store, rows)
    out = np.empty(len(rows), [(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
    for name, column in columns.items():
        out[name] = column
    return out


def _ctf(store: ParticleStore, rows: np.ndarray) -> dict[str, np.ndarray]:
    n = len(rows)
    columns = {"ctf/type": np.full(n, b"imported"), cs.GROUP: store.group[rows].astype("u4")}
    for field, (name, unit) in cs.CTF.items():
        columns[name] = (getattr(store.ctf, field)[rows] / unit).astype("f4")
    columns |= {
        "ctf/scale": np.ones(n, "f4"),
        "ctf/scale_const": np.zeros(n, "f4"),
        "ctf/bfactor": np.zeros(n, "f4"),
    }
    return columns | {f"ctf/{name}": np.zeros((n, size), "f4") for name, size in ABERRATIONS.items()}


def _longest(source: Source) -> int:
    """Bytes of the longest path of a stack from the current folder."""
    return max(len(places.from_here(stack.path).encode()) for stack in source.stacks)


def _uid(path: str, index: int) -> int:
    return int.from_bytes(hashlib.blake2b(f"{index}@{path}".encode(), digest_size=8).digest(), "little")
