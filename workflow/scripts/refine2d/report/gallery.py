"""Contact sheet of class averages: largest class first, with particle counts."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from refine2d import files, fourier
from refine2d.percent import percent

TILE = 128  # px, about; tiles are whole multiples of the box where it is small
GAP, CAPTION, MARGIN = 8, 22, 16
PAPER, INK, FAINT = (18, 20, 24), (236, 238, 240), (138, 144, 152)
DARKEST, BRIGHTEST = 0.5, 99.8  # percentiles inside the mask
BAR_LENGTHS = (1, 2, 5, 10, 20, 50, 100)  # nm


def contact_sheet(
    averages: np.ndarray,
    counts: np.ndarray,
    path: str | Path,
    apix: float | None = None,
    columns: int | None = None,
    title: str | None = None,
    numbers: np.ndarray | None = None,
) -> None:
    """Draw all class averages on one PNG, sorted by particle count, the same bytes for the same input.

    Parameters
    ----------
    averages : float array (K, L, L)
        Each is stretched on its own, to percentiles of the grey values inside its circular mask.
    counts : int array (K,)
        Particles in each class; empty classes come last and are dimmed.
    path : path of the PNG.
    apix : float, optional
        A per pixel; draws a scale bar.
    columns : int, optional
        Tiles in a row; by default what leaves the fewest gaps in a landscape sheet.
    title : str, optional
    numbers : int array (K,), optional
        What the classes are called; by default 0 to K - 1.
    """
    averages, counts = np.asarray(averages, np.float32), np.asarray(counts)
    numbers = np.arange(len(counts)) if numbers is None else np.asarray(numbers)
    order = np.argsort(-counts, kind="stable")
    columns = min(columns or _columns(len(counts)), len(counts))
    rows = -(-len(counts) // columns)
    side = _tile_side(averages.shape[-1])
    head = 34 if title or apix else 0
    title_width = _font(17).getlength(title) + (1.6 * TILE if apix else 0) if title else 0
    width = 2 * MARGIN + max(columns * (side + GAP) - GAP, int(title_width))
    height = 2 * MARGIN + head + rows * (side + CAPTION + GAP) - GAP
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((MARGIN, MARGIN - 2), title, INK, _font(17))
    if apix:
        _scale_bar(draw, width - MARGIN, MARGIN + 8, 10 * side / averages.shape[-1] / apix)
    total = max(counts.sum(), 1)
    for place, k in enumerate(order):
        x = MARGIN + place % columns * (side + GAP)
        y = MARGIN + head + place // columns * (side + CAPTION + GAP)
        tile = _tile(averages[k], side)
        empty = counts[k] == 0
        sheet.paste(Image.blend(Image.new("L", tile.size, PAPER[0]), tile, 0.35) if empty else tile, (x, y))
        middle = y + side + CAPTION // 2 + 1
        draw.text((x + 1, middle), f"{counts[k]:,}", FAINT if empty else INK, _font(14), anchor="lm")
        note = f"#{numbers[k]}" if empty else f"{percent(counts[k], total)}   #{numbers[k]}"
        draw.text((x + side - 1, middle), note, FAINT, _font(12), anchor="rm")
    with files.atomic(path) as unfinished:
        sheet.save(unfinished, "PNG")


def _columns(k: int) -> int:
    """The number of columns with the fewest gaps, in a sheet that is wide rather than tall."""
    candidates = range(int(np.ceil(np.sqrt(k))), max(int(2 * np.sqrt(k)), 1) + 1)
    return min(candidates, key=lambda c: (-k % c, abs(c - np.sqrt(2 * k))))


def _tile_side(box: int) -> int:
    """`TILE`, or the whole multiple of the box that is nearest to it and not far off."""
    multiple = max(round(TILE / box), 1) * box
    return multiple if 0.8 * TILE <= multiple <= 1.2 * TILE else TILE


def _tile(average: np.ndarray, side: int) -> Image.Image:
    inside = average[fourier.radius(len(average)) < 0.45 * len(average)]
    low, high = np.percentile(inside, [DARKEST, BRIGHTEST])
    grey = np.clip((average - low) / (high - low), 0, 1) if high > low else np.full(average.shape, 0.5)
    pixels = np.round(255 * grey).astype(np.uint8)
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)


def _scale_bar(draw: ImageDraw.ImageDraw, right: int, y: int, px_per_nm: float) -> None:
    """A bar of a round length, about half a tile, that ends at `right`."""
    length = min(BAR_LENGTHS, key=lambda nm: abs(np.log(nm * px_per_nm / (0.5 * TILE))))
    left = right - round(length * px_per_nm)
    draw.rectangle((left, y - 2, right, y + 1), INK)
    draw.text((left - 8, y), f"{length} nm", INK, _font(14), anchor="rm")


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)
