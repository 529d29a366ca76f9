"""Compressed MRC stacks (``.mrc.gz``, ``.mrcs.bz2`` ...).

Neither format can be read from the middle, and a run reads its particles in random order, so that a stack is
unpacked once, to a cache file of the size that its header says, and never as a whole in memory.
"""

import bz2
import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks import mrc
from refine2d.stacks.source import Optics, Source, single

FOLDER = (
    ".refine2d_cache"  # in the current folder, unless the environment variable REFINE2D_CACHE names another
)
PIECE = 1 << 20
HEADER = 1024


@dataclass(frozen=True)
class CompressedStack:
    """A compressed stack by its own name, its pixels from the unpacked copy; see `source.Stack`."""

    path: str
    unpacked: mrc.MrcStack

    @property
    def n(self) -> int:
        return self.unpacked.n

    @property
    def box(self) -> int:
        return self.unpacked.box

    @property
    def apix(self) -> float | None:
        return self.unpacked.apix

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""
        return self.unpacked.images(numbers)


def open_stack(path: str) -> CompressedStack:
    """A compressed MRC stack; it is unpacked to the cache where it is not there yet.

    Raises
    ------
    UserError
        When the content is no MRC stack, is damaged, has more bytes than its header says, or does not fit the disk.
    """
    cached = _place(path)
    if not cached.is_file():
        with _unpacking(path) as stream:
            _unpack(path, stream, cached)
    return CompressedStack(path, mrc.open_stack(os.fspath(cached)))


def open_source(path: str) -> Source:
    """A compressed MRC stack as an input."""
    stack = open_stack(path)
    return single(stack, [Optics("opticsGroup1", stack.apix)])


def compress(path: str, plain: str) -> None:
    """Write the file `plain` compressed to `path`, by its ending; no time stamp and no name inside."""
    with atomic(path) as temporary, open(temporary, "wb") as raw, open(plain, "rb") as file:
        packer = (
            bz2.BZ2File(raw, "wb")
            if path.lower().endswith(".bz2")
            else gzip.GzipFile("", "wb", fileobj=raw, mtime=0)
        )
        with packer:
            shutil.copyfileobj(file, packer, PIECE)


def _place(path: str) -> Path:
    """The cache file of a stack: another one once the stack has changed."""
    state = os.stat(path)
    key = f"{os.path.realpath(path)} {state.st_size} {state.st_mtime_ns}"
    folder = Path(os.environ.get("REFINE2D_CACHE", FOLDER))
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.mrcs"


@contextmanager
def _unpacking(path: str) -> Iterator[BinaryIO]:
    opener = bz2.open if path.lower().endswith(".bz2") else gzip.open
    try:
        with opener(path, "rb") as stream:
            yield stream
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged or cut short: {error}.") from error
    except OSError as error:
        raise UserError(f"{path} cannot be unpacked: {error.strerror or error}.") from error


def _unpack(path: str, stream: BinaryIO, cached: Path) -> None:
    start = stream.read(HEADER)
    header = mrc.parse(path, start, 1 << 62)  # whether all is there shows below
    size = header.offset + header.n * header.box**2 * header.dtype.itemsize
    cached.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(cached.parent).free
    if size > free:
        raise UserError(
            f"{path} unpacks to {size / 1e9:.3g} GB, but {cached.parent} has {free / 1e9:.3g} GB free: "
            "name a larger disk in REFINE2D_CACHE."
        )
    with atomic(cached) as temporary, open(temporary, "wb") as file:
        file.write(start)
        left = size - len(start)
        while left > 0:
            piece = stream.read(min(PIECE, left))
            if not piece:
                raise UserError(
                    f"{path} is cut short: its header says {header.n} images, but fewer are there."
                )
            file.write(piece)
            left -= len(piece)
        if stream.read(1):
            raise UserError(f"{path} holds more than the {header.n} images that its header says.")
