"""Rotation matrices of Euler angles."""

import numpy as np


def euler_matrices(rot: np.ndarray, tilt: np.ndarray, psi: np.ndarray) -> np.ndarray:
    """Rotation matrices (n, 3, 3) of ZYZ Euler angles in degrees, `Rz(psi) Ry(tilt) Rz(rot)` (RELION)."""
    a, b, g = (np.deg2rad(np.atleast_1d(np.asarray(x, float))) for x in (rot, tilt, psi))
    return about_z(g) @ about_y(b) @ about_z(a)


def about_z(angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (n, 3, 3) about z by angles (n,) in radians."""
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, s, zero, -s, c, zero, zero, zero, one], -1).reshape(-1, 3, 3)


def about_y(angle: np.ndarray) -> np.ndarray:
    """Rotation matrices (n, 3, 3) about y by angles (n,) in radians."""
    c, s, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(angle), np.ones_like(angle)
    return np.stack([c, zero, -s, zero, one, zero, s, zero, c], -1).reshape(-1, 3, 3)
