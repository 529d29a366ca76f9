"""Fixtures that several tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data: beside the repository, or where the variable says."""
    folder = Path(os.environ.get("REFINE2D_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the shared test data is not here: REFINE2D_DATA names its folder")
    return folder
