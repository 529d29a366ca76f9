"""The report as a person uses it, in a browser; then chosen particles, a movie and Snakemake's own report."""

import json
import re
import shutil
import subprocess
import sys
import time

import imageio.v3 as iio
import numpy as np
import pytest
import starfile
from small_project import ROOT, SMALL

from refine2d.percent import percent
from refine2d.report.collect import SCORE
from refine2d.selection import read_selection
from refine2d.stacks.opening import open_source
from refine2d.tables import read_members

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1400,1000"
)


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium that notes what its console says."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        pytest.skip("chromium and chromedriver are not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, finished):
    """The report of the finished run, opened from disk; no test may leave a message on the console."""
    browser.get((finished.folder / "run/report.html").as_uri())
    wait(lambda: browser.execute_script("return document.body?.dataset.ready"))
    browser.execute_script("localStorage.clear(); document.getElementById('clear').click()")
    yield browser
    assert browser.get_log("browser") == []


def wait(condition, seconds=30):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "nothing came"
        time.sleep(0.05)
    return found


def shown(page):
    """Class numbers in the gallery, in their order."""
    return page.execute_script(
        "return [...document.querySelectorAll('.tile')].map(tile => +tile.dataset.number)"
    )


def choose(page, name, value):
    page.execute_script(
        "const e = document.getElementById(arguments[0]); e.value = arguments[1];"
        "e.dispatchEvent(new Event('input')); e.dispatchEvent(new Event('change'))",
        name,
        value,
    )


def press(page, keys):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(page).send_keys(keys).perform()


def marks(page):
    classes = page.execute_script(
        "return [...document.querySelectorAll('.tile')].map(t => [t.dataset.number, t.className])"
    )
    return {
        int(number): name for number, text in classes for name in text.split() if name in ("keep", "junk")
    }


@pytest.fixture(scope="module")
def state(finished):
    return json.loads((finished.folder / "run/state_02.json").read_text())


def test_names_of_files_are_text(browser, particles, tmp_path):
    """Names that end the element of the page's data, start a script, or are tags."""
    project = particles.copy(tmp_path / "project")
    folder = "<img src=x onerror=\"document.title='ran'\"> & $(touch ran) <"
    name, stack = "script ><script >document.title='ran'.star", "<script>.mrcs"
    data = project.folder / folder
    (project.folder / "data").rename(data)
    (data / "particles.mrcs").rename(data / stack)
    (data / name).write_text((data / "particles.star").read_text().replace("particles.mrcs", stack))
    project.run(f"input={folder}/{name}", "exclude=", "iter=1", "path=<b >run")
    assert stack in (project.folder / "<b >run/particles.star").read_text()
    browser.get((project.folder / "<b >run/report.html").as_uri())
    wait(lambda: browser.execute_script("return document.body?.dataset.ready"))
    assert browser.title.startswith("<b >run: ")
    assert f"{folder}/{name}" in browser.execute_script("return document.body.textContent")
    assert browser.execute_script("return document.querySelector('img[onerror], h1 b')") is None
    assert browser.get_log("browser") == []
    assert not list(project.folder.rglob("ran"))


def test_the_page_holds_everything(page):
    loaded = page.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name[:60] for name in loaded if not name.startswith(("data:", "blob:"))] == []
    for plot in ("#curve-plots .plot:nth-child(5)", "#flow-plot", "#msa-plot", "#details .plot"):
        assert (
            page.execute_script(
                f"return document.querySelector('{plot} svg')?.getBoundingClientRect().height"
            )
            > 100
        )
    assert page.execute_script("return document.querySelectorAll('#eigenimages canvas').length") >= 3
    text = page.execute_script("return document.body.innerText")
    for part in (
        "excluded by the user",
        "the same value everywhere",
        "numba",
        "simmx_piece",
        "Steps that had ended when this page was written",
        "maxshift",
        "component 1",
    ):
        assert part in text


def facts(path):
    """The title of a page, and the options that it lists."""
    text = path.read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])
    return data["title"], data["facts"]["options"]


