"""Some images of an input, as a file of the same format: every column and header is carried through."""

import os
import tempfile
from collections.abc import Iterator
from itertools import compress
from pathlib import Path

import numpy as np

from refine2d.errors import UserError
from refine2d.stacks import arrays, compressed, cs, hdf, imagic, lst, mrc, places, records, spider, star_text
from refine2d.stacks.source import Source

ALIKE = {".mrc": ".mrcs", ".st": ".mrcs", ".h5": ".hdf", ".img": ".hed", ".spider": ".spi", ".stk": ".spi"}


def ending(path: str) -> str:
    """The ending that a subset of the input `path` has, such as ``.star`` or ``.mrcs.gz``."""
    last = Path(path).suffix.lower()
    return f".mrcs{last}" if last in (".gz", ".bz2") else ALIKE.get(last, last)


def write_subset(source: Source, numbers, path: str | os.PathLike) -> None:
    """Write some images of an input in the format that it came in.

    Tables (STAR, .cs, .lst) keep their rows as they are, all columns and other blocks too, and go on to point to the
    stacks of the input; a file name is changed only where it would mean another file, or none, from the new table's
    folder. Stacks get copies of the pixels as they are stored, with the headers of their images.

    Parameters
    ----------
    source : Source
    numbers : int array (m,)
        0-based image numbers; each is written once, in the input's order.
    path : path
        Ends as `ending` says.

    Raises
    ------
    UserError
        For numbers outside the input, no numbers, or a path that ends otherwise.
    """
    path = os.fspath(path)
    numbers = np.unique(np.asarray(numbers, np.int64))
    wanted = ending(source.path)
    if not path.lower().endswith(wanted):
        raise UserError(f"{path} cannot hold particles of {source.path}: give it the ending {wanted}.")
    if not len(numbers):
        raise UserError(f"{path} would hold no particles: choose some.")
    wrong = numbers[(numbers < 0) | (numbers >= source.n)]
    if len(wrong):
        raise UserError(f"{source.path} has no image {wrong[0]}: its images are 0 to {source.n - 1}.")
    if os.path.exists(path) and os.path.samefile(path, source.path):
        raise UserError(f"{path} is the input itself: write its subset to another file.")
    if wanted in TABLES:
        TABLES[wanted](source, numbers, path)
    else:
        _write_stack(source.stacks[0], source.index[numbers], path)


def _write_star(source: Source, numbers: np.ndarray, path: str) -> None:
    new: dict[str, str] = {}

    def renamed(image: str) -> str:
        number, at, stack = image.rpartition("@")
        if stack not in new:
            new[stack] = places.renamed(stack, source.path, path)
        return f"{number}{at}{new[stack]}"

    def parts() -> Iterator[tuple[str, star_text.Block]]:
        for name, part, mine in source.table.parts(numbers):
            if mine is not None:
                part[source.table.label] = [renamed(image) for image in part[source.table.label].tolist()]
            yield name, part

    star_text.write_parts(path, parts(), source.table.optics)


def _write_cs(source: Source, numbers: np.ndarray, path: str) -> None:
    parts = records.batches(numbers, cs.BATCH)
    names = set()
    for mine in parts:
        names.update(source.table[mine][cs.PATH].tolist())
    new = {name: places.renamed(cs.stack_name(name), source.path, path) for name in names}
    same = all(cs.stack_name(name) == other for name, other in new.items())
    text = f"S{max(len(other.encode()) for other in new.values())}"

    def renamed(mine: np.ndarray) -> np.ndarray:
        rows = source.table[mine]
        paths = [new[name].encode() for name in rows[cs.PATH].tolist()]
        return rows if same else cs.with_fields(rows, {cs.PATH: np.array(paths, text)})

    arrays.write_npy(path, map(renamed, parts), len(numbers))


def _write_lst(source: Source, numbers: np.ndarray, path: str) -> None:
    inside = np.zeros(source.n, bool)
    inside[numbers] = True
    chosen = list(compress(lst.read_lst(source.path), inside))
    if len(chosen) < len(numbers):
        raise UserError(f"{source.path} has changed: it lists fewer than {source.n} images.")
    new = {file: places.renamed(file, source.path, path) for file in {entry.file for entry in chosen}}
    columns = zip(*((entry.number, new[entry.file], entry.rest) for entry in chosen), strict=True)
    lst.write_lst(path, *columns, comment="Chosen particles.")


TABLES = {".star": _write_star, ".cs": _write_cs, ".lst": _write_lst}


def _write_stack(stack, numbers: np.ndarray, path: str) -> None:
    match stack:
        case mrc.MrcStack():
            mrc.write_subset(stack, numbers, path)
        case hdf.HdfStack():
            hdf.copy_images(stack.path, numbers, path)
        case imagic.ImagicStack():
            imagic.write_subset(stack, numbers, path)
        case spider.SpiderStack():
            spider.write_subset(stack, numbers, path)
        case arrays.NpyStack():
            arrays.write_npy(path, [stack.pixels()[numbers]], len(numbers))
        case arrays.ZarrStack():
            arrays.write_zarr_subset(stack, numbers, path)
        case compressed.CompressedStack():
            with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
                plain = os.path.join(folder, "plain.mrcs")
                mrc.write_subset(stack.unpacked, numbers, plain)
                compressed.compress(path, plain)
