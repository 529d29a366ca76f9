"""Images of several pixel and box sizes, brought to one grid.

The grid has the coarsest of the pixel sizes and the smallest of the fields of view, so that no image is enlarged
or padded: every pixel and every frequency of the result was measured.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from refine2d.errors import UserError
from refine2d.stacks.source import Source

SAME = 1e-4  # relative difference up to which pixel sizes count as one


@dataclass(frozen=True)
class Grid:
    """The grid that all images are brought to, and what each optics group has on disk.

    Attributes
    ----------
    box, apix : int, float
        Pixels, Angstrom per pixel.
    boxes, sizes : tuples of int and float
        Box and pixel size of each optics group.
    """

    box: int
    apix: float
    boxes: tuple[int, ...]
    sizes: tuple[float, ...]

    def resample(self, images: np.ndarray, group: int) -> np.ndarray:
        """Images of one optics group on the grid: float32 (m, b, b) to (m, box, box), centre to centre."""
        box, size = images.shape[-1], self.sizes[group]
        if abs(size - self.apix) <= SAME * self.apix:
            corner = box // 2 - self.box // 2
            return images[:, corner : corner + self.box, corner : corner + self.box]
        matrix = resampling(box, self.box, self.apix / size)
        out = matrix @ images @ matrix.T
        constant = images.min(axis=(1, 2)) == images.max(axis=(1, 2))
        out[constant] = images[constant, :1, :1]  # rounding would make noise of it
        return out


@cache
def resampling(box: int, out_box: int, step: float) -> np.ndarray:
    """Matrix that samples a periodic signal anew, by trigonometric interpolation below both Nyquist frequencies.

    Parameters
    ----------
    box, out_box : int
        Points of the signal and of the result; ``box // 2`` falls on ``out_box // 2``.
    step : float
        Distance of the result's points in points of the signal, at least 1.

    Returns
    -------
    float32 array (out_box, box)
    """
    highest = min(int(np.ceil(box / (2 * step) - 1e-6)) - 1, (box - 1) // 2)
    places = (np.arange(out_box) - out_box // 2) * step + box // 2
    phase = np.pi / box * (places[:, None] - np.arange(box))
    terms = 2 * highest + 1
    whole = np.abs(np.sin(phase)) < 1e-9
    below = np.where(whole, 1, np.sin(phase))
    return (np.where(whole, terms, np.sin(terms * phase) / below) / box).astype(np.float32)


def on_one_grid(source: Source) -> Source:
    """The source as it is, or, where its optics groups differ in pixel or box size, one that gives them on one grid.

    Raises
    ------
    UserError
        When one optics group has several box sizes, or when groups differ and some pixel size is not known.
    """
    boxes = _boxes(source)
    sizes = [np.nan if optics.apix is None else optics.apix for optics in source.optics]
    known = [size for size in sizes if np.isfinite(size)]
    if len(set(boxes)) == 1 and (not known or max(known) <= (1 + SAME) * min(known)):
        return source
    if len(known) < len(sizes):
        raise UserError(
            f"{source.path} mixes boxes ({_listed(boxes)} px) or pixel sizes, but does not say the pixel size of "
            f"optics group {source.optics[int(np.argmin(np.isfinite(sizes)))].name}: add it to the file."
        )
    apix = max(sizes)
    box = int(min(box * size / apix for box, size in zip(boxes, sizes, strict=True)) + 1e-6) // 2 * 2
    if box < 2:
        raise UserError(
            f"{source.path} has pixel sizes from {min(sizes):g} to {apix:g} A, too far apart for one grid."
        )
    optics = [replace(group, apix=apix) for group in source.optics]
    return replace(source, optics=optics, grid=Grid(box, apix, tuple(boxes), tuple(sizes)))


def _boxes(source: Source) -> list[int]:
    """Box of each optics group."""
    box = np.array([stack.box for stack in source.stacks])[source.stack]
    boxes = []
    for group in range(len(source.optics)):
        mine = source.group == group
        found = np.unique(box[mine])
        if len(found) > 1:
            first, second = (
                source.stacks[source.stack[np.flatnonzero(mine & (box == size))[0]]].path
                for size in found[:2]
            )
            raise UserError(
                f"{source.path} mixes boxes of {found[0]} ({first}) and {found[1]} px ({second}) in one optics group: "
                "give each box an optics group of its own."
            )
        boxes.append(int(found[0]))
    return boxes


def _listed(values) -> str:
    return ", ".join(map(str, sorted(set(values))))