def test_a_page_is_there_from_the_first_iteration_on(particles, finished, tmp_path):
    project = particles.copy(tmp_path / "project")
    (project.folder / "run").mkdir()
    (project.folder / "run/options.yaml").write_text("- {from: 2, classkeep: 0.6}\n")
    page = project.folder / "run/report.html"
    with open(project.folder / "printed.txt", "w") as printed:
        run = subprocess.Popen(project.command(), cwd=project.folder, stdout=printed, stderr=printed)
    wait(page.exists, 120)
    so_far = facts(page)
    while run.poll() is None:
        assert page.exists()
        time.sleep(0.005)
    assert run.returncode == 0
    (title, options), (ended, of_the_end) = so_far, facts(page)
    assert title == f"run: {SMALL.n - 3} particles in 4 classes, after iteration 1 of 2"
    assert ended == title.replace("iteration 1", "iteration 2")
    assert options == of_the_end
    known = {"apix": "7", "voltage": "300", "cs": "2.7", "ac": "0.1", "maxshift": "4", "iter": "2"}
    assert options.items() >= (known | {"classkeep": "0.85 (start to 1), 0.6 (2)"}).items()
    assert "not present when the DAG was created" not in (project.folder / "printed.txt").read_text()


def test_tiles_have_pictures(page):
    spread = page.execute_script(
        "return [...document.querySelectorAll('.tile canvas')].map(canvas => {"
        "const d = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        "return Math.max(...d.filter((_, i) => i % 4 === 0)) - Math.min(...d.filter((_, i) => i % 4 === 0))})"
    )
    assert len(spread) == 4 and min(spread) > 150


def test_the_gallery_is_sorted(page, state):
    data = page.execute_script("return data.classes")
    choose(page, "sort", "size")
    assert [state["sizes"][k] for k in shown(page)] == sorted(state["sizes"], reverse=True)
    choose(page, "sort", "number")
    assert shown(page) == [0, 1, 2, 3]
    choose(page, "sort", "resolution")
    assert [data["resolution"][k] for k in shown(page)] == sorted(data["resolution"])
    choose(page, "sort", "quality")
    assert [data["quality"][k] for k in shown(page)] == sorted(data["quality"], reverse=True)


def test_the_slider_shows_each_class_as_it_was(page, finished, state):
    choose(page, "sort", "number")
    sizes = "return [...document.querySelectorAll('.tile b')].map(size => +size.textContent)"
    assert page.execute_script(sizes) == state["sizes"]
    from refine2d.stacks.hdf import read_headers

    source = [header["source_class"] for header in read_headers(finished.folder / "run/allrefs_02.hdf")]
    before = json.loads((finished.folder / "run/state_01.json").read_text())["sizes"]
    pixels = "const c = document.querySelector('.tile canvas'); return c.toDataURL()"
    last = page.execute_script(pixels)
    choose(page, "iteration", 0)
    assert page.execute_script(sizes) == [before[k] for k in source]
    assert page.execute_script(pixels) != last
    press(page, "]")
    assert page.execute_script(sizes) == state["sizes"] and page.execute_script(pixels) == last


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


def test_what_was_not_measured_of_a_step_is_no_figure(browser, finished, tmp_path):
    step = {"jobs": 2, "seconds": 1.0, "cpu": 0.0, "memory": 0.0}
    measured = [
        {"measured": 0},
        {"measured": 1, "cpu": 0.5, "memory": 60.0},
        {"measured": 2, "cpu": 1, "memory": 60},
    ]
    times = [step | {"step": f"step{i}"} | some for i, some in enumerate(measured)]
    text = (finished.folder / "run/report.html").read_text()
    (tmp_path / "a.html").write_text(re.sub(r'(?<=id="times">).*?(?=</script>)', json.dumps(times), text))
    browser.get((tmp_path / "a.html").as_uri())
    wait(lambda: browser.execute_script("return document.body?.dataset.ready"))
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#facts > div:last-child tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText))"
    )
    assert rows[1:] == [
        ["step0", "2", "1.0 s", "–", "–"],
        ["step1", "2", "1.0 s", "≥ 0.5 s", "60 MB"],
        ["step2", "2", "1.0 s", "1.0 s", "60 MB"],
    ]


def test_shares_are_rounded_as_in_the_picture(page):
    rng = np.random.default_rng(0)
    pairs = [(103, 2000), (1, 16), (125, 2000), (1, 3), (0, 7), (7, 7)]
    pairs += [(int(rng.integers(whole + 1)), whole) for whole in map(int, rng.integers(1, 10**6, 500))]
    found = page.execute_script("return arguments[0].map(([part, whole]) => percent(part, whole))", pairs)
    assert found == [percent(*pair) for pair in pairs]


def test_the_page_says_what_the_score_is(page):
    text = page.execute_script("return document.getElementById('classes').innerText")
    assert f"Score: {SCORE}" in text
    titled = "return [...document.querySelectorAll('.tile p [title]')].map(word => word.title)"
    assert set(page.execute_script(titled)) == {SCORE}


