"""Slow, obvious twins of the kernels, one block for each part of the library."""

import math

import numpy as np
from scipy import constants

# ---- preparation: fourier, transforms, ctf, invariants ----


def ft(image):
    """`fourier.ft` of one image by its definition."""
    box = len(image)
    x = np.arange(box) - box // 2
    ky = np.rint(np.fft.fftfreq(box) * box)
    kx = np.arange(box // 2 + 1)
    rows = np.exp(-2j * np.pi * np.outer(ky, x) / box)
    columns = np.exp(-2j * np.pi * np.outer(x, kx) / box)
    return rows @ image @ columns / box


def ring_sum(full_plane):
    """Sums over the rings of a whole plane (box, box) in FFT order."""
    box = len(full_plane)
    frequency = np.rint(np.fft.fftfreq(box) * box)
    out = np.zeros(box // 2 + 1)
    for row in range(box):
        for column in range(box):
            ring = round(math.hypot(frequency[row], frequency[column]))
            if ring <= box // 2:
                out[ring] += full_plane[row, column]
    return out


def cubic(distance):
    """Keys' cubic convolution kernel with a = -1/2."""
    d = abs(distance)
    if d < 1:
        return 1.5 * d**3 - 2.5 * d**2 + 1
    return -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2 if d < 2 else 0.0


def undo(image, angle, mirror, sx, sy, out_box):
    """`transforms.undo` of one image."""
    box = len(image)
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    out = np.zeros((out_box, out_box))
    for row in range(out_box):
        for column in range(out_box):
            u, v = column - out_box // 2, row - out_box // 2
            u = -u if mirror else u
            x, y = cos * u - sin * v + sx + box // 2, sin * u + cos * v + sy + box // 2
            for j in range(math.floor(y) - 1, math.floor(y) + 3):
                for i in range(math.floor(x) - 1, math.floor(x) + 3):
                    if 0 <= i < box and 0 <= j < box:
                        out[row, column] += image[j, i] * cubic(x - i) * cubic(y - j)
    return out


def ctf(defocus_u, defocus_v, angle, phase, voltage, cs, ac, sx, sy):
    """The CTF at one spatial frequency (1/A), from the constants of nature."""
    charge, mass, light = constants.e, constants.m_e, constants.c
    volts = voltage * 1e3
    momentum = math.sqrt(2 * mass * charge * volts * (1 + charge * volts / (2 * mass * light**2)))
    lam = constants.h / momentum * 1e10
    direction = math.atan2(sy, sx) - math.radians(angle)
    defocus = defocus_u * math.cos(direction) ** 2 + defocus_v * math.sin(direction) ** 2
    s2 = sx**2 + sy**2
    chi = math.pi * lam * defocus * s2 - math.pi / 2 * cs * 1e7 * lam**3 * s2**2 + math.radians(phase)
    return math.sqrt(1 - ac**2) * math.sin(chi) + ac * math.cos(chi)


def harmonics(image, mask, rings, angles, count):
    """Angular Fourier amplitudes (rings, count) of the amplitude spectrum, each ring of unit mean square."""
    box = len(image)
    y, x = np.mgrid[:box, :box] - box // 2
    out = []
    for k in rings:
        around = []
        for a in range(angles):
            kx, ky = k * math.cos(math.pi * a / angles), k * math.sin(math.pi * a / angles)
            around.append(abs(np.sum(image * mask * np.exp(-2j * np.pi * (kx * x + ky * y) / box))))
        turns = np.outer(np.arange(1, count + 1), np.arange(angles)) / angles
        amplitudes = np.abs(np.exp(-2j * np.pi * turns) @ around)
        out.append(amplitudes / math.sqrt(np.mean(amplitudes**2)))
    return np.array(out)
