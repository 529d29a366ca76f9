"""STAR files as text: blocks by name, each a dict of labels. Tables come and go in parts, few rows at a time.

Values stay the strings of the file from reading to writing (the `starfile` package changes quotes, ``nan``,
``#`` and the digits of numbers). One row is one line, as in RELION's own files.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter

import numpy as np

from refine2d.errors import UserError
from refine2d.files import atomic

Block = dict[str, np.ndarray | str]

STRING = np.dtypes.StringDType()
BATCH = 2**15

WHITE = " \t\n\r\v\f"
TOKEN = re.compile(r"""\s*(?:"(.*?)"(?=\s|$)|'(.*?)'(?=\s|$)|(\#.*)|(\S+))""", re.ASCII)
SPECIAL = re.compile(r"""^$|^["'#_]|^data_|^loop_|[ \t\v\f\x1c-\x1f]""", re.MULTILINE)


def text(values: Iterable[str]) -> np.ndarray:
    """Strings as an array (n,) of numpy's `StringDType`."""
    return np.array(values, STRING)


# ---- Reading -----------------------------------------------------------------


def read_star(path: str, columns: Mapping[str, Callable] | None = None) -> dict[str, Block]:
    """Read a STAR file as a whole; parameters and errors as in `read_parts`.

    Returns
    -------
    dict
        Block name (without ``data_``) to a dict of labels: arrays in a loop, else strings.
    """
    parts: dict[str, list[Block]] = {}
    for name, part in read_parts(path, columns):
        parts.setdefault(name, []).append(part)
    return {name: _joined(found) for name, found in parts.items()}


def read_parts(path: str, columns: Mapping[str, Callable] | None = None) -> Iterator[tuple[str, Block]]:
    """Read a STAR file block by block, and a table in parts of `BATCH` rows.

    Parameters
    ----------
    path : str
    columns : dict, optional
        Labels to keep, without the underscore, and what makes an array of some of a column's strings; all, as `text`,
        by default.

    Yields
    ------
    name : str
        Of the block, without ``data_``; parts of one table follow each other.
    part : dict
        Labels to arrays in a loop, else to strings.

    Raises
    ------
    UserError
        With the line, where the file is no STAR file or a row has too many or too few values.
    """
    name, begun, names = "", False, set()
    block: Block | _Loop | None = None
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = _split(line)
                if not words:
                    continue
                first = "" if line.lstrip(WHITE)[0] in "\"'" else words[0]
                if first.startswith("data_") and len(words) == 1:
                    if names:
                        yield from _rest(name, block)
                    name, block, begun = first[5:], {}, False
                    if name in names:
                        raise UserError(f"{path}, line {number}: a second block {first}.")
                    names.add(name)
                elif first == "loop_" and isinstance(block, dict) and not begun:
                    block = _Loop(columns)
                elif isinstance(block, _Loop) and first.startswith("_") and not block.started:
                    if first[1:] in block.labels:
                        raise UserError(f"{path}, line {number}: the table has two columns {first}.")
                    block.add_label(first[1:])
                elif isinstance(block, _Loop) and len(words) == len(block.labels):
                    block.add(words)
                    if len(block.rows) == BATCH:
                        yield name, block.take()
                elif isinstance(block, _Loop) and block.labels:
                    wanted = len(block.labels)
                    raise UserError(
                        f"{path}, line {number} has {len(words)} values, not {wanted} as the table."
                    )
                elif isinstance(block, dict) and first.startswith("_") and len(words) == 2:
                    begun = True
                    if columns is None or first[1:] in columns:
                        block[first[1:]] = words[1]
                else:
                    raise UserError(f"{path}, line {number} does not belong in a STAR file: {line[:60]!r}.")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a STAR file: it is not text.") from None
    if names:
        yield from _rest(name, block)


def as_table(block: Block) -> dict[str, np.ndarray]:
    """A block of text as columns; a block without a loop is a table of one row."""
    return {label: text([values]) if isinstance(values, str) else values for label, values in block.items()}


class _Loop:
    """A table whose rows are handed out as columns now and then, so that few Python strings live at once."""

    def __init__(self, columns: Mapping[str, Callable] | None):
        self.columns = columns
        self.labels: list[str] = []
        self.kept: list[int] = []
        self.rows: list[list[str]] = []
        self.started = False

    def add_label(self, label: str) -> None:
        if self.columns is None or label in self.columns:
            self.kept.append(len(self.labels))
        self.labels.append(label)

    def add(self, words: list[str]) -> None:
        self.rows.append([words[i] for i in self.kept])
        self.started = True

    def take(self) -> dict[str, np.ndarray]:
        """The rows since the last time."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.kept)
        labels = [self.labels[i] for i in self.kept]
        self.rows = []
        return {
            k: (self.columns[k] if self.columns else text)(v) for k, v in zip(labels, columns, strict=True)
        }


def _rest(name: str, block: Block | _Loop) -> Iterator[tuple[str, Block]]:
    """What has not been handed out at the end of a block."""
    if isinstance(block, dict):
        yield name, block
    elif block.rows or not block.started:
        yield name, block.take()


def _joined(parts: list[Block]) -> Block:
    if len(parts) == 1:
        return parts[0]
    return {label: np.concatenate([part.pop(label) for part in parts]) for label in list(parts[0])}


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


def line_of(path: str, value: str) -> int:
    """The first line that has a value, or an image number at the stack `value`; 0 if none has."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if any(value in (word, word.partition("@")[2]) for word in _split(line)):
                return number
    return 0


# ---- Writing -----------------------------------------------------------------


def write_star(path: str, blocks: Mapping[str, Mapping]) -> None:
    """Write a STAR file; the same blocks always give the same bytes.

    Parameters
    ----------
    path : str
    blocks : dict
        As `read_star` gives them; columns may be lists. Values are written as they are, quoted only where a reader
        would take them for something else; numbers are written as `str` has them.

    Raises
    ------
    ValueError
        For a value that no STAR file can hold (with a line break), or columns of different lengths.
    """
    write_parts(path, blocks.items(), "optics" in blocks)


def write_parts(path: str, parts: Iterable[tuple[str, Mapping]], optics: bool) -> None:
    """Write a STAR file part by part; errors as in `write_star`.

    Parameters
    ----------
    path : str
    parts : iterable of (name, part)
        As `read_parts` gives them.
    optics : bool
        One of the blocks is an optics table, so that the file is one of RELION 3.1.
    """
    with atomic(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for name, tables in groupby(parts, itemgetter(0)):
            file.write("\n# version 30001\n" if optics else "")
            file.write(f"\ndata_{name}\n\n")
            for place, (_, part) in enumerate(tables):
                if all(isinstance(value, str) for value in part.values()):
                    file.writelines(f"_{label} {_quoted([value])[0]}\n" for label, value in part.items())
                    continue
                if place == 0:
                    file.write("loop_ \n")
                    file.writelines(f"_{label} #{i} \n" for i, label in enumerate(part, 1))
                file.writelines(_rows(part))
            file.write(" \n")


def _rows(table: Mapping) -> Iterator[str]:
    columns = list(table.values())
    if len({len(column) for column in columns}) > 1:
        raise ValueError("the columns of a STAR table differ in length")
    for start in range(0, len(columns[0]), BATCH):
        batch = [_quoted(np.asarray(column[start : start + BATCH], STRING).tolist()) for column in columns]
        yield from (" ".join(row) + "\n" for row in zip(*batch, strict=True))


def _quoted(values: list[str]) -> list[str]:
    """The values, those in quotes that need them; one search over all of them, since few columns have any."""
    lines = "\n".join(values)
    if "\r" in lines or lines.count("\n") != len(values) - 1:
        raise ValueError("a value with a line break cannot be written to a STAR file")
    return (
        [_quote(value) if SPECIAL.search(value) else value for value in values]
        if SPECIAL.search(lines)
        else values
    )


def _quote(value: str) -> str:
    for quote in "\"'":
        if not re.search(rf"{quote}(\s|$)", value, re.ASCII):
            return f"{quote}{value}{quote}"
    raise ValueError(f"a value with both kinds of quotes cannot be written to a STAR file: {value!r}")