def test_zoom_and_contrast(page):
    choose(page, "zoom", 200)
    assert (
        page.execute_script("return document.querySelector('.tile canvas').getBoundingClientRect().width")
        == 200
    )
    choose(page, "contrast", 2)
    assert "contrast(2)" in page.execute_script(
        "return getComputedStyle(document.querySelector('.tile canvas')).filter"
    )


def test_a_click_shows_the_class(page, finished):
    choose(page, "sort", "number")
    members = read_members(sorted((finished.folder / "run/classes_02").glob("*.hdf")))
    for number in (2, 1):
        page.execute_script("document.querySelectorAll('.tile')[arguments[0]].click()", number)
        wait(lambda: page.execute_script("return document.querySelector('#details .members canvas')"))
        text = page.execute_script("return document.getElementById('details').innerText")
        assert f"Class #{number}" in text
        assert f"{(members['class'] == number).sum()} (" in text
        listed = re.search(r"Images ([\d, ]+) of the input", text)[1]
        rows = members["row"][members["class"] == number]
        assert set(map(int, listed.split(","))) <= set(rows.tolist())
        titles = page.execute_script(
            "return [...document.querySelectorAll('#details .gtitle')].map(t => t.textContent)"
        )
        assert len(titles) == 4 and "Defocus" in " ".join(titles) and "Fourier ring" in titles[0]
        assert page.execute_script("return document.querySelectorAll('#details .past canvas').length") == 2


def test_marks_by_mouse_and_keyboard_and_what_is_shown_of_them(page):
    choose(page, "sort", "number")
    page.execute_script("document.querySelectorAll('.tile')[0].click()")
    press(page, "kj")
    assert marks(page) == {0: "keep", 1: "junk"}
    page.execute_script("document.querySelectorAll('.tile button')[2].click()")
    assert marks(page) == {0: "keep", 1: "junk", 2: "keep"}
    assert page.execute_script("return document.getElementById('marked').textContent").startswith(
        "✓ 2 classes to keep"
    )
    choose(page, "show", "keep")
    assert shown(page) == [0, 2]
    choose(page, "show", "all")
    page.execute_script("document.querySelectorAll('.tile')[0].click()")
    press(page, "u")
    assert marks(page) == {1: "junk", 2: "keep"}


def test_keys_mark_after_a_slider_and_a_choice(page):
    choose(page, "sort", "number")
    page.execute_script("document.querySelectorAll('.tile')[0].click()")
    for control in ("contrast", "sort"):
        page.execute_script(
            "const c = document.getElementById(arguments[0]); c.focus(); c.dispatchEvent(new Event('change'))",
            control,
        )
        press(page, "k")
    assert marks(page) == {0: "keep", 1: "keep"}


def test_marks_are_there_when_the_page_is_opened_again(page):
    page.execute_script("document.querySelector('.tile[data-number=\"3\"]').click()")
    press(page, "k")
    page.refresh()
    wait(lambda: page.execute_script("return document.body?.dataset.ready"))
    assert marks(page) == {3: "keep"}


def test_the_suggestion_is_that_of_the_run(page, finished):
    page.execute_script("document.getElementById('suggest').click()")
    suggested = read_selection(finished.folder / "run/selection_suggested.yaml", 4)
    assert {k for k, mark in marks(page).items() if mark == "keep"} == set(suggested.keep)
    assert {k for k, mark in marks(page).items() if mark == "junk"} == set(suggested.junk)


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


def exported(page, folder):
    """The file that the page's button writes, with class 1 and 3 kept."""
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    for number in (1, 3):
        page.execute_script(f"document.querySelector('.tile[data-number=\"{number}\"]').click()")
        press(page, "k")
    page.execute_script("document.getElementById('export').click()")
    wait(lambda: (folder / "selection.yaml").exists())
    return folder / "selection.yaml"


