"""Normalizers by name: what is done to particles before they are averaged.

They change the level and the scale of each image relative to the others. The scale of all together is brought back
afterwards, to background noise of unit deviation, because the particles' noise spectra are for that.
"""

import numpy as np

from .averagers import TINY
from .fourier import radius
from .names import Named
from .normalize import flatten, outside
from .particles import ParticleStore
from .transforms import inverse, undo

SAMPLE = 512  # particles that the common scale is taken from
BLOCK = 256  # particles in memory at a time
BINS = 128  # of the histogram whose peak normalize.histpeak looks for
LOCAL = 8  # radius in pixels of normalize.local


def normalized(images: np.ndarray, named: Named, mask_radius: float) -> np.ndarray:
    """Normalised images.

    Parameters
    ----------
    images : ndarray
        (n, L, L) float32.
    named : Named
        One of `names.NORMALIZERS`; radii in pixels of the images.
    mask_radius : float
        Pixels; where a name needs the particle's extent.

    Returns
    -------
    ndarray
        (n, L, L) float32; an image without contrast becomes 0.
    """
    if named.name in ("none", "normalize.toimage"):
        return images
    return METHODS[named.name](images.astype(np.float64), named.params, mask_radius).astype(np.float32)


class NormalizedStore(ParticleStore):
    """Particles whose images went through a normalizer.

    Parameters
    ----------
    path : path
        Of the store.
    named : Named
    mask_radius : float
        Working pixels.
    """

    def __init__(self, path, named: Named, mask_radius: float):
        super().__init__(path)
        self._named, self._mask_radius = named, mask_radius
        self._scale = self.gain.copy()
        used = np.flatnonzero(self.used)
        sample = self.images(used[:: max(1, len(used) // SAMPLE)])
        background = sample[:, outside(self.box, mask_radius)].astype(np.float64)
        self._scale /= np.float32(max(np.sqrt(background.var(axis=1).mean()), TINY))

    def images(self, rows) -> np.ndarray:
        """As in `ParticleStore`."""
        rows = np.atleast_1d(rows)
        return (
            normalized(self._prepared(rows), self._named, self._mask_radius) * self._scale[rows, None, None]
        )

    def fit(self, rows: np.ndarray, alignments: np.ndarray, image: np.ndarray) -> None:
        """For ``normalize.toimage``: from now on, rows are scaled to fit an image in the given alignments to it."""
        if self._named.name != "normalize.toimage":
            return
        self._scale[rows] *= fitted(self, rows, alignments, image)


def fitted(store: ParticleStore, rows: np.ndarray, alignments: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The factors, 1 on average, that bring particles in the given alignments nearest to an image: (n,) float32."""
    scale = np.empty(len(rows))
    for first in range(0, len(rows), BLOCK):
        block = slice(first, first + BLOCK)
        shown = undo(np.repeat(image[None], len(rows[block]), axis=0), inverse(alignments[block]))
        scale[block] = to_image(store.corrected(rows[block]), shown)
    return (scale / max(scale.mean(), TINY)).astype(np.float32)


def to_image(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The factor of each image that brings it nearest to its target, in the least squares, any level: (n,) float64."""
    x, t = (stack.reshape(len(stack), -1).astype(np.float64) for stack in (images, targets))
    x, t = x - x.mean(1, keepdims=True), t - t.mean(1, keepdims=True)
    return np.maximum((x * t).sum(1), 0) / np.maximum((x**2).sum(1), TINY)


# ---- Methods -------------------------------------------------------------------
# Images (n, L, L) float64, parameters, radius of the mask in pixels.


def _level_and_deviation(images, pixels, spread_of=None):
    """Less the mean of some pixels, over the deviation of some (all, if not said)."""
    level = images[:, pixels].mean(1)[:, None, None]
    spread = (images if spread_of is None else images[:, spread_of]).reshape(len(images), -1).std(1)
    return (images - level) / np.maximum(spread, TINY)[:, None, None]


def _all(box):
    return np.ones((box, box), bool)


def _edge(box, sides_only=False):
    edge = np.zeros((box, box), bool)
    edge[:, [0, -1]] = True
    if not sides_only:
        edge[[0, -1]] = True
    return edge


def _circlemean(images, params, mask_radius):
    box = images.shape[-1]
    at, width = params.get("radius", mask_radius), params.get("width", 2.0)
    ring = np.abs(radius(box) - min(at, box / 2 - 1)) <= width / 2
    return _level_and_deviation(images, ring)


def _mask(images, params, mask_radius):
    inside = radius(images.shape[-1]) <= params.get("radius", mask_radius)
    if params.get("no_sigma"):
        return images - images[:, inside].mean(1)[:, None, None]
    return _level_and_deviation(images, inside, inside)


def _unitlen(images, params, mask_radius):
    return images / np.maximum(np.sqrt((images**2).sum((1, 2))), TINY)[:, None, None]


def _unitsum(images, params, mask_radius):
    total = images.sum((1, 2))
    return images / np.where(np.abs(total) > TINY, total, np.inf)[:, None, None]


def _maxmin(images, params, mask_radius):
    low, high = images.min((1, 2))[:, None, None], images.max((1, 2))[:, None, None]
    return np.where(high > low, 2 * (images - low) / np.maximum(high - low, TINY) - 1, 0)


def _histpeak(images, params, mask_radius):
    out = _level_and_deviation(images, _all(images.shape[-1]))
    for image in out:
        counts, edges = np.histogram(image, BINS, (-4, 4))
        peak = counts.argmax()
        image -= (edges[peak] + edges[peak + 1]) / 2
    return out


def _rows(images, params, mask_radius):
    deviation = images.std(2, keepdims=True)
    return (images - images.mean(2, keepdims=True)) / np.maximum(deviation, TINY)


def _ramp_normvar(images, params, mask_radius):
    flat = flatten(images, _all(images.shape[-1])).astype(np.float64)
    return flat / np.maximum(flat.std((1, 2)), TINY)[:, None, None]


def _local(images, params, mask_radius):
    from scipy.ndimage import uniform_filter  # here, since it loads slowly

    size = (1, *(2 * int(params.get("radius", LOCAL)) + 1,) * 2)
    mean = uniform_filter(images, size)
    variance = np.maximum(uniform_filter(images**2, size) - mean**2, 0)
    least = params.get("threshold", 0.1) * images.std((1, 2))[:, None, None]
    return (images - mean) / np.maximum(np.maximum(np.sqrt(variance), least), TINY)


METHODS = {
    "normalize": lambda images, params, r: _level_and_deviation(images, _all(images.shape[-1])),
    "normalize.edgemean": lambda images, params, r: _level_and_deviation(images, _edge(images.shape[-1])),
    "normalize.lredge": lambda images, params, r: _level_and_deviation(images, _edge(images.shape[-1], True)),
    "normalize.circlemean": _circlemean,
    "normalize.mask": _mask,
    "normalize.unitlen": _unitlen,
    "normalize.unitsum": _unitsum,
    "normalize.maxmin": _maxmin,
    "normalize.histpeak": _histpeak,
    "normalize.rows": _rows,
    "normalize.ramp.normvar": _ramp_normvar,
    "normalize.local": _local,
}
