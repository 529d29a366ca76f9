"""cryoSPARC particles (``.cs``): a NumPy file of records, a field per column as ``slot/name``.

Facts about the fields (cryosparc-tools' data model; what pyem's csparc2star makes of them): `blob/path` is relative to
the project's folder, imported ones start with ``>``; `blob/idx` counts from 0; pixels times `blob/sign` are bright
protein; defocus in Angstrom, angles in radians, `df_angle_rad` as CTFFIND's angle.
"""

from collections.abc import Iterable

import numpy as np

from refine2d.ctf import CtfTable
from refine2d.errors import UserError
from refine2d.stacks import places
from refine2d.stacks.arrays import load_npy
from refine2d.stacks.source import Source, group_rows

PATH, INDEX, SHAPE, PIXEL, SIGN = (f"blob/{name}" for name in ("path", "idx", "shape", "psize_A", "sign"))
CTF = {  # field of CtfTable: name and what it is multiplied by
    "defocus_u": ("ctf/df1_A", 1),
    "defocus_v": ("ctf/df2_A", 1),
    "angle": ("ctf/df_angle_rad", 180 / np.pi),
    "phase": ("ctf/phase_shift_rad", 180 / np.pi),
    "voltage": ("ctf/accel_kv", 1),
    "cs": ("ctf/cs_mm", 1),
    "ac": ("ctf/amp_contrast", 1),
}
GROUP = "ctf/exp_group_id"
BATCH = 2**14  # records in memory at a time


def open_source(path: str, project: str = ".") -> Source:
    """cryoSPARC particles as an input; images come with `blob/sign` applied, so that protein is bright.

    Parameters
    ----------
    path : str
    project : str
        Stacks are looked for from the .cs file's folder, then this one, then the folders above the first.

    Raises
    ------
    UserError
        For a damaged file, a field that is missing or no number, a stack that is missing or no stack, or a number
        outside its stack.
    """
    table, order = Table(path), {}
    wanted = PATH, INDEX, PIXEL, SIGN, GROUP, *(name for name, _ in CTF.values())
    n, columns = table.n, table.columns(wanted, order)
    for name in (PATH, INDEX):
        if name not in columns:
            raise UserError(f"{path} lists no particle images: it has no field {name}.")
    stack, names = columns[PATH], list(order)
    index = _numbers(path, columns, INDEX).astype(np.int64)

    apix = _numbers(path, columns, PIXEL, np.full(n, np.nan))
    optical = {
        name: _numbers(path, columns, field, np.full(n, np.nan)) * unit for name, (field, unit) in CTF.items()
    }
    known = {"apix": np.where(apix > 0, apix, np.nan)} | {
        name: optical[name] for name in ("voltage", "cs", "ac")
    }
    ids, row = np.unique(_numbers(path, columns, GROUP, np.zeros(n)), return_inverse=True)
    optics, group = group_rows(known, row, [f"exp_group_{number:g}" for number in ids])
    ctf = CtfTable(**optical) if CTF["defocus_u"][0] in table.names else None

    sign = _numbers(path, columns, SIGN, np.ones(n))
    if not np.isin(sign, (-1, 1)).all():
        raise UserError(
            f"{path} has {SIGN} of {sign[~np.isin(sign, (-1, 1))][0]:g}, which is neither 1 nor -1."
        )

    def where(row: int) -> str:
        return f"row {row}: image {index[row]} of {names[stack[row]]}"

    stacks = places.open_stacks(path, names, stack, index, project, where)
    return Source(
        path,
        stacks,
        stack,
        index,
        optics,
        group,
        ctf,
        table,
        None if (sign == 1).all() else sign.astype(np.float32),
    )


class Table:
    """The records of a .cs file, structured arrays, read on request: a file of a million has one or two GB.

    Parameters
    ----------
    path : str

    Attributes
    ----------
    n : int
    names : tuple of str
        The fields.

    Raises
    ------
    UserError
        When it is no such file, or is damaged; pickled objects are refused.
    """

    def __init__(self, path: str):
        self.path = path
        records = load_npy(path, map_it=True)
        if not isinstance(records, np.ndarray) or records.dtype.names is None or records.ndim != 1:
            raise UserError(f"{path} is not a cryoSPARC file: it does not hold a table of records.")
        if not len(records):
            raise UserError(f"{path} lists no particles.")
        self.n, self.names = len(records), records.dtype.names

    def __getitem__(self, rows) -> np.ndarray:
        """Some records, by their numbers or a slice; each read maps the file anew, so that no page stays in memory."""
        records = load_npy(self.path, map_it=True)
        if len(records) != self.n:
            raise UserError(
                f"{self.path} has changed: it lists {len(records)} particles, not {self.n} as before."
            )
        return np.array(records[rows])

    def columns(self, names: Iterable[str], order: dict[str, int]) -> dict[str, np.ndarray]:
        """Those of some fields that are there; of `PATH` the number of each stack in `order`, which gains new ones."""
        names, parts = [name for name in names if name in self.names], []
        for first in range(0, self.n, BATCH):
            records = self[first : first + BATCH]
            part = {name: records[name].copy() for name in names}
            if PATH in part:
                stacks = map(stack_name, part[PATH].tolist())
                part[PATH] = np.array([order.setdefault(stack, len(order)) for stack in stacks], np.int32)
            parts.append(part)
        return {name: np.concatenate([part.pop(name) for part in parts]) for name in names}


def with_fields(records: np.ndarray, columns: dict[str, np.ndarray]) -> np.ndarray:
    """Records with some fields replaced, or added after the others; a field's type is that of its column."""
    old = {name: records[name] for name in records.dtype.names}
    fields = old | columns
    out = np.empty(len(records), [(name, column.dtype, column.shape[1:]) for name, column in fields.items()])
    for name, column in fields.items():
        out[name] = column
    return out


def stack_name(value: bytes | str) -> str:
    """The path in a field, without the ``>`` of imported files."""
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return text.removeprefix(">")


def _numbers(
    path: str, columns: dict[str, np.ndarray], name: str, default: np.ndarray | None = None
) -> np.ndarray:
    """A field, taken out of `columns`, as finite float64 (n,)."""
    if name not in columns:
        return default
    values = columns.pop(name)
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise UserError(f"{path}: the field {name} holds {values.dtype} values, not one number a particle.")
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise UserError(f"{path}: {name} of row {wrong[0]} is {values[wrong[0]]}, which is no number.")
    if name == INDEX and values.max(initial=0) >= 2**31:
        raise UserError(
            f"{path}: {name} of row {values.argmax()} is {values.max()}, which is no image number."
        )
    return values.astype(np.float64)
