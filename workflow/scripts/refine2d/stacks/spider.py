"""SPIDER stacks.

Every header value is a float32. Fields by their place, counted from 1 (SPIDER, "Format of SPIDER image files",
spider.wadsworth.org): 1 planes, 2 rows, 5 the kind of file, 12 pixels a row, 22 bytes of a header, 24 whether it is a
stack, 26 the last image of the stack. A stack has a header of its own, then each image has one before its pixels.
"""

import os
from dataclasses import dataclass

import numpy as np

from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks.records import batches, read_records
from refine2d.stacks.source import Optics, Source, check_box, single

IMAGE = 1  # of the kinds of file


@dataclass(frozen=True)
class SpiderStack:
    """A SPIDER stack, or a single image; see `source.Stack`."""

    path: str
    n: int
    box: int
    header: int
    stacked: bool
    order: str
    apix: float | None = None

    @property
    def record(self) -> np.dtype:
        """One image with its header."""
        number = np.dtype("f4").newbyteorder(self.order)
        return np.dtype([("header", number, self.header // 4), ("image", number, (self.box, self.box))])

    def records(self, numbers: np.ndarray) -> np.ndarray:
        """Images with their headers, as they are stored."""
        return read_records(self.path, self.record, self.header if self.stacked else 0, self.n, numbers)

    def images(self, numbers: np.ndarray) -> np.ndarray:
        """Images by 0-based number, float32 (m, box, box)."""
        return self.records(numbers)["image"].astype(np.float32)


def open_stack(path: str) -> SpiderStack:
    """Read the header of a SPIDER file and check it against the file's size.

    Raises
    ------
    UserError
        When it is no SPIDER file of square images, or is shorter than its header says.
    """
    with open(path, "rb") as file:
        raw = file.read(1024)
    order, (planes, rows, kind, columns, header, stacked, last) = _fields(path, raw)
    if kind != IMAGE or abs(planes) != 1:
        raise UserError(f"{path} is a SPIDER file of another kind ({kind}) than images.")
    check_box(path, columns, rows)
    n = last if stacked else 1
    stack = SpiderStack(path, n, columns, header, bool(stacked), order)
    whole = (os.path.getsize(path) - (header if stacked else 0)) // stack.record.itemsize
    if whole < n:
        raise UserError(f"{path} is cut short: its header says {n} images, but only {whole} are there.")
    return stack


def open_source(path: str) -> Source:
    """A SPIDER stack as an input; pixel size and CTF have no place of their own in the format."""
    return single(open_stack(path), [Optics("opticsGroup1")])


def write_subset(stack: SpiderStack, numbers: np.ndarray, path: str) -> None:
    """Write some images of a stack with their headers."""
    with open(stack.path, "rb") as file:
        overall = np.frombuffer(file.read(stack.header), stack.record["header"].base).copy()
    overall[23], overall[25], overall[26] = 2, len(numbers), 0
    done = 0
    with atomic(path) as temporary, open(temporary, "wb") as out:
        out.write(overall.tobytes())
        for mine in batches(numbers):
            records = stack.records(mine)
            records["header"][:, 26] = done + 1 + np.arange(len(mine))
            out.write(records.tobytes())
            done += len(mine)


def _fields(path: str, raw: bytes) -> tuple[str, list[int]]:
    """Byte order and the header's fields, in the order in which they make sense."""
    if len(raw) == 1024:
        for order in "<>":
            values = np.frombuffer(raw, np.dtype("f4").newbyteorder(order))[[0, 1, 4, 11, 21, 23, 25]]
            if not (np.isfinite(values).all() and (values == np.round(values)).all()):
                continue
            fields = [int(value) for value in values]
            planes, rows, _, columns, header, stacked, last = fields
            sizes = planes and 0 < rows < 2**16 and 0 < columns < 2**16
            whole = 1024 <= header < 2**20 and header % (4 * columns) == 0 if sizes else False
            if whole and stacked >= 0 and (0 < last < 2**30 or not stacked):
                return order, fields
    raise UserError(f"{path} is not a SPIDER file: its header makes no sense.")
