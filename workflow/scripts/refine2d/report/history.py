"""A run's iterations, each class followed by its members from the last one back."""

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np

from refine2d.following import origins, shared
from refine2d.frc import resolution
from refine2d.stacks.hdf import read_hdf, read_headers
from refine2d.tables import read_classmx


@dataclass
class Iteration:
    """One iteration of K classes; class k of it became class ``track[k]`` of the last one.

    Attributes
    ----------
    number : int
    classes : path of the averages
    state : dict, what `state_YY.json` says
    labels : int32 array (n,), class of each particle, -1 for none
    headers : list of K dicts, the averages' headers
    track : int array (K,)
    """

    number: int
    classes: Path
    state: dict
    labels: np.ndarray
    headers: list[dict]
    track: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        """The class that each class of the last iteration was here: (K,)."""
        return np.argsort(self.track)

    @property
    def averages(self) -> np.ndarray:
        """Float32 (K, L, L), in the order of the last iteration's classes."""
        return read_hdf(self.classes)[self.order]

    @property
    def sizes(self) -> np.ndarray:
        """Particles of each class, in the last iteration's order: int64 (K,)."""
        return np.array(self.state["sizes"])[self.order]

    @property
    def frc(self) -> np.ndarray:
        """FRC of each class's halves, in the last iteration's order: float32 (K, rings)."""
        return np.array([self.headers[k]["frc"] for k in self.order], np.float32)

    @property
    def apix(self) -> float:
        """Pixel size of the averages, A."""
        return self.headers[0]["apix_x"]

    @property
    def resolution(self) -> np.ndarray:
        """In A, where the FRC falls below 0.143, in the last iteration's order: (K,)."""
        return np.array([resolution(curve, self.apix) for curve in self.frc])

    @property
    def score(self) -> np.ndarray:
        """Mean quality (`averaging.ClassAverage`) of each average's particles, in the last iteration's order: (K,)."""
        return np.array([-self.headers[k]["class_ptcl_qual"] for k in self.order])

    @property
    def entropy(self) -> float:
        """Entropy of the classes' sizes: 1 where all are alike, 0 where one has everything."""
        share = self.sizes[self.sizes > 0] / self.sizes.sum()
        return float(-(share * np.log(share)).sum() / np.log(max(len(self.sizes), 2)))


def read_history(folder: str | Path, last: int, first: int = 1) -> list[Iteration]:
    """The iterations of a run up to `last`; those that were copied from a converged one before are left out.

    Parameters
    ----------
    folder : path
        The run's.
    last, first : int
    """
    folder = Path(folder)
    history: list[Iteration] = []
    for number in range(last, first - 1, -1):
        state = json.loads((folder / f"state_{number:02d}.json").read_text())
        if state["iteration"] < number:
            continue
        classes = folder / f"classes_{number:02d}.hdf"
        headers = read_headers(classes, ("frc", "apix_x", "class_ptcl_qual"))
        labels = read_classmx(folder / f"classmx_{number:02d}.hdf", 1.0)[0]
        track = np.arange(len(headers))
        if history:
            track[origins(labels, history[0].labels, len(headers))] = history[0].track
        history.insert(0, Iteration(number, classes, state, labels, headers, track))
    return history


def flows(history: list[Iteration], most: int = 60000) -> list[np.ndarray]:
    """Where particles went: for each iteration but the first the larger flows between classes.

    Parameters
    ----------
    history : list of Iteration
    most : int
        About so many flows are told of, over all iterations; the largest ones into and out of each class.

    Returns
    -------
    list of int arrays (m, 3)
        From, to, particles; classes are numbered as in the last iteration.
    """
    if len(history) < 2:
        return []
    classes = len(history[-1].track)
    rank = int(np.clip(most // (2 * classes * (len(history) - 1)), 1, 4))
    return [_flow(before, now, rank) for before, now in pairwise(history)]


def _flow(before: Iteration, now: Iteration, rank: int) -> np.ndarray:
    old, new, particles = shared(before.labels, now.labels).T
    table = np.stack([before.track[old], now.track[new], particles], axis=1)
    shown = (_place(table[:, 0]) < rank) | (_place(table[:, 1]) < rank) | (table[:, 0] == table[:, 1])
    return table[shown]


def _place(values: np.ndarray) -> np.ndarray:
    """How many equal values come before each."""
    order = np.argsort(values, kind="stable")
    start = np.searchsorted(values[order], values[order])
    place = np.empty(len(values), np.int64)
    place[order] = np.arange(len(values)) - start
    return place
