#!/usr/bin/env python3
"""EMAN2's e2refine2d.py by this workflow, with the Python of .venv where there is one. Put this folder into PATH."""

import os
import sys

here = os.path.dirname(os.path.realpath(__file__))
own = os.path.join(here, ".venv", "bin", "python")
python = own if os.access(own, os.X_OK) else sys.executable
os.execv(python, [python, os.path.join(here, "workflow", "scripts", "e2refine2d.py"), *sys.argv[1:]])
