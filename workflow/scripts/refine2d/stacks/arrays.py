"""Stacks as plain arrays (n, box, box): NPY files, mapped, and Zarr arrays. Neither has a pixel size nor a CTF."""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap

from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks.source import Optics, Source, check_box, single

CODECS = {
    "bytes",
    "endian",
    "transpose",
    "sharding_indexed",
    "crc32c",
    "blosc",
    "gzip",
    "zlib",
    "zstd",
    "lz4",
    "bz2",
    "lzma",
}
LARGEST_CHUNK = 2**31  # bytes that one chunk may unpack to


@dataclass(frozen=True)
class NpyStack:
    """A NumPy file as a stack; see `source.Stack`. Each read maps the file anew, so that none stays open."""

    path: str
    n: int
    box: int
    apix: float | None = None

    def pixels(self) -> np.ndarray:
        """The mapped array (n, box, box)."""
        return load_npy(self.path, map_it=True)

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""
        return self.pixels()[numbers].astype(np.float32)


@dataclass(frozen=True)
class ZarrStack:
    """A Zarr array as a stack; see `source.Stack`."""

    path: str
    n: int
    box: int
    apix: float | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """The array's metadata, which change when it does; its chunks are too many to list."""
        return (os.fspath(_metadata(self.path)),)

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""
        array = _zarr(self.path)
        try:
            return np.asarray(array.oindex[np.asarray(numbers)], np.float32)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise UserError(f"{self.path} is damaged: {error}.") from error


def load_npy(path: str, map_it: bool = False) -> np.ndarray:
    """A NumPy file, never with pickled objects, and never larger in memory than on disk.

    Raises
    ------
    UserError
        When it is no NumPy file, holds objects, or is shorter than its header says.
    """
    try:
        if not map_it:  # mapping checks the header's sizes against the file's
            np.load(path, "r", allow_pickle=False, max_header_size=2**16)
        return np.load(path, "r" if map_it else None, allow_pickle=False, max_header_size=2**16)
    except Exception as error:  # NumPy reads the header as Python text, which fails in many ways
        raise UserError(
            f"{path} is not a whole NumPy file of plain values: {' '.join(str(error).split())}."
        ) from error


def open_npy(path: str) -> NpyStack:
    """An NPY file as a stack.

    Raises
    ------
    UserError
        See `load_npy`; also when it does not hold square images of real numbers.
    """
    array = load_npy(path, map_it=True)
    return NpyStack(path, *_stack_shape(path, getattr(array, "shape", ()), getattr(array, "dtype", None)))


def open_zarr(path: str) -> ZarrStack:
    """A Zarr array (format 2 or 3, a folder) as a stack.

    Raises
    ------
    UserError
        When it is no array of square images of real numbers, or is stored in a way that is not read.
    """
    array = _zarr(path)
    if np.prod(array.chunks, dtype=float) * array.dtype.itemsize > LARGEST_CHUNK:
        raise UserError(f"{path} has chunks of {array.chunks} pixels, too large to read images from.")
    return ZarrStack(path, *_stack_shape(path, array.shape, array.dtype))


def open_source(path: str) -> Source:
    """An NPY file or a Zarr array as an input."""
    stack = open_zarr(path) if path.lower().endswith(".zarr") else open_npy(path)
    return single(stack, [Optics("opticsGroup1")])


def write_npy(path: str, parts: Iterable[np.ndarray], n: int) -> None:
    """Write an array of n rows that comes in parts, of one type, as a NumPy file; whole or not at all."""
    parts = iter(parts)
    first = next(parts)
    with atomic(path) as temporary:
        start = open_memmap(temporary, "w+", first.dtype, (n, *first.shape[1:])).offset  # writes the header
        with open(temporary, "r+b") as file:
            file.seek(start)
            for part in chain([first], parts):
                file.write(part.tobytes())


def write_zarr_subset(stack: ZarrStack, numbers: np.ndarray, path: str) -> None:
    """Write some images of a Zarr array as another one with the same chunks, type and attributes."""
    import zarr

    array = _zarr(stack.path)
    if os.path.exists(path):
        raise UserError(f"{path} is there already: remove it, or write to another place.")
    rows = array.chunks[0]
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        whole = os.path.join(folder, "array")
        shape = (len(numbers), *array.shape[1:])
        new = zarr.create_array(whole, shape=shape, dtype=array.dtype, chunks=array.chunks)
        new.attrs.update(dict(array.attrs))
        for start in range(0, len(numbers), rows):
            new[start : start + rows] = array.oindex[np.asarray(numbers[start : start + rows])]
        os.rename(whole, path)


def _stack_shape(path: str, shape: tuple[int, ...], dtype: np.dtype | None) -> tuple[int, int]:
    if len(shape) != 3 or dtype is None or dtype.kind not in "iuf":
        raise UserError(
            f"{path} is not a stack: it holds {shape} values of type {dtype}, not (n, box, box) numbers."
        )
    if not shape[0]:
        raise UserError(f"{path} holds no images.")
    check_box(path, shape[2], shape[1])
    return shape[0], shape[1]


def _metadata(path: str) -> Path:
    for name in ("zarr.json", ".zarray"):
        if Path(path, name).is_file():
            return Path(path, name)
    raise UserError(f"{path} is not a Zarr array: it has neither zarr.json nor .zarray.")


def _zarr(path: str):
    """The array, opened only if all its codecs are known ones (one of them runs pickled code)."""
    try:
        metadata = json.loads(_metadata(path).read_bytes()[: 1 << 20])
        strange = set(_codecs(metadata)) - CODECS
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise UserError(f"{path} has Zarr metadata that cannot be read: {error}.") from error
    if strange:
        raise UserError(f"{path} is stored with {', '.join(map(str, strange))}, which is not read.")
    import zarr

    try:
        return zarr.open_array(path, mode="r")
    except Exception as error:  # zarr raises many kinds for damaged metadata
        raise UserError(
            f"{path} is not a Zarr array that can be read: {' '.join(str(error).split())}."
        ) from error


def _codecs(metadata: dict) -> list[str]:
    """Names of all codecs in the metadata of format 2 (`compressor`, `filters`) or 3 (`codecs`, nested ones too)."""
    names = [codec["id"] for codec in (metadata.get("compressor"), *(metadata.get("filters") or ())) if codec]
    waiting = list(metadata.get("codecs") or ())
    while waiting:
        codec = waiting.pop()
        names.append(codec if isinstance(codec, str) else codec["name"])
        inside = {} if isinstance(codec, str) else codec.get("configuration") or {}
        waiting += [*(inside.get("codecs") or ()), *(inside.get("index_codecs") or ())]
    return names
