"""RELION's view of a run: particles.star and classes.star."""

from collections.abc import Iterator
from dataclasses import fields

import numpy as np

from refine2d.ctf import CtfTable
from refine2d.particles import ParticleStore
from refine2d.stacks import places
from refine2d.stacks.source import Source
from refine2d.stacks.star import IMAGE, Table
from refine2d.stacks.star_text import BATCH, Block, write_parts
from refine2d.transforms import to_relion

CTF_LABELS = {
    "defocus_u": "rlnDefocusU",
    "defocus_v": "rlnDefocusV",
    "angle": "rlnDefocusAngle",
    "phase": "rlnPhaseShift",
}
OPTICS_LABELS = {"voltage": "rlnVoltage", "cs": "rlnSphericalAberration", "ac": "rlnAmplitudeContrast"}


def write_particles(
    path: str,
    source: Source,
    store: ParticleStore,
    rows: np.ndarray,
    labels: np.ndarray,
    alignments: np.ndarray,
) -> None:
    """Write particles with class, pose and score as a STAR file.

    A STAR input keeps its blocks and columns as they are, and its kind: origins are in Angstrom where it has an optics
    table, and in pixels in the older single table. Names that do not mean the stacks that were read from the project
    folder, the current one, are completed. Other inputs become a STAR file of RELION 3.1.

    Parameters
    ----------
    path : str
    source : Source
    store : ParticleStore
    rows : int array (n,)
        Rows of the store to write, ascending.
    labels : int array (n,)
        Class numbers, from 0; written from 1 as RELION counts.
    alignments : ALIGNMENT array (n,)

    Raises
    ------
    UserError
        When a STAR input has changed since it was opened.
    """
    parts = _carried if isinstance(source.table, Table) else _fresh
    optics = parts is _fresh or source.table.optics
    write_parts(path, parts(source, store, rows, labels, alignments), optics)


def class_blocks(stack: str, counts: np.ndarray) -> dict[str, dict]:
    """The averages in a stack, with the share of the particles that each has."""
    share = counts / max(counts.sum(), 1)
    return {
        "model_classes": {
            "rlnReferenceImage": [f"{number:06d}@{stack}" for number in range(1, len(counts) + 1)],
            "rlnClassDistribution": _decimals(share),
        }
    }


def _carried(source: Source, store: ParticleStore, rows, labels, alignments) -> Iterator[tuple[str, Block]]:
    """The blocks of a STAR input, with poses."""
    table, numbers = source.table, store.number[rows]
    for name, part, mine in table.parts(numbers):
        if mine is not None:
            pixel = 1.0 if table.optics else source.pixel_size(numbers[mine], store.input_apix)
            unit = "Angst" if table.optics else ""
            part[IMAGE] = _findable(part[table.label], source, numbers[mine])
            part |= _poses(store, labels[mine], alignments[mine], unit, pixel)
        yield name, part


def _fresh(source: Source, store: ParticleStore, rows, labels, alignments) -> Iterator[tuple[str, Block]]:
    """What an input without such blocks says, with poses."""
    yield "optics", _optics(source, store)
    for first in range(0, max(len(rows), 1), BATCH):
        mine = slice(first, first + BATCH)
        poses = _poses(store, labels[mine], alignments[mine], "Angst", 1.0)
        yield "particles", _images(source, store, rows[mine]) | poses


def _poses(store: ParticleStore, labels: np.ndarray, alignments: np.ndarray, unit: str, pixel) -> dict:
    psi, x, y, flip = to_relion(alignments, store.apix)
    return {
        "rlnClassNumber": [str(label + 1) for label in labels],
        "rlnAnglePsi": _decimals(psi),
        f"rlnOriginX{unit}": _decimals(x / pixel),
        f"rlnOriginY{unit}": _decimals(y / pixel),
        "rlnIsFlip": [str(int(flipped)) for flipped in flip],
        "rlnLogLikeliContribution": _decimals(alignments["score"]),
    }


def _findable(names: np.ndarray, source: Source, numbers: np.ndarray) -> list[str]:
    """Image names that mean the same files from the current folder."""
    kept: dict[str, bool] = {}
    out = []
    for name, index, file in zip(names.tolist(), *source.locations(numbers), strict=True):
        stack = name.split("@", 1)[-1]
        if stack not in kept:
            kept[stack] = places.means(stack, file)
        out.append(name if kept[stack] else _named(index, file))
    return out


def _named(index: int, file: str) -> str:
    return f"{index + 1:06d}@{places.from_here(file)}"


def _optics(source: Source, store: ParticleStore) -> dict[str, list[str]]:
    groups = range(len(source.optics))
    grid = source.grid
    sizes = grid.sizes if grid else [store.input_apix for _ in groups]
    boxes = grid.boxes if grid else [store.input_box for _ in groups]
    optics = {
        "rlnOpticsGroup": [str(g + 1) for g in groups],
        "rlnOpticsGroupName": [source.optics[g].name for g in groups],
        "rlnImagePixelSize": _decimals(sizes),
        "rlnImageSize": [str(box) for box in boxes],
        "rlnImageDimensionality": ["2"] * len(groups),
    }
    if store.ctf is not None:
        first = [np.flatnonzero(store.group == g)[:1] for g in groups]
        for field, label in OPTICS_LABELS.items():
            column = getattr(store.ctf, field)
            optics[label] = [f"{column[row[0]] if len(row) else 0:.6f}" for row in first]
    return optics


def _images(source: Source, store: ParticleStore, rows: np.ndarray) -> dict[str, list[str]]:
    columns = {IMAGE: [_named(*place) for place in zip(*source.locations(store.number[rows]), strict=True)]}
    if store.ctf is not None:
        for field in fields(CtfTable):
            if field.name in CTF_LABELS:
                columns[CTF_LABELS[field.name]] = _decimals(getattr(store.ctf, field.name)[rows])
    columns["rlnOpticsGroup"] = [str(group + 1) for group in store.group[rows]]
    return columns


def _decimals(values) -> list[str]:
    return [f"{value:.6f}" for value in values]
