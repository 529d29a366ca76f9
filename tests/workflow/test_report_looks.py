"""How the report looks: in windows of any size, with large numbers, and to any eye."""

import json
import re

import numpy as np
import pytest
from browsing import choose, press, wait


def resized(page, width, height):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    # Observers have been told when two frames have been drawn.
    page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


@pytest.fixture
def window(page):
    """The page, in a window whose size a test may change."""
    yield page
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def large(browser, finished, tmp_path):
    """The page as it would be with thousands of particles in most classes."""
    head, data, rest = re.split(
        r'(?<=id="data">)(.*?)(?=</script>)', (finished.folder / "run/report.html").read_text(), maxsplit=1
    )
    data = json.loads(data)
    for each in (data["classes"]["size"], *(iteration["sizes"] for iteration in data["iterations"])):
        each[:] = [123456, 12345, 999, 1000]
    data["particles"] = sum(data["classes"]["size"])
    (tmp_path / "large.html").write_text(head + json.dumps(data) + rest)
    browser.get((tmp_path / "large.html").as_uri())
    wait(lambda: browser.execute_script("return document.body?.dataset.ready"))
    return browser


@pytest.mark.parametrize("zoom", [48, 64, 96, 112, 200])
def test_captions_have_the_same_lines_whatever_the_numbers(large, zoom):
    choose(large, "zoom", zoom)
    tiles = large.execute_script("""
        return [...document.querySelectorAll('.tile')].map(tile => [...tile.querySelectorAll('p > *')].map(word => {
            const outer = tile.getBoundingClientRect(), inner = word.getBoundingClientRect();
            return inner.width > 0 && [Math.round(inner.top - outer.top), inner.right <= outer.right + 8];  // the gap
        }))""")
    assert len(tiles) == 4 and all(tile == tiles[0] for tile in tiles)
    assert all(word[1] for word in tiles[0] if word)
    assert sum(map(bool, tiles[0])) == (5 if zoom >= 112 else 2)


def test_no_pane_is_cut(window):
    for width in (1400, 800):
        resized(window, width, 1000)
        wait(lambda: window.execute_script("return document.querySelector('#details .members canvas')"))
        cut = """
            return ['#details', '#details .members', '#gallery', 'html'].filter(name => {
                const element = document.querySelector(name);
                return element.scrollWidth > element.clientWidth + 1;
            })"""
        wait(lambda cut=cut: window.execute_script(cut) == [])  # plots follow a moment later


@pytest.mark.parametrize("width", [1400, 800])
def test_the_class_that_keys_go_to_is_not_under_the_tools(window, width):
    resized(window, width, 560)
    choose(window, "zoom", 320)
    tops = """
        const box = name => document.querySelector(name).getBoundingClientRect();
        return [box('.tile.now').top, box('#tools').bottom, box('.tile.now').bottom, innerHeight];"""
    for key in "\ue014" * 3 + "\ue012" * 3:  # right, left
        press(window, key)
        top, tools, bottom, height = window.execute_script(tops)
        assert top >= tools - 1 and (bottom <= height + 1 or bottom - top > height - tools)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(page, scheme):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    script = (
        "return arguments[0].map(n => getComputedStyle(document.documentElement).getPropertyValue(n).trim())"
    )
    paper, panel, *inks = page.execute_script(
        script, ["--paper", "--panel", "--ink", "--faint", "--keep", "--junk"]
    )
    assert (luminance(paper) > 0.5) == (scheme == "light")
    for ink in inks:
        assert min(ratio(ink, paper), ratio(ink, panel)) > 4.5  # WCAG 2, level AA
    keep, junk = inks[2:]
    for kind in COLOUR_BLIND.values():
        assert np.abs(kind @ linear(keep) - kind @ linear(junk)).max() > 0.15


# Viénot, Brettel & Mollon 1999, doi:10.1002/(SICI)1520-6378(199908)24:4<243::AID-COL5>3.0.CO;2-3, in linear RGB.
COLOUR_BLIND = {
    "protanopia": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deuteranopia": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


def linear(colour):
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def luminance(colour):
    return linear(colour) @ [0.2126, 0.7152, 0.0722]


def ratio(one, two):
    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)
