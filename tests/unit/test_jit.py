"""The cache of compiled kernels."""

import os
import shutil
import subprocess
import sys

import refine2d

PICTURE = """
import numpy as np
from refine2d.transforms import alignment, undo

image = np.zeros((1, 8, 8), np.float32)
image[0, 4, 4] = 1
print(undo(image, alignment(np.zeros(1)))[0, 4, 4])
"""


def test_a_change_of_what_kernels_share_reaches_them(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(refine2d.__path__[0], tmp_path / "refine2d", ignore=ignored)

    def centre():
        command = [sys.executable, "-c", PICTURE]
        known = os.environ | {"PYTHONPATH": str(tmp_path)}
        return float(subprocess.run(command, env=known, check=True, capture_output=True, text=True).stdout)

    assert centre() == 1
    shared = tmp_path / "refine2d/cubic.py"
    text = shared.read_text()
    shared.write_text(text.replace("w1 = one + ", "w1 = one + one + "))
    assert shared.read_text() != text
    assert centre() == 4  # twice the weight along both axes
