"""RELION STAR files as an input, and their particles carried through with all that is said of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from refine2d.ctf import CtfTable
from refine2d.errors import UserError
from refine2d.stacks import places
from refine2d.stacks.source import Source, Stack, group_rows
from refine2d.stacks.star_text import Block, as_table, line_of, read_parts, read_star, text

OPTICS = {
    "voltage": "rlnVoltage",
    "cs": "rlnSphericalAberration",
    "ac": "rlnAmplitudeContrast",
    "premultiplied": "rlnCtfDataAreCtfPremultiplied",
}
PIXEL_SIZE = ("rlnImagePixelSize", "rlnPixelSize")
DETECTOR = ("rlnDetectorPixelSize", "rlnMagnification")
DEFOCUS = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift")
GROUP = ("rlnOpticsGroup", "rlnOpticsGroupName")
IMAGE = "rlnImageName"
AVERAGE = "rlnReferenceImage"  # what a table of class averages has in its place
NUMBERS = (*OPTICS.values(), *PIXEL_SIZE, *DETECTOR, *DEFOCUS, GROUP[0])
Located = tuple[list[Stack], np.ndarray, np.ndarray]
PLACE = np.dtype([("stack", "i4"), ("index", "i8")])
MALFORMED = -2  # index of an image whose name is not of the form number@stack


@dataclass(frozen=True)
class Table:
    """Where a STAR file says what is to be carried through of its particles.

    Attributes
    ----------
    path : str
    block : str
        The table of the particles.
    label : str
        Its column of image names.
    optics : bool
        The file has an optics table, as of RELION 3.1.
    n : int
        Number of particles.
    """

    path: str
    block: str
    label: str
    optics: bool
    n: int

    def parts(self, numbers: np.ndarray) -> Iterator[tuple[str, Block, slice | None]]:
        """The file's blocks as `star_text.read_parts` gives them, of the particles only some.

        Parameters
        ----------
        numbers : int array (m,)
            0-based numbers of particles, ascending.

        Yields
        ------
        name : str
        part : Block
        mine : slice or None
            Which of `numbers` are in this part; None for other blocks.

        Raises
        ------
        UserError
            When the table is not as long as it was.
        """
        first = 0
        for name, part in read_parts(self.path):
            if name != self.block:
                yield name, part, None
                continue
            part = as_table(part)
            last = first + len(part[self.label])
            mine = slice(*np.searchsorted(numbers, [first, last]))
            yield name, {label: column[numbers[mine] - first] for label, column in part.items()}, mine
            first = last
        if first != self.n:
            raise UserError(f"{self.path} has changed: it lists {first} particles, not {self.n} as before.")


def open_source(path: str, project: str = ".") -> Source:
    """RELION particles as an input: 3.1 with an optics table, the older single table, or class averages of a model.

    Parameters
    ----------
    path : str
    project : str
        Stacks are looked for from the STAR file's folder, then this one, then the folders above the first.

    Raises
    ------
    UserError
        For a damaged table, a column that should be numbers and is not, a stack that is missing or no stack,
        or image numbers outside their stack.
    """
    names: dict[str, int] = {}
    wanted = dict.fromkeys(NUMBERS, _floats) | {GROUP[1]: text}
    wanted |= dict.fromkeys((IMAGE, AVERAGE), partial(_places, names))
    blocks = {
        name: {label: wanted[label]([v]) if isinstance(v, str) else v for label, v in block.items()}
        for name, block in read_star(path, wanted).items()
    }
    table = _table(path, blocks)
    stacks, stack, index = _locate(table, blocks[table.block].pop(table.label), list(names), project)
    n, particles = table.n, _Numbers(path, table.block, blocks[table.block])
    field, row, groups = _joined(particles, _Numbers(path, "optics", blocks.get("optics", {})), n)

    columns = {name: field(label, np.full(n, np.nan)) for name, label in OPTICS.items()}
    columns["apix"] = _pixel_size(field, np.full(n, np.nan))
    optics, group = group_rows(columns, row, groups)
    ctf = None
    if (u := field(DEFOCUS[0])) is not None:
        v, angle, phase = field(DEFOCUS[1], u), field(DEFOCUS[2], np.zeros(n)), field(DEFOCUS[3], np.zeros(n))
        ctf = CtfTable(u, v, angle, phase, columns["voltage"], columns["cs"], columns["ac"])
    return Source(path, stacks, stack, index, optics, group, ctf, table)


@dataclass(frozen=True)
class _Numbers:
    """A block whose columns are looked up as finite numbers, float64 (n,)."""

    path: str
    block: str
    columns: dict[str, np.ndarray]

    def get(self, label: str, default=None) -> np.ndarray | None:
        if label not in self.columns:
            return default
        values = self.columns[label]
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            value = _value(self.path, self.block, label, wrong[0])
            raise UserError(f"{self.path}: {label} of row {wrong[0] + 1} is {value!r}, which is no number.")
        return values


def _table(path: str, blocks: dict[str, Block]) -> Table:
    for label in (IMAGE, AVERAGE):
        for name in ("particles", *blocks):
            if label in blocks.get(name, {}):
                if not (n := len(blocks[name][label])):
                    raise UserError(f"{path} lists no particles.")
                return Table(path, name, label, "optics" in blocks, n)
    raise UserError(f"{path} has no table of particles: no column {IMAGE}.")


def _joined(particles: _Numbers, optics: _Numbers, n: int):
    """How to look a label up: a function label -> float64 (n,), from the optics table or the particles.

    Also each particle's row of the optics table and the names of the rows; both None where there is no table.
    """
    path, ids = particles.path, optics.get(GROUP[0])
    if ids is None:
        return particles.get, None, None
    wanted = particles.get(GROUP[0], np.full(n, ids[0]) if len(ids) == 1 else None)
    if wanted is None:
        raise UserError(f"{path} has an optics table, but its particles have no column {GROUP[0]}.")
    lost = np.flatnonzero(~np.isin(wanted, ids))
    if len(lost):
        raise UserError(f"{path}: optics group {wanted[lost[0]]:g} of particle {lost[0] + 1} is not there.")
    order = np.argsort(ids)
    row = order[np.searchsorted(ids, wanted, sorter=order)]
    names = optics.columns.get(GROUP[1], [f"opticsGroup{i:g}" for i in ids])

    def field(label: str, default=None) -> np.ndarray | None:
        shared = optics.get(label)
        return particles.get(label, default) if shared is None else shared[row]

    return field, row, names


def _pixel_size(field, default: np.ndarray) -> np.ndarray:
    """Angstrom per pixel, from the image or from the detector's pixel (micrometres) and the magnification."""
    size, other, pixel, magnification = map(field, (*PIXEL_SIZE, *DETECTOR))
    if size is None:
        size = other
    if size is None and pixel is not None and magnification is not None:
        size = pixel * 1e4 / np.where(magnification > 0, magnification, np.nan)
    return default if size is None else np.where(size > 0, size, np.nan)


