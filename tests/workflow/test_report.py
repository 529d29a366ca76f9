"""The report as a person uses it, in a browser."""

import json
import re
import subprocess
import time

import naive
import numpy as np
import pytest
from browsing import choose, marks, press, shown, wait
from small_project import SMALL

from refine2d.percent import percent
from refine2d.report.collect import SCORE
from refine2d.selection import read_selection
from refine2d.tables import read_classmx, read_members


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
    was, now = (read_classmx(finished.folder / f"run/classmx_{yy}.hdf", 1.0)[0] for yy in ("01", "02"))
    before = json.loads((finished.folder / "run/state_01.json").read_text())["sizes"]
    pixels = "const c = document.querySelector('.tile canvas'); return c.toDataURL()"
    last = page.execute_script(pixels)
    choose(page, "iteration", 0)
    assert page.execute_script(sizes) == [before[k] for k in naive.origins(was, now, 4)]
    assert page.execute_script(pixels) != last
    press(page, "]")
    assert page.execute_script(sizes) == state["sizes"] and page.execute_script(pixels) == last


def test_at_an_earlier_iteration_the_page_says_what_marks_hold_for(page):
    note = "return document.getElementById('earlier').innerText"
    choose(page, "iteration", 0)
    assert page.execute_script(note) == "Marks hold for the classes of iteration 2 in the same places."
    press(page, "k")
    title = page.execute_script("return document.querySelector('#details h2').innerText")
    assert title.endswith(", iteration 2") and len(marks(page)) == 1
    press(page, "]")
    assert page.execute_script(note) == ""


@pytest.mark.parametrize(
    ("times", "shown"),
    [
        (
            [{"step": "allrefs", "jobs": 2, "seconds": 90.0, "cpu": 0.5, "memory": 60.4}],
            ["step jobs time of all CPU time most memory", "allrefs 2 1.5 min 0.5 s 60 MB"],
        ),
        ([], []),
    ],
)
def test_what_each_step_took(browser, finished, tmp_path, times, shown):
    text = (finished.folder / "run/report.html").read_text()
    (tmp_path / "a.html").write_text(re.sub(r'(?<=id="times">).*?(?=</script>)', json.dumps(times), text))
    browser.get((tmp_path / "a.html").as_uri())
    wait(lambda: browser.execute_script("return document.body?.dataset.ready"))
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#facts > div:last-child tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText).join(' '))"
    )
    assert rows == shown
    block = browser.execute_script("return document.querySelector('#facts > div:last-child').innerText")
    assert ("No job's log tells." in block) == (not times)


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
        assert text.startswith(f"Class #{number}, iteration 2\n")
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
