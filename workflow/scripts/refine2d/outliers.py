"""Images far stronger than the others, as gold, crystals of ice and hot pixels make them, are weakened.

One of them is as much to sums of squares as a hundred particles: one in a hundred would be half of what the MSA sees.
"""

import numpy as np

from refine2d import fourier

SIDE = 32  # pixels an image is cropped to: detail up to ring 16, as the MSA sees it (`eigenimages.RINGS`)
MOST = 2.0  # times the median strength; particles have up to 1.7
REASON = "far stronger than the others (gold, ice, hot pixels?)"


def strength(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Sum of squares inside the mask, of what is coarse enough for the MSA.

    Parameters
    ----------
    images : float array (n, L, L)
        Background of mean 0 and deviation 1.
    mask : float array (L, L)

    Returns
    -------
    float32 array (n,)
        On the scale of the images' pixels.
    """
    box = images.shape[-1]
    side = min(SIDE, box)
    coarse = fourier.crop(images * mask, side)
    return (coarse**2).sum(axis=(1, 2)) * np.float32((box / side) ** 2)


def gains(strengths: np.ndarray, used: np.ndarray) -> np.ndarray:
    """Factors that leave an image the less strength, the more it has beyond `MOST` times the median.

    What is far off counts for next to nothing, as with redescending estimators (Hampel 1974,
    doi:10.1080/01621459.1974.10482962).

    Parameters
    ----------
    strengths : float array (n,)
        From `strength`.
    used : bool array (n,)
        The images that count, one at least.

    Returns
    -------
    float32 array (n,), 1 for all others
    """
    most = MOST * np.median(strengths[used])
    return np.where(used & (strengths > most), most / np.maximum(strengths, most), 1).astype(np.float32)
