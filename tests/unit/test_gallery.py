"""The contact sheet: largest class first, tiles where they belong, the same bytes each time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from refine2d.report import gallery


def marked(k: int, box: int = 64) -> np.ndarray:
    """Averages of noise with a bright disc whose radius, 2 + number, tells them apart."""
    y, x = np.mgrid[:box, :box] - box // 2
    disc = [np.hypot(x, y) < 2 + number for number in range(k)]
    return np.array(disc) + 0.05 * np.random.default_rng(0).normal(size=(k, box, box))


def tiles(path, columns: int, k: int, head: int, side: int = 128) -> list[np.ndarray]:
    sheet = np.asarray(Image.open(path).convert("L"), float)
    corner = [
        (
            gallery.MARGIN + head + i // columns * (side + gallery.CAPTION + gallery.GAP),
            gallery.MARGIN + i % columns * (side + gallery.GAP),
        )
        for i in range(k)
    ]
    return [sheet[y : y + side, x : x + side] for y, x in corner]


def test_classes_are_sorted_by_count_and_empty_ones_dimmed(tmp_path) -> None:
    counts = np.array([3, 0, 12, 7, 12, 1])
    gallery.contact_sheet(marked(6), counts, tmp_path / "sheet.png", columns=3)
    shown = tiles(tmp_path / "sheet.png", 3, 6, head=0)
    bright = [np.count_nonzero(tile > 128) for tile in shown[:5]]
    radius = np.sqrt(np.array(bright) / np.pi) / 2  # tiles are twice the box
    np.testing.assert_allclose(radius, 2 + np.array([2, 4, 3, 0, 5]), atol=0.7)
    assert shown[5].max() < 0.6 * shown[4].max()


@given(st.integers(1, 300))
def test_the_sheet_is_wide_rather_than_tall_and_has_few_gaps(k: int) -> None:
    columns = gallery._columns(k)
    rows = -(-k // columns)
    assert rows <= columns <= 4 * rows
    assert columns * rows - k < columns


@pytest.mark.parametrize("box", [33, 64, 100, 128, 256, 400])
def test_tiles_are_about_128_px_and_the_sheet_has_the_size_they_need(tmp_path, box: int) -> None:
    gallery.contact_sheet(
        marked(4, box), np.ones(4), tmp_path / "sheet.png", columns=2, title="Four", apix=2.0
    )
    side = gallery._tile_side(box)
    assert 100 <= side <= 154
    width, height = Image.open(tmp_path / "sheet.png").size
    assert width >= 2 * side and height >= 2 * (side + gallery.CAPTION)


def test_grey_values_do_not_depend_on_scale_or_outliers_outside_the_mask(tmp_path) -> None:
    averages = marked(2)
    averages[1] = 1e-2 * averages[0] - 4
    averages[1, 0, 0] = 1e6
    gallery.contact_sheet(averages, [5, 5], tmp_path / "sheet.png", columns=2)
    first, second = tiles(tmp_path / "sheet.png", 2, 2, head=0)
    np.testing.assert_allclose(first[16:-16, 16:-16], second[16:-16, 16:-16], atol=2)


def test_flat_and_single_averages_can_be_drawn_and_bytes_repeat(tmp_path) -> None:
    for name in ("a.png", "b.png"):
        gallery.contact_sheet(np.zeros((1, 48, 48)), [0], tmp_path / name, apix=4.0, title="Nothing found")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert not Image.open(tmp_path / "a.png").info


def test_a_longer_particle_count_draws_more_ink(tmp_path) -> None:
    ink = []
    for count in (1, 111111):
        gallery.contact_sheet(np.zeros((1, 64, 64)), [count], tmp_path / "sheet.png")
        caption = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))[gallery.MARGIN + 128 :, :80]
        ink.append(np.count_nonzero(caption > 120))
    assert ink[1] > 3 * ink[0] > 0
