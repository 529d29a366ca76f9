"""RELION STAR files: particles as an input, and tables carried through as text.

Values stay the strings of the file from reading to writing (the `starfile` package changes quotes, ``nan``,
``#`` and the digits of numbers). One row is one line, as in RELION's own files.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from refine2d.ctf import CtfTable
from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.stacks import places
from refine2d.stacks.source import Source, Stack, group_rows

Block = dict[str, np.ndarray | str]

STRING = np.dtypes.StringDType()
BATCH = 2**15

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
NEEDED = {IMAGE, AVERAGE, *OPTICS.values(), *PIXEL_SIZE, *DETECTOR, *DEFOCUS, *GROUP}

WHITE = " \t\n\r\v\f"
TOKEN = re.compile(r"""\s*(?:"(.*?)"(?=\s|$)|'(.*?)'(?=\s|$)|(\#.*)|(\S+))""", re.ASCII)
SPECIAL = re.compile(r"""^$|^["'#_]|^data_|^loop_|[ \t\v\f\x1c-\x1f]""", re.MULTILINE)


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
    blocks = read_star(path, NEEDED)
    particles = _particles(path, blocks)
    n = len(particles[IMAGE])
    field, row, names = _joined(path, particles, _table(blocks.get("optics", {})))

    columns = {name: field(label, np.full(n, np.nan)) for name, label in OPTICS.items()}
    columns["apix"] = _pixel_size(field, np.full(n, np.nan))
    optics, group = group_rows(columns, row, names)
    ctf = None
    if DEFOCUS[0] in particles:
        u = field(DEFOCUS[0])
        v, angle, phase = field(DEFOCUS[1], u), field(DEFOCUS[2], np.zeros(n)), field(DEFOCUS[3], np.zeros(n))
        ctf = CtfTable(u, v, angle, phase, columns["voltage"], columns["cs"], columns["ac"])
    stacks, stack, index = _locate(path, particles[IMAGE], project)
    return Source(path, stacks, stack, index, optics, group, ctf, partial(read_star, path))


def read_star(path: str, columns: set[str] | None = None) -> dict[str, Block]:
    """Read a STAR file.

    Parameters
    ----------
    path : str
    columns : set of str, optional
        Labels to keep, without the underscore; all by default.

    Returns
    -------
    dict
        Block name (without ``data_``) to a dict of labels: arrays of strings (numpy's `StringDType`) in a
        loop, else strings.

    Raises
    ------
    UserError
        With the line, where the file is no STAR file or a row has too many or too few values.
    """
    blocks: dict[str, Block | _Loop] = {}
    name = None
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = _split(line)
                if not words:
                    continue
                first = "" if line.lstrip(WHITE)[0] in "\"'" else words[0]
                block = blocks.get(name)
                if first.startswith("data_") and len(words) == 1:
                    name = first[5:]
                    if name in blocks:
                        raise UserError(f"{path}, line {number}: a second block {first}.")
                    blocks[name] = {}
                elif first == "loop_" and block == {}:
                    blocks[name] = _Loop(columns)
                elif isinstance(block, _Loop) and first.startswith("_") and not block.started:
                    if first[1:] in block.labels:
                        raise UserError(f"{path}, line {number}: the table has two columns {first}.")
                    block.add_label(first[1:])
                elif isinstance(block, _Loop) and len(words) == len(block.labels):
                    block.add(words)
                elif isinstance(block, _Loop) and block.labels:
                    wanted = len(block.labels)
                    raise UserError(
                        f"{path}, line {number} has {len(words)} values, not {wanted} as the table."
                    )
                elif isinstance(block, dict) and first.startswith("_") and len(words) == 2:
                    if columns is None or first[1:] in columns:
                        block[first[1:]] = words[1]
                else:
                    raise UserError(f"{path}, line {number} does not belong in a STAR file: {line[:60]!r}.")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a STAR file: it is not text.") from None
    return {name: block.columns() if isinstance(block, _Loop) else block for name, block in blocks.items()}


class _Loop:
    """The rows of a loop, turned into columns a batch at a time, so that few Python strings live at once."""

    def __init__(self, keep: set[str] | None):
        self.keep = keep
        self.labels: list[str] = []
        self.kept: list[int] = []
        self.rows: list[list[str]] = []
        self.batches: list[dict[str, np.ndarray]] = []

    @property
    def started(self) -> bool:
        return bool(self.rows or self.batches)

    def add_label(self, label: str) -> None:
        if self.keep is None or label in self.keep:
            self.kept.append(len(self.labels))
        self.labels.append(label)

    def add(self, words: list[str]) -> None:
        self.rows.append([words[i] for i in self.kept])
        if len(self.rows) == BATCH:
            self._flush()

    def columns(self) -> Block:
        self._flush()
        first, *_ = self.batches
        return {label: np.concatenate([batch[label] for batch in self.batches]) for label in first}

    def _flush(self) -> None:
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.kept)
        labels = [self.labels[i] for i in self.kept]
        self.batches.append({k: np.array(v, STRING) for k, v in zip(labels, columns, strict=False)})
        self.rows = []


def write_star(path: str, blocks: Mapping[str, Mapping]) -> None:
    """Write a STAR file; the same blocks always give the same bytes.

    Parameters
    ----------
    path : str
    blocks : dict
        As `read_star` gives them. Values are written as they are, quoted only where a reader would take them
        for something else; numbers are written as `str` has them.

    Raises
    ------
    ValueError
        For a value that no STAR file can hold (with a line break), or columns of different lengths.
    """
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for name, block in blocks.items():
            file.write("\n# version 30001\n" if "optics" in blocks else "")
            file.write(f"\ndata_{name}\n\n")
            if all(isinstance(value, str) for value in block.values()):
                file.writelines(f"_{label} {_quoted([value])[0]}\n" for label, value in block.items())
            else:
                file.write("loop_ \n")
                file.writelines(f"_{label} #{i} \n" for i, label in enumerate(block, 1))
                file.writelines(_rows(block))
            file.write(" \n")


def _rows(block: Mapping) -> Iterator[str]:
    columns = [np.asarray(column, STRING) for column in block.values()]
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the columns of a STAR table differ in length")
    for start in range(0, len(columns[0]), BATCH):
        batch = [_quoted(column[start : start + BATCH].tolist()) for column in columns]
        yield from (" ".join(row) + "\n" for row in zip(*batch, strict=True))


def _quoted(values: list[str]) -> list[str]:
    """The values, those in quotes that need them; one search over all of them, since few columns have any."""
    text = "\n".join(values)
    if "\r" in text or text.count("\n") != len(values) - 1:
        raise ValueError("a value with a line break cannot be written to a STAR file")
    return (
        [_quote(value) if SPECIAL.search(value) else value for value in values]
        if SPECIAL.search(text)
        else values
    )


def _quote(value: str) -> str:
    for quote in "\"'":
        if not re.search(rf"{quote}(\s|$)", value, re.ASCII):
            return f"{quote}{value}{quote}"
    raise ValueError(f"a value with both kinds of quotes cannot be written to a STAR file: {value!r}")


def _split(line: str) -> list[str]:
    """The values of a line; a comment starts at a ``#`` that starts a word."""
    if line.isascii() and not ('"' in line or "'" in line or "#" in line):
        return line.split()
    words = []
    for double, single, comment, plain in TOKEN.findall(line):
        if comment:
            break
        words.append(double or single or plain)
    return words


def _table(block: Block) -> dict[str, np.ndarray]:
    """A block as columns; a block without a loop is a table of one row."""
    return {label: np.atleast_1d(np.asarray(values, STRING)) for label, values in block.items()}


def _particles(path: str, blocks: dict[str, Block]) -> dict[str, np.ndarray]:
    for name in ("particles", *blocks):
        if IMAGE in blocks.get(name, {}):
            particles = _table(blocks[name])
            if not len(particles[IMAGE]):
                raise UserError(f"{path} lists no particles.")
            return particles
    for block in blocks.values():
        if AVERAGE in block:
            return {IMAGE: _table(block)[AVERAGE]}
    raise UserError(f"{path} has no table of particles: no column {IMAGE}.")


def _joined(path: str, particles: dict[str, np.ndarray], optics: dict[str, np.ndarray]):
    """How to look a label up: a function label -> float64 (n,), from the optics table or the particles.

    Also each particle's row of the optics table and the names of the rows; both None where there is no table.
    """
    if GROUP[0] not in optics:
        return partial(_field, path, particles, {}, None), None, None
    ids = _numbers(path, optics, GROUP[0])
    if GROUP[0] in particles:
        wanted = _numbers(path, particles, GROUP[0])
    elif len(ids) == 1:
        wanted = np.full(len(particles[IMAGE]), ids[0])
    else:
        raise UserError(f"{path} has an optics table, but its particles have no column {GROUP[0]}.")
    lost = np.flatnonzero(~np.isin(wanted, ids))
    if len(lost):
        raise UserError(f"{path}: optics group {wanted[lost[0]]:g} of particle {lost[0] + 1} is not there.")
    order = np.argsort(ids)
    row = order[np.searchsorted(ids, wanted, sorter=order)]
    names = optics.get(GROUP[1], [f"opticsGroup{i:g}" for i in ids])
    return partial(_field, path, particles, optics, row), row, names


def _field(path: str, particles: dict, optics: dict, row: np.ndarray | None, label: str, default=None):
    if label in optics:
        return _numbers(path, optics, label)[row]
    return _numbers(path, particles, label) if label in particles else default


def _pixel_size(field, default: np.ndarray) -> np.ndarray:
    """Angstrom per pixel, from the image or from the detector's pixel (micrometres) and the magnification."""
    size, other, pixel, magnification = map(field, (*PIXEL_SIZE, *DETECTOR))
    if size is None:
        size = other
    if size is None and pixel is not None and magnification is not None:
        size = pixel * 1e4 / np.where(magnification > 0, magnification, np.nan)
    return default if size is None else np.where(size > 0, size, np.nan)


def _numbers(path: str, table: dict[str, np.ndarray], label: str) -> np.ndarray:
    """A column as finite float64."""
    values = table[label]
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        numbers = np.array([_number(value) for value in values])
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise UserError(f"{path}: {label} of row {wrong[0] + 1} is {values[wrong[0]]!r}, which is no number.")
    return numbers


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _locate(path: str, names: np.ndarray, project: str) -> tuple[list[Stack], np.ndarray, np.ndarray]:
    """The stacks that image names (``000001@stack.mrcs``) tell; each image's stack and 0-based number."""
    stack, index = np.empty(len(names), np.int32), np.empty(len(names), np.int64)
    order: dict[str, int] = {}
    for i, name in enumerate(names.tolist()):
        number, at, file = name.partition("@")
        if at and not (number.isdecimal() and len(number) < 12 and file):
            raise UserError(f"{path}, line {_line(path, name)}: {name} is not of the form number@stack.")
        stack[i] = order.setdefault(file if at else name, len(order))
        index[i] = int(number) - 1 if at else 0

    def where(row: int) -> str:
        return f"line {_line(path, str(names[row]))}: {names[row]}"

    return places.open_stacks(path, order, stack, index, project, where), stack, index


def _line(path: str, text: str) -> int:
    """The first line that has the value `text`, or an image number at the stack `text`."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if any(text in (word, word.partition("@")[2]) for word in _split(line)):
                return number
    return 0
