"""Images to one scale: ramp and background removed, background noise of unit deviation, defects found."""

import numpy as np

from refine2d import fourier

OK, EXCLUDED, CONSTANT, NOT_FINITE, NO_BACKGROUND = range(5)

REASONS = {
    EXCLUDED: "excluded by the user",
    CONSTANT: "the same value everywhere",
    NOT_FINITE: "values that are not finite, or beyond 1e15",
    NO_BACKGROUND: "no noise around the particle (masked already?)",
}


def outside(box: int, radius_px: float) -> np.ndarray:
    """The background, bool (box, box): pixels farther out than `radius_px` (at most ``box // 2 - 1``)."""
    return fourier.radius(box) > min(radius_px, box // 2 - 1)


def defects(images: np.ndarray) -> np.ndarray:
    """Why an image cannot be used.

    Parameters
    ----------
    images : float array (n, L, L)

    Returns
    -------
    uint8 array (n,)
        `OK`, `CONSTANT` or `NOT_FINITE`.
    """
    low, high = images.min(axis=(1, 2)), images.max(axis=(1, 2))
    fine = (low >= -1e15) & (high <= 1e15)  # a NaN compares false
    return np.select([~fine, low == high], [NOT_FINITE, CONSTANT], OK).astype(np.uint8)


def flatten(images: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Subtract the plane that fits the background best.

    Parameters
    ----------
    images : float array (n, L, L)
    background : bool array (L, L)
        Pixels that the fit may use.

    Returns
    -------
    float32 array (n, L, L)
    """
    n, box, _ = images.shape
    axis = (np.arange(box) - box // 2) / box
    planes = np.stack(np.broadcast_arrays(1.0, axis[:, None], axis[None])).reshape(3, -1)
    fit = np.linalg.pinv(planes * background.ravel()).T
    level = images.mean(
        axis=(1, 2), dtype=np.float64
    )  # taken off first: float32 would lose bits to a large one
    flat = (images - level[:, None, None]).astype(np.float32).reshape(n, -1)
    coefficients = np.einsum("np,kp->nk", flat, fit.astype(np.float32))
    flat -= np.einsum("nk,kp->np", coefficients, planes.astype(np.float32))
    return flat.reshape(images.shape)


def deviation(images: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Standard deviation of the background of flattened images, float64 (n,)."""
    return np.sqrt(np.mean(images[:, background].astype(np.float64) ** 2, axis=1))
