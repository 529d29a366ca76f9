"""Contact sheet of class averages for paper: a PDF with text as text."""

import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages

from refine2d.files import atomic
from refine2d.percent import percent
from refine2d.report.gallery import BAR_LENGTHS
from refine2d.report.sprites import greys

COLUMNS, ROWS = 8, 10  # of a page
PAGE = (8.27, 11.69)  # inches, A4
TILE, LEFT, TOP, STEP = 0.85, 0.5, 0.95, (0.91, 1.06)  # inches
FONT = 7


def draw_sheet(averages: np.ndarray, counts: np.ndarray, apix: float, path: str | os.PathLike) -> None:
    """Draw all averages on A4 pages, the largest class first, with counts, shares and a scale bar.

    Parameters
    ----------
    averages : float array (K, L, L)
        Each is stretched to its own range of grey values.
    counts : int array (K,)
        Particles.
    apix : float
        A per pixel.
    path : path
        The same input gives the same bytes.
    """
    order, total = np.argsort(-counts, kind="stable"), max(counts.sum(), 1)
    box = averages.shape[-1]
    with atomic(path) as temporary, PdfPages(temporary, metadata={"CreationDate": None}) as pages:
        for first in range(0, len(order), COLUMNS * ROWS):
            page = plt.figure(figsize=PAGE)
            title = f"{total:,} particles in {(counts > 0).sum()} classes"
            page.text(LEFT / PAGE[0], 1 - 0.6 / PAGE[1], title, fontsize=10)
            _bar(page, TILE / (box * apix) * 10)
            for place, k in enumerate(order[first : first + COLUMNS * ROWS]):
                row, column = divmod(place, COLUMNS)
                x, y = LEFT + column * STEP[0], PAGE[1] - TOP - row * STEP[1] - TILE
                axis = page.add_axes((x / PAGE[0], y / PAGE[1], TILE / PAGE[0], TILE / PAGE[1]))
                axis.imshow(
                    greys(averages[k : k + 1], box)[0], cmap="gray", vmin=0, vmax=255, interpolation="bicubic"
                )
                axis.axis("off")
                text = y - 0.12
                page.text(x / PAGE[0], text / PAGE[1], f"{counts[k]:,}", fontsize=FONT)
                note = f"{percent(counts[k], total)}  #{k}"
                page.text(
                    (x + TILE) / PAGE[0], text / PAGE[1], note, fontsize=FONT - 1, ha="right", color="0.35"
                )
            pages.savefig(page)
            plt.close(page)


def _bar(page, inches_per_nm: float) -> None:
    """A scale bar of a round length at the top right."""
    length = min(BAR_LENGTHS, key=lambda nm: abs(np.log(nm * inches_per_nm / (0.6 * TILE))))
    right, y = (PAGE[0] - LEFT) / PAGE[0], 1 - 0.56 / PAGE[1]
    left = right - length * inches_per_nm / PAGE[0]
    page.add_artist(plt.Line2D((left, right), (y, y), color="black", linewidth=2))
    page.text(left - 0.08 / PAGE[0], y, f"{length} nm", fontsize=8, ha="right", va="center")