def _floats(values: Sequence[str]) -> np.ndarray:
    """Strings as float64 (n,), NaN where one is no number."""
    try:
        return np.array(values, np.float64)
    except ValueError:
        return np.array([_float(value) for value in values])


def _float(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return np.nan


def _places(names: dict[str, int], values: Sequence[str]) -> np.ndarray:
    """What image names (``000001@stack.mrcs``) tell, PLACE (n,); `names` gains each new stack and its number."""
    stack, index = [], []
    for value in values:
        number, at, file = value.partition("@")
        formed = not at or (number.isdecimal() and len(number) < 12 and file)
        stack.append(names.setdefault(file if at else value, len(names)))
        index.append((int(number) - 1 if at else 0) if formed else MALFORMED)
    found = np.empty(len(values), PLACE)
    found["stack"], found["index"] = stack, index
    return found


def _locate(table: Table, at: np.ndarray, names: list[str], project: str) -> Located:
    """The stacks of the images that are `at` some PLACE; each image's stack and 0-based number."""

    def where(row: int) -> str:
        name = _value(table.path, table.block, table.label, row)
        return f"line {line_of(table.path, name)}: {name}"

    wrong = np.flatnonzero(at["index"] == MALFORMED)
    if len(wrong):
        raise UserError(f"{table.path}, {where(wrong[0])} is not of the form number@stack.")
    used, first, stack = np.unique(at["stack"], return_index=True, return_inverse=True)
    order = np.argsort(first)
    stack, index = np.argsort(order).astype(np.int32)[stack], at["index"].copy()
    named = [names[number] for number in used[order]]
    return places.open_stacks(table.path, named, stack, index, project, where), stack, index


def _value(path: str, block: str, label: str, row: int) -> str:
    """A value as the file has it."""
    return str(as_table(read_star(path, {label: text})[block])[label][row])
