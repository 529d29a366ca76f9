"""Whether two runs agree, byte for byte, and how far they part where they do not."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from refine2d.errors import UserError

# What says when, where and in how many pieces a run was made, not what came out.
LEFT_OUT = {"run.json", "lock.json", "0_refine2d_parms.json", "report.html", "particles.h5"}
FOLDERS = {"logs", "benchmarks"}


@dataclass(frozen=True)
class Difference:
    """How two files of one name differ; `by` says how far."""

    name: str
    by: str


def compare(first: str | Path, second: str | Path) -> tuple[list[str], list[Difference], list[str]]:
    """Compare the files of two runs.

    Pieces of scattered steps are compared where both runs have cut them alike; the files that are joined from them
    are there in any case.

    Returns
    -------
    same : list of str
        Names of files that are equal, byte for byte.
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
    same, different = [], []
    for name in sorted(ours & theirs):
        a, b = Path(first, name), Path(second, name)
        if a.read_bytes() == b.read_bytes():
            same.append(name)
        else:
            different.append(Difference(name, _by(a, b)))
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


def _by(a: Path, b: Path) -> str:
    if a.suffix in (".h5", ".hdf"):
        return _arrays(a, b)
    if a.suffix == ".mrcs":
        from refine2d.stacks.opening import open_source

        images = [source.images(np.arange(source.n)) for source in map(open_source, map(str, (a, b)))]
        return _apart(*images)
    try:
        lines = [path.read_text().splitlines() for path in (a, b)]
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
        for name in _datasets(one):
            if name not in other:
                return f"{name} is only in one of them"
            share, words = _farthest(one[name][()], other[name][()])
            if share > worst and share > 0:
                worst, by = share, words
    return by


def _datasets(file: h5py.File) -> list[str]:
    found = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
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
