"""The contrast transfer function, astigmatic and with phase shift; bright protein is positive at first."""

from dataclasses import dataclass, fields

import numpy as np

from refine2d import fourier

MODES = ("auto", "flipped", "none", "intact-first-peak")


@dataclass
class CtfTable:
    """CTF parameters of n particles, each a float64 array (n,); NaN where a file has none.

    Attributes
    ----------
    defocus_u, defocus_v : Angstrom, positive for underfocus
    angle : degrees from the x axis (towards +y) to the direction of `defocus_u`, as in RELION and CTFFIND
    phase : degrees, phase shift of a phase plate
    voltage : kV
    cs : mm
    ac : amplitude contrast, fraction
    """

    defocus_u: np.ndarray
    defocus_v: np.ndarray
    angle: np.ndarray
    phase: np.ndarray
    voltage: np.ndarray
    cs: np.ndarray
    ac: np.ndarray

    def __post_init__(self):
        columns = [np.atleast_1d(np.asarray(getattr(self, field.name), np.float64)) for field in fields(self)]
        for field, column in zip(fields(self), np.broadcast_arrays(*columns), strict=True):
            setattr(self, field.name, np.array(column))

    def __len__(self) -> int:
        return len(self.defocus_u)

    def __getitem__(self, rows) -> "CtfTable":
        return CtfTable(*(getattr(self, field.name)[rows] for field in fields(self)))


def wavelength(voltage):
    """Relativistic wavelength of electrons, Angstrom, from the acceleration voltage in kV."""
    volts = np.asarray(voltage, np.float64) * 1e3
    return 12.26425965 / np.sqrt(volts * (1 + volts * 0.97847559e-6))


def ctf(table: CtfTable, box: int, apix, mode: str = "auto") -> np.ndarray:
    """Evaluate the CTF on the half plane.

    ``C = sin(pi lam df s^2 - pi/2 Cs lam^3 s^4 + phase + asin A)``, df the defocus in the direction of s
    (Rohou & Grigorieff 2015, doi:10.1016/j.jsb.2015.08.008, with the sign turned for bright protein).

    Parameters
    ----------
    table : CtfTable of n particles
    box : int
        Pixels.
    apix : float or float array (n,)
        Angstrom per pixel.
    mode : str
        ``auto``: C. ``flipped``: \\|C\\|, for images whose phases are flipped already. ``none``: 1.
        ``intact-first-peak``: 1 up to the first maximum of \\|C\\| in each direction, C beyond.

    Returns
    -------
    float32 array (n, box, box // 2 + 1)
    """
    if mode not in MODES:
        raise ValueError(f"unknown ctf mode {mode!r}, not one of {', '.join(MODES)}")
    if mode == "none":
        return np.ones((len(table), box, box // 2 + 1), np.float32)
    lam = wavelength(table.voltage)
    per_pixel = 1 / (box * np.broadcast_to(np.asarray(apix, np.float64), lam.shape)) ** 2
    double_angle = np.deg2rad(2 * table.angle)
    mean = np.pi * lam * per_pixel * (table.defocus_u + table.defocus_v) / 2
    difference = np.pi * lam * per_pixel * (table.defocus_u - table.defocus_v) / 2
    spherical = np.pi / 2 * table.cs * 1e7 * lam**3 * per_pixel**2
    offset = np.deg2rad(table.phase) + np.arcsin(table.ac)
    out = np.empty((len(table), box, box // 2 + 1), np.float32)
    ky, kx = fourier.frequencies(box)
    coefficients = (
        mean,
        difference * np.cos(double_angle),
        difference * np.sin(double_angle),
        spherical,
        offset,
    )
    from refine2d.ctf_kernels import evaluate  # numba loads slowly, and tables of parameters do without

    evaluate(
        np.stack(coefficients, axis=-1), ky[:, 0], kx[0], mode == "flipped", mode == "intact-first-peak", out
    )
    return out


def ring_power(transfer: np.ndarray) -> np.ndarray:
    """Ring mean of C^2: float32 (n, box, box // 2 + 1) to float64 (n, box // 2 + 1)."""
    box = transfer.shape[1]
    out = np.empty((len(transfer), fourier.nrings(box)))
    from refine2d.ctf_kernels import ring_power as kernel

    kernel(transfer, fourier.ring_index(box), fourier.plane_weights(box), fourier.ring_size(box), out)
    return out