def test_what_is_marked_is_selected_and_classified_again(page, continued):
    """From the page to a new run, with one line each."""
    project = continued
    assert read_selection(exported(page, project.folder), 4, "", 2).keep == (1, 3)
    printed = project.run("selection=selection.yaml", flags=("select",))
    folder = project.folder / "run/selected"
    members = read_members(sorted((project.folder / "run/classes_02").glob("*.hdf")))
    rows = np.sort(members["row"][np.isin(members["class"], [1, 3])])
    assert f"{len(rows)} particles of 2 classes: run/selected/particles.star" in printed
    before, after = (
        starfile.read(project.folder / "data/particles.star"),
        starfile.read(folder / "particles.star"),
    )
    assert before["optics"].equals(after["optics"])
    wanted = before["particles"].iloc[rows].reset_index(drop=True)
    names = [name for name in wanted if name != "rlnImageName"]
    assert wanted[names].equals(after["particles"][names])
    averages = open_source(str(folder / "classes.mrcs"))
    np.testing.assert_array_equal(
        averages.images([0, 1]), open_source(str(project.folder / "run/classes.mrcs")).images([1, 3])
    )
    project.run("input=run/selected/particles.star", "exclude=", "path=again", "iter=1", "ncls=2")
    state = json.loads((project.folder / "again/state_01.json").read_text())
    assert state["particles"] == len(rows)


def test_the_plain_command_selects_the_same(continued):
    project = continued
    (project.folder / "mine.yaml").write_text("iteration: 2\nkeep: [0]\n")
    script = ROOT / "workflow/scripts/select_classes.py"

    def command(*words):
        return subprocess.run(
            [sys.executable, script, *words], cwd=project.folder, capture_output=True, text=True
        )

    done = command("run", "mine.yaml", "--to", "chosen")
    assert done.returncode == 0, done.stderr
    project.run("selection=mine.yaml", flags=("select",))
    chosen, selected = (
        starfile.read(project.folder / f"{name}/particles.star") for name in ("chosen", "run/selected")
    )
    assert len(chosen["particles"]) == len(selected["particles"])
    (project.folder / "other.yaml").write_text("iteration: 1\nkeep: [0]\n")
    told = project.call("selection=other.yaml", flags=("select",))
    assert told.returncode == 1 and "other.yaml is about iteration 1" in told.stdout
    assert project.call("selection=other.yaml", flags=("-n",)).returncode == 0  # no step but select reads it
    assert starfile.read(project.folder / "run/selected/particles.star")["particles"].equals(
        selected["particles"]
    )
    assert command("run", "nothing.yaml").stderr.startswith("nothing.yaml is not a selection")
    assert command("data", "mine.yaml").stderr == "data holds no finished run.\n"


def test_a_selection_changes_nothing_else(finished):
    (finished.folder / "run/selection_suggested.yaml").read_text()
    assert finished.planned("selection=run/selection_suggested.yaml", "movie_classes=1") == {}


def test_a_movie_of_two_classes(continued):
    printed = continued.run("movie_classes=0,2", flags=("movie",))
    assert re.search(r"\d+ frames of \d+ to \d+ particles along a component", printed)
    gif, mp4 = (iio.imread(continued.folder / f"run/movie.{kind}") for kind in ("gif", "mp4"))
    assert len(mp4) == 8 * len(gif) and gif.shape[1] > 64
    assert np.abs(np.diff(gif.astype(int), axis=0)).mean((1, 2, 3)).min() > 0


def test_snakemakes_own_report_has_the_pictures_and_the_movie_that_is_asked_for(continued):
    continued.run("movie_classes=0,2", flags=("movie",))
    for targets, has_movie in ((), False), (("all", "movie"), True):
        continued.run("movie_classes=0,2", flags=(*targets, "--report", "snakemake.html"))
        text = (continued.folder / "snakemake.html").read_text()
        for part in ("classes.png", "curves.svg", "report.html", "Iterations", "Fourier ring correlation"):
            assert part in text
        for part in ("movie.gif", "sorted along the main component"):
            assert (part in text) == has_movie


def test_the_user_reads_forecast_times_and_where_the_report_is(finished):
    printed = finished.printed
    assert re.search(
        rf"Forecast for {SMALL.n} particles and 2 iterations on 2 cores: about [0-9a-z ]+ s, \d+ MB", printed
    )
    assert re.search(r"It took .* of memory in a job, \d+ MB on disk\.\nForecast: [0-9a-z ]+ s", printed)
    summary = rf"Iteration 1: {SMALL.n - 3} particles .* median resolution \d+\.\d A, in [0-9a-z ]+ s"
    assert re.search(summary + ", about [0-9a-z ]+ s for 1 more", printed)
    assert re.search(rf"Iteration 2: {SMALL.n - 3} particles aligned in [0-9a-z ]+ s, \d+ a second", printed)
    assert "The report, to open in a browser: run/report.html" in printed
    assert "were not present when the DAG was created" not in printed
