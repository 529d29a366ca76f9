"""Slow, obvious twins of the kernels, one block for each part of the library."""

import math

import numpy as np
import scipy.ndimage
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


def undo(image, angle, mirror, sx, sy, scale, out_box):
    """`transforms.undo` of one image."""
    box = len(image)
    cos, sin = scale * math.cos(math.radians(angle)), scale * math.sin(math.radians(angle))
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


# ---- alignment, averaging, MSA ----


def ring_scores(real, imag, cosines, sines, orders, phases, mirror):
    """Correlation of one particle's rings with a template's at all turns and shifts: (angles, shifts).

    real, imag (half, rings) are the particle's samples on half of each ring, cosines, sines (harmonics, rings) the
    template's coefficients, and phases (shifts, half, rings) what the shifts bring.
    """
    angles = 2 * len(real)
    theta = 2 * np.pi * np.arange(angles) / angles
    out = np.zeros((angles, len(phases)))
    for s, phase in enumerate(phases):
        shifted = (real + 1j * imag) * np.exp(1j * phase)
        around = np.concatenate([shifted.real + shifted.imag, shifted.real - shifted.imag])
        for a in range(angles):
            turned = theta - theta[a]
            turned = np.pi - turned if mirror else turned
            waves = np.outer(turned, orders)
            out[a, s] = np.sum((np.cos(waves) @ cosines + np.sin(waves) @ sines) * around)
    return out


def best_peaks(scores, count):
    """Best (reference, mirror, angle), without the three angles to each side of a better one of the same template.

    scores (R, mirrors, angles).
    """
    scores, found = scores.copy(), []
    for _ in range(count):
        reference, mirror, angle = np.unravel_index(scores.argmax(), scores.shape)
        if np.isneginf(scores[reference, mirror, angle]):
            break
        found.append((reference, mirror, angle))
        scores[reference, mirror, np.arange(angle - 3, angle + 4) % scores.shape[2]] = -np.inf
    return found


