"""Numba's compiler without SciPy.

Before its first kernel Numba imports SciPy's linear algebra where it is there: a fifth of a second in every job, and no
kernel of ours has a use for it.
"""

import importlib
import sys

from numba import njit

__all__ = ["njit"]

SCIPY = "scipy.linalg"

_known = sys.modules.get(SCIPY)
sys.modules[SCIPY] = None  # what looks for it now takes it as missing
try:
    importlib.import_module(
        "numba.np.arraymath"
    )  # looks for it once, and would do so before the first kernel
finally:
    del sys.modules[SCIPY]
    if _known:
        sys.modules[SCIPY] = _known
