"""The run's curves as a figure for papers and lab books."""

import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from refine2d.files import atomic
from refine2d.report.history import Iteration

LOOK = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "refine2d"}
BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by the colour-blind
UNDATED = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}


def draw_curves(history: list[Iteration], paths: list[str | os.PathLike]) -> None:
    """Draw what changed through the iterations: particles, score, entropy, largest class, resolution.

    Parameters
    ----------
    history : list of Iteration
    paths : list of path
        Their endings say the format: .svg, .pdf, .png. The same history gives the same bytes.
    """
    numbers = [each.number for each in history]
    share = [each.sizes / max(each.sizes.sum(), 1) for each in history]
    changed = [100 * each.state["changed"] / max(each.state["particles"], 1) for each in history]
    resolutions = [each.resolution for each in history]
    with plt.rc_context(LOOK):
        figure, axes = plt.subplots(1, 5, figsize=(11, 2.4), layout="constrained")
        panels = [
            ("Particles that changed class", "%", changed),
            (
                "Mean score",
                "normalised correlation",
                [s @ each.score for s, each in zip(share, history, strict=True)],
            ),
            ("Entropy of class sizes", "1: all alike", [each.entropy for each in history]),
            ("Largest class", "% of the particles", [100 * s.max() for s in share]),
            ("Resolution (FRC 0.143)", "A", [np.median(values) for values in resolutions]),
        ]
        for axis, (title, unit, values) in zip(axes, panels, strict=True):
            axis.plot(numbers, values, "o-", color=BLUE, markersize=3, linewidth=1, label="median class")
            axis.set(title=title, xlabel="iteration", ylabel=unit)
            axis.xaxis.get_major_locator().set_params(integer=True)
        best = [np.quantile(values, 0.1) for values in resolutions]
        axes[-1].plot(numbers, best, "s--", color=ORANGE, markersize=3, linewidth=1, label="best tenth")
        axes[-1].invert_yaxis()
        axes[-1].legend(frameon=False, loc="lower right")
        for path in paths:
            with atomic(path) as temporary:
                figure.savefig(temporary, metadata=UNDATED[temporary.suffix])
        plt.close(figure)