def shown(reference: np.ndarray, angle: float, mirror: bool, sx: float, sy: float) -> np.ndarray:
    """A particle with the reference in the given pose, by spline interpolation of the fivefold oversampled image."""
    box, fine = len(reference), 5
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(reference)))
    low = (fine * box) // 2 - box // 2
    big = np.zeros((fine * box, fine * box), complex)
    big[low : low + box, low : low + box] = spectrum
    dense = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(big)).real) * fine**2
    axis = np.arange(box) - box // 2
    x, y = np.meshgrid(axis - sx, axis - sy)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    u, v = c * x + s * y, -s * x + c * y
    u = -u if mirror else u
    where = [fine * v + fine * box // 2, fine * u + fine * box // 2]
    return scipy.ndimage.map_coordinates(dense, where, order=3, mode="constant")


def log_likelihood_gain(template: np.ndarray, y: np.ndarray, c2: np.ndarray, band: int) -> float:
    """Gain of a template over pure noise: sum over the whole plane, coefficient by coefficient."""
    box = len(template)
    t = np.fft.fft2(np.fft.ifftshift(template)) / box
    total = 0.0
    for row in range(box):
        for column in range(box // 2 + 1):
            ky = row if row < box // 2 else row - box
            k = np.hypot(ky, column)
            if not 0.5 < k <= band:
                continue
            count = 1 if column in (0, box // 2) else 2
            value = (np.conj(t[row, column]) * y[row, column]).real
            total += count * (value - 0.5 * c2[round(k)] * abs(t[row, column]) ** 2)
    return total


def shift_prior(sx: float, sy: float, sigma: float) -> float:
    """Logarithm of a Gaussian of deviation `sigma` at a shift, by that at none."""
    density = [np.exp(-(s**2) / (2 * sigma**2)) for s in (sx, sy)]
    return float(np.log(density[0] * density[1]))


def posterior_mean(
    image: np.ndarray, mean: np.ndarray, vectors: np.ndarray, eigval: np.ndarray, c2: np.ndarray
):
    """Coefficients of one matched-filtered image, with the filter applied to every vector in Fourier space."""
    box = len(image)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(box) * box, np.fft.fftfreq(box) * box, indexing="ij"))
    ring = np.rint(k).astype(int)
    weight = np.where(ring <= box // 2, np.append(c2, 0)[np.minimum(ring, box // 2 + 1)], 0)

    def seen(picture):
        return np.fft.ifft2(np.fft.fft2(picture) * weight).real

    gram = np.array([[(a * seen(b)).sum() for b in vectors] for a in vectors])
    data = np.array([(a * (image - seen(mean))).sum() for a in vectors])
    return np.linalg.solve(gram + np.diag(1 / eigval), data)


def unexplained(
    image: np.ndarray, mask: np.ndarray, average: np.ndarray, power: np.ndarray, c2: np.ndarray, band: int
) -> float:
    """What a matched-filtered image has beyond `average`, over what an image with ring powers `power` has."""
    spectrum, ring = full_plane(image * mask)
    expected, _ = full_plane(average)
    above = most = 0.0
    for k in range(1, band + 1):
        left = np.abs(spectrum[ring == k] - c2[k] * expected[ring == k]) ** 2
        weight = power[k] / (1 + c2[k] * power[k])
        above += weight * (left - c2[k] * (mask**2).mean()).sum()
        most += weight * c2[k] ** 2 * power[k] * left.size
    return above / most


def contrast(image: np.ndarray, reference: np.ndarray, c2: np.ndarray) -> float:
    """The factor of `reference`, seen with squared transfer `c2`, that is like a matched-filtered image most."""
    expected, ring = full_plane(reference)
    most = sum(c2[k] * (np.abs(expected[ring == k]) ** 2).sum() for k in range(len(c2)))
    return (image * reference).sum() / most


# ---- the names of e2refine2d: comparators, averagers, normalizers, centring ----


def full_plane(image):
    """The centred unitary transform of an image, and the ring of each coefficient."""
    box = len(image)
    frequency = np.rint(np.fft.fftfreq(box) * box)
    ring = np.rint(np.hypot(frequency[:, None], frequency[None])).astype(int)
    return np.fft.fft2(np.fft.ifftshift(image)) / box, ring


def ring_correlations(a, b, rings):
    """Fourier ring correlation of two images on each of some rings."""
    (f, ring), (g, _) = full_plane(a), full_plane(b)
    values = []
    for r in rings:
        on = ring == r
        power = np.sum(np.abs(f[on]) ** 2) * np.sum(np.abs(g[on]) ** 2)
        values.append(np.sum(f[on] * np.conj(g[on])).real / math.sqrt(power))
    return np.array(values)


def band_passed(image, first, last):
    """The image with the rings from first to last alone."""
    f, ring = full_plane(image)
    box = len(image)
    return np.fft.fftshift(np.fft.ifft2(np.where((ring >= first) & (ring <= last), f, 0)).real) * box


def phase_residual(a, b, rings, amplitudes=True):
    """Mean phase difference in radians, each coefficient weighted by the amplitude of b."""
    (f, ring), (g, _) = full_plane(a), full_plane(b)
    total = weights = 0.0
    for row in range(len(a)):
        for column in range(len(a)):
            if ring[row, column] in rings:
                weight = abs(g[row, column]) if amplitudes else 1.0
                total += weight * abs(np.angle(f[row, column] * np.conj(g[row, column])))
                weights += weight
    return total / weights


def left_after_subtraction(a, b, rings):
    """Share of a's power that is left when on each ring the best multiple of b, not below 0, has been taken off."""
    (f, ring), (g, _) = full_plane(a), full_plane(b)
    left = power = 0.0
    for r in rings:
        x, t = f[ring == r], g[ring == r]
        best = max(0.0, np.sum(x * np.conj(t)).real / np.sum(np.abs(t) ** 2))
        left += np.sum(np.abs(x - best * t) ** 2)
        power += np.sum(np.abs(x) ** 2)
    return left / power


def ctf_weighted(spectra, transfer, powers):
    """Average of transforms (n, L, L) with phases flipped back, ring by ring weighted by the square of each CTF there.

    `transfer` as `spectra`; `powers` says what the sum is divided by, for each coefficient.
    """
    total = np.zeros(spectra.shape[1:], complex)
    for f, c in zip(spectra, transfer, strict=True):
        total += np.sign(c) * f * c**2
    return total / powers


def spread_of_particles(store, poses, mean, mask, rings):
    """Principal components of particles, by `eigenimages`' definition one coefficient at a time: (k, L, L) images."""
    from refine2d import fourier, transforms

    box, rows = store.box, []
    inside = [(ky, kx) for ky in range(box) for kx in range(box // 2 + 1)]
    inside = [at for at in inside if 0 < fourier.ring_index(box)[at] <= rings]
    ring = [fourier.ring_index(box)[at] for at in inside]
    twice = [math.sqrt(2 if 0 < kx < box // 2 else 1) for _, kx in inside]
    expected = ft(mean * mask)
    power = np.zeros(len(inside))
    for i in range(len(poses)):
        y, c2 = store.matched(np.array([i]))
        every = np.arange(c2.shape[1])
        c2 = np.interp(every / poses["scale"][i], every, c2[0])[None]
        aligned = ft(transforms.undo(fourier.ift(y, box), poses[i : i + 1])[0] * mask)
        row = []
        for at, k, weight in zip(inside, ring, twice, strict=True):
            value = (aligned[at] - c2[0, k] * expected[at]) / math.sqrt(c2[0, k]) * weight
            row += [value.real, value.imag]
        rows.append(row)
        power += c2[0, ring]
    _, deviation, vectors = np.linalg.svd(np.array(rows), full_matrices=False)
    power, ratio = power / len(poses), 2 * len(inside) * (mask**2).mean() / len(poses)
    out = []
    for strength, vector in zip(deviation**2 / len(poses), vectors, strict=True):
        half = (strength + 1 - ratio) / 2
        variance = 0.02 * strength
        if strength > (1 + math.sqrt(ratio)) ** 2:
            true = half + math.sqrt(half**2 - strength) - 1
            variance = max(variance, true * (1 - ratio / true**2) / (1 + ratio / true))
        plane = np.zeros((box, box // 2 + 1), complex)
        for n, (at, weight) in enumerate(zip(inside, twice, strict=True)):
            plane[at] = complex(vector[2 * n], vector[2 * n + 1]) / weight / math.sqrt(power[n])
        out.append(math.sqrt(variance) * fourier.ift(plane[None], box)[0] * mask)
    return np.array(out)


# ---- classes through the iterations ----


def origins(before, now, classes):
    """`following.origins`: again and again the pair that shares most of those that are left."""
    members = list(zip(before.tolist(), now.tolist(), strict=True))
    left = [(old, new) for old in range(classes) for new in range(classes)]
    out = [-1] * classes
    while left:
        old, new = max(left, key=members.count)
        out[new] = old
        left = [pair for pair in left if pair[0] != old and pair[1] != new]
    return out
