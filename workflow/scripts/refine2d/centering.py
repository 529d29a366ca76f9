"""Where the particle of a class average lies, by the method of a name."""

import numpy as np

from .fourier import frequencies, ft, ift, radius
from .names import Named

DEFAULT = Named("xform.center")
SHELLS = 2  # pixels that the automatic mask grows by
EDGE = 2.0  # pixels, deviation of its soft edge


def offset(
    image: np.ndarray, mask_radius: float, named: Named = DEFAULT, automask: bool = False
) -> np.ndarray:
    """Offset of a particle from the image centre.

    Parameters
    ----------
    image : ndarray
        (L, L) float32, particle bright.
    mask_radius : float
        Pixels. Offsets beyond a quarter of it are cut to it: such an average shows no single particle.
    named : Named
        One of `names.CENTRINGS`.
    automask : bool
        Look only at the largest bright region (`automasked`).

    Returns
    -------
    ndarray
        (2,) float64: x, y in pixels.
    """
    if named.name == "nocenter":
        return np.zeros(2)
    if automask:
        image = automasked(image, mask_radius)
    if named.name == "xform.center":
        return centre(image, mask_radius)
    found = METHODS[named.name](image.astype(np.float64), mask_radius, named.params)
    return _cut(found, mask_radius)


def automasked(image: np.ndarray, mask_radius: float) -> np.ndarray:
    """The image less what does not belong to its largest bright region.

    The region is where the smoothed image rises above a third of its highest value inside the mask; it is grown by two
    pixels, its holes stay bright regions of the particle, its edge is soft. For negative stain, where neighbours and
    stain clumps share the box.

    Parameters
    ----------
    image : ndarray
        (L, L) float32.
    mask_radius : float
        Pixels.

    Returns
    -------
    ndarray
        (L, L) float32; the image itself where nothing is bright.
    """
    from scipy.ndimage import binary_dilation, gaussian_filter, label  # here, since it loads slowly

    inside = radius(len(image)) <= mask_radius
    smooth = gaussian_filter(image.astype(np.float64), EDGE)
    level = np.median(smooth[~inside]) if (~inside).any() else 0.0
    top = smooth[inside].max() - level
    if top <= 0:
        return image
    regions, count = label((smooth - level > top / 3) & inside)
    if not count:
        return image
    largest = regions == 1 + np.argmax(np.bincount(regions.ravel())[1:])
    grown = binary_dilation(largest, iterations=SHELLS)
    soft = np.where(grown, 1, gaussian_filter(grown.astype(np.float64), EDGE))
    return (level + (image - level) * soft).astype(np.float32)


def centre(image: np.ndarray, mask_radius: float) -> np.ndarray:
    """Offset of a bright particle from the image centre, by the name of ``xform.center``.

    The centre of mass of what rises above the background by a quarter of the particle's own contrast, so that the
    noise around it has no weight. Offsets beyond a quarter of the mask radius are cut to it: such an average shows no
    single particle.

    Parameters
    ----------
    image : ndarray
        (L, L) float32, particle bright.
    mask_radius : float
        Pixels.

    Returns
    -------
    ndarray
        (2,) float64: x, y in pixels.
    """
    box = len(image)
    far = radius(box)
    ring = image[(far > mask_radius - 2) & (far <= mask_radius + 2)]
    inside = np.where(far <= mask_radius, image.astype(np.float64) - np.median(ring), 0)
    top = np.quantile(inside[far <= mask_radius], 0.98)
    mass = np.maximum(inside - 0.25 * top, 0)
    if top <= 0 or mass.sum() == 0:
        return np.zeros(2)
    axis = np.arange(box) - box // 2
    found = np.array([(mass * axis).sum(), (mass * axis[:, None]).sum()]) / mass.sum()
    return _cut(found, mask_radius)


def _cut(found: np.ndarray, mask_radius: float) -> np.ndarray:
    return found * min(1, 0.25 * mask_radius / max(np.hypot(*found), 1e-12))


def _centre_of_mass(image, mask_radius, params):
    """Of what is above a level (0) inside the mask."""
    inside = radius(len(image)) <= mask_radius
    mass = np.where(inside, np.maximum(image - params.get("threshold", 0.0), 0), 0)
    axis = np.arange(len(image)) - len(image) // 2
    return np.array([(mass * axis).sum(), (mass * axis[:, None]).sum()]) / max(mass.sum(), 1e-12)


def _centre_by_acf(image, mask_radius, params):
    """Half the shift at which the image and itself, turned by 180 degrees about the centre, are most alike."""
    box = len(image)
    transform = ft(np.where(radius(box) <= mask_radius, image, 0).astype(np.float32))
    alike = ift(transform**2, box).astype(np.float64)  # at 2 c for an image that is even about c
    alike[radius(box) > 0.5 * mask_radius] = -np.inf
    y, x = np.unravel_index(np.argmax(alike), alike.shape)
    place = [x + _vertex(*alike[y, x - 1 : x + 2]), y + _vertex(*alike[y - 1 : y + 2, x])]
    return (np.array(place) - box // 2) / 2


def _centre_by_phase(image, mask_radius, params):
    """The centre of mass on a circle: the phase of the first Fourier coefficient along each axis."""
    mass = np.where(radius(len(image)) <= mask_radius, np.maximum(image, 0), 0)
    box = len(image)
    turn = np.exp(2j * np.pi * (np.arange(box) - box // 2) / box)
    return np.array([np.angle(mass.sum(0) @ turn), np.angle(mass.sum(1) @ turn)]) * box / (2 * np.pi)


def _vertex(before, at, after):
    """Where a parabola through three equidistant values is highest."""
    curve = before - 2 * at + after
    return 0.5 * (before - after) / curve if np.isfinite(curve) and curve < 0 else 0.0


METHODS = {
    "xform.centerofmass": _centre_of_mass,
    "xform.centeracf": _centre_by_acf,
    "xform.phasecenterofmass": _centre_by_phase,
}


def shifted(image: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The image moved so that the point at `offset` comes to the centre; (L, L) float32, offset (x, y) in pixels."""
    box = len(image)
    ky, kx = frequencies(box)
    ramp = np.exp(2j * np.pi / box * (kx * offset[0] + ky * offset[1]))
    return ift(ft(image) * ramp, box)
