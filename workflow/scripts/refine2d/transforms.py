"""Alignments: their meaning, their algebra, their forms in EMAN2 and RELION files, and how to undo them.

An alignment says where a particle lies: the point u = (x, y) of the reference, relative to the image centre,
is the point ``p = scale R(angle) M u + s`` of the particle, with ``R = [[cos, -sin], [sin, cos]]`` and
``M = diag(-1, 1)`` if mirrored. The scale is 1 unless an aligner searches it.
"""

import numpy as np

ALIGNMENT = np.dtype(
    [
        ("ref", "i4"),
        ("score", "f4"),
        ("angle", "f4"),
        ("mirror", "?"),
        ("sx", "f4"),
        ("sy", "f4"),
        ("scale", "f4"),
    ]
)


def alignment(angle=0, mirror=False, sx=0, sy=0, ref=0, score=0, scale=1) -> np.ndarray:
    """Build alignments from arrays or numbers that broadcast.

    Parameters
    ----------
    angle : float
        Degrees, any range; stored in [0, 360).
    mirror : bool
    sx, sy : float
        Shift of the particle's centre, working pixels.
    ref : int
        Reference number.
    score : float
        Log-likelihood gain, less what the shift costs where some are expected; larger is better.
    scale : float
        How many times larger the particle's image is than the reference.

    Returns
    -------
    array of dtype `ALIGNMENT`
    """
    values = np.broadcast_arrays(ref, score, _wrap(angle), mirror, sx, sy, scale)
    out = np.empty(values[0].shape, ALIGNMENT)
    for name, value in zip(ALIGNMENT.names, values, strict=True):
        out[name] = value
    return out


def compose(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """An alignment followed by a second one, which acts on the reference frame.

    Parameters
    ----------
    first : ALIGNMENT array
        ``p = scale1 R1 M1 u + s1``; its ref and score are kept.
    second : ALIGNMENT array that broadcasts with `first`
        ``u = scale2 R2 M2 u2 + s2``, so that the result maps u2 to p.

    Returns
    -------
    ALIGNMENT array
    """
    sign = np.where(first["mirror"], -1.0, 1.0)
    dx, dy = _rotate(first["angle"], sign * second["sx"], second["sy"])
    return alignment(
        first["angle"] + sign * second["angle"],
        first["mirror"] ^ second["mirror"],
        first["sx"] + first["scale"] * dx,
        first["sy"] + first["scale"] * dy,
        first["ref"],
        first["score"],
        first["scale"] * second["scale"],
    )


def inverse(first: np.ndarray) -> np.ndarray:
    """The alignment that maps particle points to reference points; ref and score are kept."""
    alpha, x, y, mirror, scale = to_eman2(first)
    sign = np.where(mirror, -1.0, 1.0)
    return alignment(-sign * alpha, mirror, sign * x, y, first["ref"], first["score"], scale)


def rescale(first: np.ndarray, factor: float) -> np.ndarray:
    """The same alignment for images whose pixels are `factor` times smaller: shifts times `factor`."""
    out = first.copy()
    out["sx"] *= factor
    out["sy"] *= factor
    return out


def to_eman2(first: np.ndarray, binning: float = 1.0) -> tuple[np.ndarray, ...]:
    """EMAN2's form: scale, rotate by alpha, shift, then mirror; it brings the particle onto the reference.

    ``x' = scale (cos x + sin y) + tx, y' = scale (-sin x + cos y) + ty``, and then ``x' -> -x'`` if mirrored.

    Parameters
    ----------
    first : ALIGNMENT array
    binning : float
        Working pixel size over input pixel size.

    Returns
    -------
    alpha (degrees), tx, ty (input pixels), mirror, scale : arrays
        This scale is of the particle, the inverse of the alignment's.
    """
    scale = 1 / _double(first["scale"])
    x, y = _rotate(-_double(first["angle"]), first["sx"], first["sy"])
    tx, ty = -scale * x * binning, -scale * y * binning
    return _double(first["angle"]), tx, ty, first["mirror"].copy(), scale


def from_eman2(alpha, tx, ty, mirror, scale=1.0, binning: float = 1.0) -> np.ndarray:
    """Inverse of `to_eman2`."""
    x, y = _rotate(alpha, tx, ty)
    size = 1 / _double(scale)
    return alignment(alpha, np.asarray(mirror) != 0, -size * x / binning, -size * y / binning, scale=size)


def to_relion(first: np.ndarray, apix: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """RELION's form: shift by the origin, then rotate by psi.

    A program that shifts and rotates, and knows of no flip (``relion_stack_create --apply_transformation``),
    brings an unmirrored particle onto the class average, and a mirrored one onto the average's mirror image,
    ``x -> -x`` about the centre pixel. Flip says that this last step is still to be done. RELION knows no scale
    of a particle: it is left out.

    Parameters
    ----------
    first : ALIGNMENT array
    apix : float
        Working pixel size, Angstrom.

    Returns
    -------
    psi (degrees, in (-180, 180]), origin x, origin y (Angstrom), flip : arrays
    """
    psi = 180 - _wrap(180 + _double(first["angle"]))
    return psi, -_double(first["sx"]) * apix, -_double(first["sy"]) * apix, first["mirror"].copy()


def from_relion(psi, origin_x, origin_y, flip, apix: float) -> np.ndarray:
    """Inverse of `to_relion`."""
    return alignment(
        -np.asarray(psi, float), np.asarray(flip) != 0, -_double(origin_x) / apix, -_double(origin_y) / apix
    )


def undo(images: np.ndarray, alignments: np.ndarray, out_box: int | None = None) -> np.ndarray:
    """Bring particles onto their references: mirror, rotation, scale and shift undone in one interpolation.

    ``out[u] = image[scale R M u + s]`` by cubic convolution with a = -1/2 (Keys 1981,
    doi:10.1109/TASSP.1981.1163711); pixels outside the image count as 0.

    Parameters
    ----------
    images : float array (n, L, L)
    alignments : ALIGNMENT array (n,)
        Shifts in pixels of `images` (see `rescale`).
    out_box : int, optional
        Box of the result, L by default; centre goes to centre.

    Returns
    -------
    float32 array (n, out_box, out_box)
    """
    images = np.ascontiguousarray(images, np.float32)
    out_box = images.shape[-1] if out_box is None else out_box
    if len(images) != len(alignments):
        raise ValueError(f"{len(images)} images, but {len(alignments)} alignments")
    radians, scale = np.deg2rad(_double(alignments["angle"])), _double(alignments["scale"])
    out = np.empty((len(images), out_box, out_box), np.float32)
    from .undo_kernel import undo as kernel  # numba loads slowly, and conversions do without

    kernel(
        images,
        (scale * np.cos(radians)).astype(np.float32),
        (scale * np.sin(radians)).astype(np.float32),
        np.where(alignments["mirror"], -1, 1).astype(np.float32),
        np.ascontiguousarray(alignments["sx"]),
        np.ascontiguousarray(alignments["sy"]),
        out,
    )
    return out


def _rotate(angle, x, y) -> tuple[np.ndarray, np.ndarray]:
    radians = np.deg2rad(_double(angle))
    cos, sin = np.cos(radians), np.sin(radians)
    return cos * x - sin * np.asarray(y, float), sin * x + cos * np.asarray(y, float)


def _double(values) -> np.ndarray:
    return np.asarray(values, np.float64)


def _wrap(angle) -> np.ndarray:
    """Degrees in [0, 360), also after rounding to float32."""
    wrapped = np.mod(_double(angle), 360.0)
    return np.where(wrapped.astype(np.float32) >= 360, 0.0, wrapped)
