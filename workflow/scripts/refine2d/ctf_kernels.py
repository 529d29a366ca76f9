"""The loops of `ctf`: the transfer function on the half plane, and its power on rings."""

import numpy as np

from .jit import njit


@njit(nogil=True, cache=True, fastmath=True)
def evaluate(coefficients, ky, kx, flipped, intact, out):
    for i in range(len(out)):
        mean, along, across, spherical, offset = coefficients[i]
        start = offset % np.pi
        for row in range(ky.size):
            for column in range(kx.size):
                x, y = kx[column], ky[row]
                k2 = x * x + y * y
                focus = mean * k2 + along * (x * x - y * y) + across * 2 * x * y
                sphere = spherical * k2 * k2
                value = _sin(focus - sphere + offset)
                if flipped:
                    value = abs(value)
                elif intact:
                    # the phase rises until 2 * sphere = focus, and |sin| has its first maximum at pi / 2
                    rising = (start + focus - sphere <= np.pi / 2) & (2 * sphere <= focus)
                    if (k2 == 0) | rising:
                        value = 1.0
                out[i, row, column] = value


@njit(nogil=True, inline="always", fastmath=True)
def _sin(phase):
    """Sine to 1e-9 by its series: the compiler does many at a time, but the library's sine one by one."""
    half_turns = np.floor(phase / np.pi + 0.5)
    x = phase - half_turns * np.pi
    s = x * x
    series = 1 - s / 6 * (1 - s / 20 * (1 - s / 42 * (1 - s / 72 * (1 - s / 110 * (1 - s / 156)))))
    return x * series * (1 - 2 * (half_turns - 2 * np.floor(half_turns / 2)))


@njit(nogil=True, cache=True, fastmath=True)
def ring_power(transfer, ring, weights, size, out):
    for i in range(len(transfer)):
        total = np.zeros(out.shape[1] + 1)
        for row in range(transfer.shape[1]):
            for column in range(transfer.shape[2]):
                total[ring[row, column]] += weights[row, column] * transfer[i, row, column] ** 2
        out[i] = total[:-1] / size
