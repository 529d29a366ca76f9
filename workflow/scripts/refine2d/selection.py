"""Classes that were chosen, and their particles in the format that they came in."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.particles import ParticleStore
from refine2d.percent import counted
from refine2d.stacks.opening import open_source
from refine2d.stacks.source import Source
from refine2d.subset import ending, write_subset
from refine2d.tables import read_members


@dataclass(frozen=True)
class Selection:
    """Classes marked by a person or suggested by their quality.

    Attributes
    ----------
    run : str
        Fingerprint of the run's input, its first 16 digits; empty where the file does not say it.
    iteration : int
    keep, junk : tuples of int
        Class numbers, from 0; others are unmarked.
    """

    run: str
    iteration: int
    keep: tuple[int, ...]
    junk: tuple[int, ...] = ()


def write_selection(path: str | os.PathLike, selection: Selection) -> None:
    """Write a small YAML file, as the page does."""
    lines = ["# Classes marked, numbered from 0 as in the classes_YY.hdf of this iteration.", ""]
    lines += [f'run: "{selection.run}"', f"iteration: {selection.iteration}"]
    lines += [f"{name}: {list(getattr(selection, name))}" for name in ("keep", "junk")]
    with atomic(path) as temporary:
        temporary.write_text("\n".join(line for line in lines if line) + "\n")


def read_selection(path: str | os.PathLike, ncls: int, run: str = "", iteration: int = 0) -> Selection:
    """Read a selection and check it.

    Parameters
    ----------
    path : path
    ncls : int
        Classes of the run.
    run : str
        The run's fingerprint, if it is to be the same.
    iteration : int
        The run's last iteration, if it is to be the same.

    Raises
    ------
    UserError
        Where the file is no selection, or one of another run or iteration, or keeps nothing.
    """
    try:
        found = yaml.safe_load(Path(path).read_text())
        numbers = {name: tuple(map(int, found.get(name) or ())) for name in ("keep", "junk")}
        selection = Selection(str(found.get("run") or ""), int(found["iteration"]), **numbers)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError):
        raise UserError(
            f"{path} is not a selection of classes: it needs lines like `iteration: 8` and `keep: [0, 3]`."
        ) from None
    wrong = [number for number in selection.keep + selection.junk if not 0 <= number < ncls]
    if wrong:
        raise UserError(f"{path} names class {wrong[0]}, but the run has classes 0 to {ncls - 1}.")
    if not selection.keep:
        raise UserError(f"{path} keeps no class: mark at least one.")
    if run and selection.run and selection.run != run[:16]:
        raise UserError(
            f"{path} was made from the report of another run: open this run's report and mark there."
        )
    if iteration and selection.iteration != iteration:
        raise UserError(
            f"{path} is about iteration {selection.iteration}, but the run ended with {iteration}, whose classes are "
            "others: mark them in its present report."
        )
    return selection


def read_selection_of(folder: str | os.PathLike, last: int, run: str, selection: str) -> Selection:
    """Read a selection of a run's last iteration; parameters as for `choose`, `run` being the fingerprint."""
    state = json.loads(Path(folder, f"state_{last:02d}.json").read_text())
    return read_selection(selection, len(state["sizes"]), run, state["iteration"])


def suggested(report) -> Selection:
    """The selection that the quality of a `report.collect.Report`'s classes suggests."""
    keep = report.quality.keep
    numbers = (tuple(np.flatnonzero(mark).tolist()) for mark in (keep, ~keep))
    return Selection(report.run, report.iteration, *numbers)


def doubt(suggestion: Selection) -> str | None:
    """A sentence where the quality tells no class from the others."""
    if suggestion.junk:
        return None
    return "No class is judged junk, though some may be: look at them in the report before you select."


def choose(folder: str | os.PathLike, last: int, run: dict, selection: str, target: str | os.PathLike) -> str:
    """Write the particles that a selection keeps, in the format that they came in, and the averages of their classes.

    Parameters
    ----------
    folder : path
        The run's.
    last : int
        Its last iteration.
    run : dict
        Facts of `run.Run`: input, fingerprint.
    selection : path
    target : path
        Folder for `particles` and `classes`, with the input's ending; averages are EMAN2's for its formats, else MRC.

    Returns
    -------
    str
        A sentence about what was written.
    """
    folder, target, kind = Path(folder), Path(target), ending(run["input"])
    keep = read_selection_of(folder, last, run["fingerprint"], selection).keep
    members = read_members(sorted((folder / f"classes_{last:02d}").glob("*.hdf")))
    source, store = open_source(run["input"]), ParticleStore(folder / "particles.h5")
    target.mkdir(parents=True, exist_ok=True)
    particles = target / f"particles{kind}"
    count = write_chosen(source, store, members, keep, particles)
    averages = "classes.hdf" if kind in (".hdf", ".lst") else "classes.mrcs"
    write_subset(open_source(str(folder / averages)), sorted(keep), target / averages)
    return f"{count:,} particles of {counted(len(keep), 'class')}: {particles}; their averages: {target / averages}"


def write_chosen(
    source: Source, store: ParticleStore, members: np.ndarray, keep: Iterable[int], path: str | os.PathLike
) -> int:
    """Write the particles of some classes, in the input's order and format.

    Parameters
    ----------
    source : Source
    store : ParticleStore
    members : MEMBER array
        Of all classes. Those that no average was made of (`classkeep`) belong to their class too.
    keep : ints
        Class numbers.
    path : path
        Ends as `subset.ending` says.

    Returns
    -------
    int
        Number of particles.
    """
    rows = np.sort(members["row"][np.isin(members["class"], list(keep))])
    write_subset(source, store.number[rows], path)
    return len(rows)
