"""Whether two runs agree, byte for byte but for their own paths, and how far they part where they do not."""

import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from refine2d.errors import UserError

# What says when, where and in how many pieces a run was made, not what came out.
LEFT_OUT = {"run.json", "lock.json", "0_refine2d_parms.json", "report.html", "particles.h5"}
FOLDERS = {"logs"}


@dataclass(frozen=True)
class Difference:
    """How two files of one name differ; `by` says how far."""

    name: str
    by: str


def compare(first: str | Path, second: str | Path) -> tuple[list[str], list[Difference], list[str]]:
    """Compare the files of two runs. What they say of their own folder is the same in both, whatever its name.

    Pieces of scattered steps are compared where both runs have cut them alike; the files that are joined from them
    are there in any case.

    Returns
    -------
    same : list of str
        Names of files that are equal, byte for byte but for the path of the run.
    different : list of Difference
    alone : list of str
        Names that only one of the two has.

    Raises
    ------
    UserError
        Where one is not a run's folder.
    """
    for folder in (first, second):
        if not Path(folder, "run.json").is_file():
            raise UserError(f"{folder} holds no run: it has no run.json.")
    ours, theirs = _names(first), _names(second)
    if _pieces(ours) != _pieces(theirs):
        ours, theirs = ours - _pieces(ours), theirs - _pieces(theirs)
    same, different, own = [], [], (_own_path(first), _own_path(second))
    for name in sorted(ours & theirs):
        a, b = Path(first, name), Path(second, name)
        if a.read_bytes() == b.read_bytes() or _told(a, own[0]) == _told(b, own[1]):
            same.append(name)
        else:
            different.append(Difference(name, _by(a, b, own)))
    return same, different, sorted(ours ^ theirs)


def made_with(folder: str | Path) -> set[str]:
    """The processors and numerical libraries that the jobs of a run name in their logs."""
    lines = (line for log in Path(folder, "logs").glob("*.log") for line in log.read_text().splitlines())
    return {line.removeprefix("made with ") for line in lines if line.startswith("made with ")}


def _names(folder: str | Path) -> set[str]:
    files = (file.relative_to(folder) for file in Path(folder).rglob("*") if file.is_file())
    found = {str(file) for file in files if file.parts[0] not in FOLDERS and file.name[0] != "."}
    return {name for name in found - LEFT_OUT if not name.endswith(".damaged")}


def _pieces(names: set[str]) -> set[str]:
    return {name for name in names if "/" in name and Path(name).stem.isdigit()}


def _own_path(folder: str | Path) -> re.Pattern[bytes]:
    """The path of a run, be it relative or not, before the name of a file in it."""
    name = re.escape(Path(folder).resolve().name.encode())
    return re.compile(rb"(?<![^\s@])(?:[^\s@]*/)?" + name + b"/")


def _told(path: Path, own: re.Pattern[bytes]) -> bytes | dict:
    """What a file says, without the path of its run."""
    if path.suffix not in (".h5", ".hdf"):
        return own.sub(b"", path.read_bytes())
    with h5py.File(path) as file:
        values = {name: file[name][()] for name in _items(file, h5py.Dataset)}
        for name in ("/", *_items(file)):
            values |= {(name, key): value for key, value in file[name].attrs.items()}
    return {name: _plain(value, own) for name, value in values.items()}


def _plain(value, own: re.Pattern[bytes]) -> bytes | tuple:
    if isinstance(value, bytes):
        return own.sub(b"", value)
    array = np.asarray(value)
    return array.dtype, array.shape, array.tobytes()


def _by(a: Path, b: Path, own: tuple[re.Pattern[bytes], ...]) -> str:
    if a.suffix in (".h5", ".hdf"):
        return _arrays(a, b)
    if a.suffix == ".mrcs":
        from refine2d.stacks.opening import open_source

        images = [source.images(np.arange(source.n)) for source in map(open_source, map(str, (a, b)))]
        return _apart(*images)
    try:
        lines = [_told(file, path).decode().splitlines() for file, path in zip((a, b), own, strict=True)]
    except UnicodeDecodeError:
        return "the bytes differ"
    if len(lines[0]) != len(lines[1]):
        return f"{len(lines[0])} lines and {len(lines[1])}"
    return f"{sum(x != y for x, y in zip(*lines, strict=True))} of {len(lines[0])} lines differ"


def _arrays(a: Path, b: Path) -> str:
    """The worst dataset of two HDF5 files."""
    if a.name.startswith("classmx"):
        with h5py.File(a) as one, h5py.File(b) as other:
            labels = [file["MDF/images/0/image"][:] for file in (one, other)]
        if labels[0].shape == labels[1].shape:
            return (
                f"{np.count_nonzero(labels[0] != labels[1])} of {labels[0].size} particles in another class"
            )
    worst, by = -1.0, "only the attributes differ"
    with h5py.File(a) as one, h5py.File(b) as other:
        for name in _items(one, h5py.Dataset):
            if name not in other:
                return f"{name} is only in one of them"
            share, words = _farthest(one[name][()], other[name][()])
            if share > worst and share > 0:
                worst, by = share, words
    return by


def _items(file: h5py.File, kind: type = h5py.HLObject) -> list[str]:
    found = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, kind) else None)
    return found


def _apart(a: np.ndarray, b: np.ndarray) -> str:
    return _farthest(a, b)[1]


def _farthest(a: np.ndarray, b: np.ndarray) -> tuple[float, str]:
    """The largest difference as a share of the spread of the values, and in words."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return np.inf, f"sizes {a.shape} and {b.shape}"
    if a.dtype.names:
        return max(_farthest(a[name], b[name]) for name in a.dtype.names)
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gap = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b))
        spread = np.std(a[np.isfinite(a)]) if np.isfinite(a).any() else 1.0
    share = float(np.nan_to_num(gap.max(initial=0), nan=np.inf) / (spread or 1))
    return share, f"values part by up to {share:.1e} of their spread"
