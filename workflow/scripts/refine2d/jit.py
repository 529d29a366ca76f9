"""Numba's compiler without SciPy, and a cache that knows of files that kernels share.

Before its first kernel Numba imports SciPy's linear algebra where it is there: a fifth of a second in every job, and no
kernel of ours has a use for it. Its cache compiles a kernel anew when the kernel's own file has changed, but not when
one has from which it takes functions.
"""

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from numba import njit
from numba.core.caching import _SourceFileBackedLocatorMixin as Source

__all__ = ["njit"]

SCIPY = "scipy.linalg"
SHARED = ("cubic.py", "simd.py")

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


def _with_shared(stamp: Callable) -> Callable:
    """What tells a kernel's source from another one, with the files that kernels share."""
    folder = Path(__file__).parent
    shared = hashlib.sha256(b"".join((folder / name).read_bytes() for name in SHARED)).hexdigest()
    return lambda locator: (stamp(locator), shared)


Source.get_source_stamp = _with_shared(Source.get_source_stamp)
