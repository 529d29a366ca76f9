"""The first iterations of a run kept: the later ones removed, or the first ones shared with a new run."""

import os
import re
import shutil
from pathlib import Path

from refine2d.errors import UserError

ITERATION = re.compile(
    r"((classes|simmx)_\d\d"
    r"|((allrefs|aliref|basis|simmx|classmx|classes|resultmx)_\d\d|input_\d\d_proj)\.hdf"
    r"|state_\d\d\.json|quality_\d\d\.tsv)(\.damaged)?"
)
START = re.compile(
    r"run\.json|particles|particles\.(h5|lst)|input_fp.*\.hdf|classmx_00\.hdf|classes_init(\.hdf)?"
)
RESULTS = re.compile(
    r"classes(_full|\.\w+)|particles\.(star|cs)|sets|selected|selection_suggested\.yaml|report\.html"
    r"|curves\.\w+|movie\.\w+|0_refine2d_parms\.json"
)
CHANGES = "options.yaml"


def cut(run: str | Path, last: int) -> list[str]:
    """Remove the iterations after `last`, and the results, which were made of them.

    Returns
    -------
    list of str
        Names of the removed files and folders.
    """
    _check(run, last)
    gone = [
        path for path in sorted(Path(run).iterdir()) if iteration(path.name) > last or _is_result(path.name)
    ]
    for path in gone:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return [path.name for path in gone]


def branch(run: str | Path, last: int, new: str | Path) -> int:
    """Start a new run with the first iterations of another one.

    Its files are hard links, which take no space: no step changes a file, it puts another one in its place. Where
    links cannot be made, files are copied.

    Returns
    -------
    int
        How many files the new run has.
    """
    _check(run, last)
    if Path(new).exists():
        raise UserError(f"{new} is there already: give another name for the new run.")
    linked = 0
    for path in sorted(Path(run).iterdir()):
        if START.fullmatch(path.name) or 0 < iteration(path.name) <= last:
            for file in [path] if path.is_file() else sorted(path.rglob("*.h*")):
                _link(file, Path(new) / file.relative_to(run))
                linked += 1
    if Path(run, CHANGES).exists():  # a person may edit it in place
        shutil.copy2(Path(run, CHANGES), Path(new, CHANGES))
    return linked


def iteration(name: str) -> int:
    """The iteration that a file or folder of a run belongs to; 0 for none."""
    return int(re.search(r"\d\d", name)[0]) if ITERATION.fullmatch(name) else 0


def _is_result(name: str) -> bool:
    return RESULTS.fullmatch(name) is not None


def _check(run: str | Path, last: int) -> None:
    if not Path(run, "run.json").is_file():
        raise UserError(f"{run} holds no run: it has no run.json.")
    if not Path(run, f"state_{last:02d}.json").is_file():
        raise UserError(f"{run} has no finished iteration {last}.")
    if Path(run, "lock.json").exists():
        raise UserError(
            f"{run} is in use (it has a lock.json): wait until its workflow ends, or resume it first."
        )


def _link(file: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, new)
    except OSError:
        shutil.copy2(file, new)
