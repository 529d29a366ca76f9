"""Many small pictures in one: sheets of tiles as data URIs, within a budget of bytes."""

import base64
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from refine2d import fourier

QUALITY = 80  # of WebP
DARKEST, BRIGHTEST = 0.3, 99.8  # percentiles


def greys(images: np.ndarray, tile: int, together: bool = False) -> np.ndarray:
    """Images as grey values of a smaller tile.

    Parameters
    ----------
    images : float array (n, L, L)
    tile : int
        Side in pixels; smaller ones than L are Fourier-cropped, none is enlarged.
    together : bool
        One scale of grey for all, rather than one for each.

    Returns
    -------
    uint8 array (n, t, t)
    """
    box = images.shape[-1]
    small = fourier.crop(images, tile - tile % 2) if tile < box else np.asarray(images, np.float32)
    inside = small[:, fourier.radius(small.shape[-1]) < 0.47 * small.shape[-1]]
    low, high = np.percentile(inside, [DARKEST, BRIGHTEST], axis=None if together else 1)
    low, spread = np.reshape(low, (-1, 1, 1)), np.reshape(np.maximum(high - low, 1e-9), (-1, 1, 1))
    flat = np.reshape(high <= low.ravel(), (-1, 1, 1))
    return np.round(255 * np.where(flat, 0.5, np.clip((small - low) / spread, 0, 1))).astype(np.uint8)


def sheet(tiles: np.ndarray, columns: int) -> np.ndarray:
    """Tiles (n, t, t) side by side, row by row: (rows * t, columns * t)."""
    n, side, _ = tiles.shape
    rows = -(-n // columns)
    full = np.full((rows * columns, side, side), 128, np.uint8)
    full[:n] = tiles
    return full.reshape(rows, columns, side, side).swapaxes(1, 2).reshape(rows * side, columns * side)


def webp(picture: np.ndarray, quality: int = QUALITY) -> bytes:
    """A grey picture, uint8 (h, w), as WebP; the same bytes for the same input."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "WEBP", quality=quality, method=4)
    return file.getvalue()


def uri(data: bytes) -> str:
    """A WebP picture as a data URI."""
    return "data:image/webp;base64," + base64.b64encode(data).decode()


def largest(settings: Sequence, size: Callable[[object], float], budget: float):
    """The first of some settings whose estimated size in bytes is within the budget, else the last."""
    return next((setting for setting in settings if size(setting) <= budget), settings[-1])
