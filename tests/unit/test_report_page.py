"""What the page is made of: classes followed through iterations, flows, small pictures, times, data in HTML."""

import io
import json
import re
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from refine2d import forecast, normalize, usage
from refine2d.ctf import CtfTable
from refine2d.files import write_json
from refine2d.percent import counted, percent
from refine2d.report import page, sprites
from refine2d.report.collect import SCORE, left_out, meaning_of_score, optics, standing, through
from refine2d.report.curves import draw_curves
from refine2d.report.history import Iteration, flows, read_history
from refine2d.report.sheet import draw_sheet
from refine2d.report.times import read_times
from refine2d.stacks.hdf import write_hdf
from refine2d.tables import write_classmx
from refine2d.transforms import alignment

K, N, BOX = 3, 60, 24
ORDERS = {1: [2, 0, 1], 2: [1, 2, 0], 3: [0, 2, 1]}  # which class before each class comes from
BRIGHT = {3: [10, 20, 30]}  # of the classes; those before follow from the orders
BRIGHT[2] = [BRIGHT[3][ORDERS[3].index(k)] for k in range(K)]
BRIGHT[1] = [BRIGHT[2][ORDERS[2].index(k)] for k in range(K)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of three iterations in which every particle stays in its class while the numbers change."""
    folder = tmp_path_factory.mktemp("run")
    kind = np.repeat([10, 20, 30], [10, 20, 30])
    for number, bright in BRIGHT.items():
        labels = np.array([bright.index(value) for value in kind])
        labels[0] = -1
        images = [np.full((BOX, BOX), value, np.float32) for value in bright]
        frc = np.r_[np.ones(8), np.zeros(BOX // 2 - 7)].astype(np.float32)
        header = {"apix_x": 4.0, "frc": frc, "class_ptcl_qual": -5.0}
        write_hdf(folder / f"classes_{number:02d}.hdf", images, [header] * K)
        write_classmx(folder / f"classmx_{number:02d}.hdf", labels, np.ones(N), alignment(np.zeros(N)), 1.0)
        sizes = np.bincount(labels[1:], minlength=K).tolist()
        state = {"iteration": number, "particles": N - 1, "changed": 6, "sizes": sizes, "converged": False}
        write_json(folder / f"state_{number:02d}.json", state)
    return folder


def test_classes_are_followed_from_the_last_iteration_back(folder):
    history = read_history(folder, 3)
    assert [each.number for each in history] == [1, 2, 3]
    for each in history:
        assert each.averages[:, 0, 0].tolist() == BRIGHT[3]
        assert each.sizes.tolist() == [9, 20, 30]
        np.testing.assert_allclose(each.resolution, history[-1].resolution)
    assert history[0].resolution == pytest.approx([BOX * 4 / 7.857] * 3, rel=1e-3)
    assert history[0].score.tolist() == [5, 5, 5]


def test_iterations_copied_after_the_end_are_left_out(folder):
    state = json.loads((folder / "state_02.json").read_text())
    copied = json.loads((folder / "state_03.json").read_text())
    write_json(folder / "state_03.json", state)
    try:
        assert [each.number for each in read_history(folder, 3)] == [1, 2]
    finally:
        write_json(folder / "state_03.json", copied)


def test_particles_that_stay_flow_into_their_own_class(folder):
    for flow in flows(read_history(folder, 3)):
        assert sorted(flow.tolist()) == [[0, 0, 9], [1, 1, 20], [2, 2, 30]]


def one(number, labels, track):
    return Iteration(number, None, {}, labels, [], np.array(track))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 10**6]))
def test_flows_are_counts_of_pairs_and_the_largest_are_told(seed, most):
    rng = np.random.default_rng(seed)
    before, now = (one(i, rng.integers(-1, 5, 300), rng.permutation(5)) for i in (1, 2))
    (found,) = flows([before, now], most)
    expected = np.zeros((5, 5), int)
    for a, b in zip(before.labels, now.labels, strict=True):
        if a >= 0 and b >= 0:
            expected[before.track[a], now.track[b]] += 1
    for a, b, count in found:
        assert expected[a, b] == count
    shown = {(a, b) for a, b, _ in found}
    for k in range(5):
        for largest in (expected[k].max(), expected[:, k].max()):
            assert any(expected[pair] == largest for pair in shown if k in pair)


def test_entropy_is_one_for_classes_of_one_size_and_less_otherwise():
    even, uneven = (
        Iteration(1, None, {"sizes": s}, None, [], np.arange(4)) for s in ([5] * 4, [17, 1, 1, 1])
    )
    assert even.entropy == pytest.approx(1)
    assert 0 < uneven.entropy < 0.6


@given(st.integers(1, 30), st.integers(1, 7))
def test_a_tile_lies_at_its_place_in_the_sheet(n, columns):
    tiles = np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)
    sheet = sprites.sheet(tiles, columns)
    for k in range(n):
        row, column = divmod(k, columns)
        assert (sheet[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] == k).all()


def test_greys_use_their_range_whatever_the_scale():
    image = np.random.default_rng(0).normal(size=(2, 32, 32)).astype(np.float32)
    image[1] *= 100
    one, two = sprites.greys(image, 32), sprites.greys(5 * image - 3, 32)
    np.testing.assert_allclose(one.astype(int), two.astype(int), atol=1)
    assert one.min() == 0 and one.max() == 255
    assert np.ptp(sprites.greys(image, 32, together=True)[0]) < 30
    assert sprites.greys(image, 16).shape == (2, 16, 16) and sprites.greys(image, 64).shape == (2, 32, 32)
    assert (sprites.greys(np.zeros((1, 32, 32)), 32) == 128).all()


def test_pictures_are_webp_and_have_the_same_bytes_each_time():
    picture = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    data = sprites.webp(picture)
    assert data == sprites.webp(picture)
    again = np.asarray(Image.open(io.BytesIO(data)).convert("L"), int)
    assert np.abs(again - picture).mean() < 3


def test_the_first_setting_within_the_budget_is_taken():
    assert sprites.largest([9, 5, 3], float, 5) == 5
    assert sprites.largest([9, 5, 3], float, 1) == 3


@pytest.mark.parametrize(
    ("ranges", "shown"),
    [
        ([(0, 8, "auto")], "auto"),
        ([(0, 8, True)], "true"),
        ([(0, 8, 4.0)], "4"),
        ([(0, 8, None)], ""),
        ([(0, 2, 0.85), (3, 8, 0.7)], "0.85 (start to 2), 0.7 (3 to 8)"),
        ([(0, 0, 3), (1, 1, 4), (2, 2, 5)], "3 (start), 4 (1), 5 (2)"),
    ],
)
def test_an_option_is_shown_with_the_iterations_of_its_values(ranges, shown):
    assert through(ranges) == shown


def test_optics_are_those_of_the_particles_that_take_part():
    table = CtfTable(10000, 10000, 0, 0, [200, 300, 300], [np.nan, 2.7, 2.7], 0.1)
    store = SimpleNamespace(ctf=table, used=np.array([True, True, True]))
    assert optics(3.54, store)["voltage"] == "200 to 300"
    store.used[0] = False
    assert optics(3.54, store) == {"apix": "3.54", "voltage": "300", "cs": "2.7", "ac": "0.1"}
    store.ctf = None
    assert optics(4.0, store) == {"apix": "4"} | dict.fromkeys(("voltage", "cs", "ac"), "no CTF")


def listed(subset=0, exclude=""):
    return {"subset": [(0, 8, subset)], "exclude": [(0, 8, exclude)]}


def test_images_that_take_no_part_are_counted():
    store = SimpleNamespace(
        number=np.arange(5), bad=np.array([0, normalize.CONSTANT, 0, 0, 0]), gain=np.ones(5)
    )
    constant = {"reason": "the same value everywhere", "count": 1, "numbers": [1]}
    assert left_out(store, 5, listed()) == [constant]
    store.number = np.array([1, 3, 5, 7, 9])
    others = {"reason": "not taken (subset=5)", "count": 5, "numbers": [0, 2, 4, 6, 8]}
    assert left_out(store, 10, listed(5)) == [constant | {"numbers": [3]}, others]
    (_, others) = left_out(store, 10, listed(5, "dust.txt"))
    assert others["reason"] == "excluded by the user, or not taken (subset=5)" and others["count"] == 5


def test_images_that_are_weakened_are_told():
    store = SimpleNamespace(number=np.arange(3), bad=np.zeros(3), gain=np.array([1, 0.1, 1]))
    (weakened,) = left_out(store, 3, listed())
    assert weakened["numbers"] == [1] and "weakened" in weakened["reason"]


def test_the_score_is_that_of_the_comparator_that_ranks_members():
    assert meaning_of_score("ml") == SCORE
    assert "the comparator dot:normalize=1" in meaning_of_score("dot:normalize=1")


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (103, 2000, "5.2 %"),
        (1, 16, "6.3 %"),
        (1, 3, "33.3 %"),
        (0, 0, "0.0 %"),
        (np.int64(5), np.int64(5), "100.0 %"),
    ],
)
def test_shares_have_one_decimal_and_halves_go_up(part, whole, shown):
    assert percent(part, whole) == shown


def test_one_is_no_plural():
    assert [counted(n, "class") for n in (1, 2)] == ["1 class", "2 classes"]
    assert [counted(n, "core") for n in (0, 1, 1500)] == ["0 cores", "1 core", "1,500 cores"]


def test_where_a_run_stands():
    assert standing(1, 4, False) == "after iteration 1 of 4"
    assert standing(3, 4, True) == "converged after iteration 3 of 4"


def test_times_are_summed_by_step(tmp_path):
    for name, used in {
        "simmx_01_00": ("simmx_piece", 2, 1.5, 100),
        "simmx_02_01": ("simmx_piece", 3, 1.5, 300),
        "classmx_00": ("classmx_00", 1, 0.5, 20),
        "classmx_01": ("classmx", 4, 2, 50),
    }.items():
        (tmp_path / "logs").mkdir(exist_ok=True)
        (tmp_path / f"logs/{name}.log").write_text(f"a line\n{usage.SENTENCE.format(*used)}\nmade with\n")
    assert read_times(tmp_path) == [
        {"step": "simmx_piece", "jobs": 2, "seconds": 5.0, "cpu": 3.0, "memory": 300.0},
        {"step": "classmx", "jobs": 1, "seconds": 4.0, "cpu": 2.0, "memory": 50.0},
        {"step": "classmx_00", "jobs": 1, "seconds": 1.0, "cpu": 0.5, "memory": 20.0},
    ]


@pytest.mark.parametrize(
    "left", [b"", b"Stopped; the same command goes on from here.\n", b"classes: 1", b"\xff"]
)
def test_a_job_that_has_not_ended_is_not_counted(tmp_path, left):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/classes_01.log").write_bytes(left)
    assert read_times(tmp_path) == []


@given(st.text())
def test_data_in_a_page_cannot_end_their_element_and_come_back(text):
    embedded = page.embedded({"title": text, "bad": "</script><!--"})
    assert "<" not in embedded
    assert json.loads(embedded) == {"title": text, "bad": "</script><!--"}


def test_the_page_loads_nothing_from_elsewhere():
    parts = [(page.HERE / name).read_text() for name in ("page.html.j2", "page.css", "page.js")]
    assert not re.search(
        r"https?://|@import|fetch\(|XMLHttpRequest|<(script|img|link)[^>]*(src|href)=\"[^d#]", "".join(parts)
    )
    assert "</script" not in page.plotly().read_text()


def test_curves_have_the_same_bytes_each_time_and_no_date(folder, tmp_path):
    history = read_history(folder, 3)
    for name in ("a", "b"):
        draw_curves(history, [tmp_path / f"{name}.svg", tmp_path / f"{name}.pdf"])
    for kind in ("svg", "pdf"):
        data = (tmp_path / f"a.{kind}").read_bytes()
        assert data == (tmp_path / f"b.{kind}").read_bytes()
        assert not re.search(rb"20\d\d-\d\d-\d\d|D:20\d\d", data)
    assert b"Resolution" in (tmp_path / "a.svg").read_bytes() or b"<path" in (tmp_path / "a.svg").read_bytes()


def test_the_sheet_for_paper_has_as_many_pages_as_it_needs(tmp_path):
    averages = np.random.default_rng(0).normal(size=(81, 24, 24)).astype(np.float32)
    for name in ("a.pdf", "b.pdf"):
        draw_sheet(averages, np.arange(81), 4.0, tmp_path / name)
    data = (tmp_path / "a.pdf").read_bytes()
    assert data == (tmp_path / "b.pdf").read_bytes()
    assert len(re.findall(rb"/Type /Page\b", data)) == 2 and b"CreationDate" not in data


def run(**other):
    sizes = {"n": 5000, "n_input": 5000, "box": 64, "working_box": 64, "chunks": 2, "files": ()}
    return SimpleNamespace(**sizes | other)


ALIGNERS = dict.fromkeys(("simalign", "classalign"), "rotate_translate_flip")
OPTIONS = {"ncls": 50, "naliref": 50, "nearrefs": 50, "nbasis": 49, "iter": 8, "initial": "", **ALIGNERS}


def test_a_forecast_grows_with_the_work_and_shrinks_with_cores():
    def seconds(iterations=8, cores=2, slowness=1.0, options=OPTIONS, **other):
        return forecast.forecast(run(**other), options, iterations, cores, slowness).seconds

    base = seconds()
    assert base / 2 < seconds(cores=4) < base  # jobs that wait for each other stay
    assert seconds(n=10**7, cores=4) == pytest.approx(seconds(n=10**7) / 2, rel=0.01)
    assert seconds(iterations=2) < base < seconds(n=10000) < seconds(n=10000, working_box=128)
    assert seconds(slowness=2.0) == pytest.approx(2 * base)
    table = {"n_input": 10**6, "files": ("stack.mrcs",)}  # a table that each of the reading jobs opens
    assert base < seconds(**table) < seconds(**table, chunks=20)
    assert seconds(options=OPTIONS | {"simalign": "rotate_translate_scale"}) > base
    many = OPTIONS | {"ncls": 200, "naliref": 200, "nearrefs": 200}
    assert seconds(options=many) > 2 * base
    near = many | {"nearrefs": 32}
    assert seconds(options=many) > seconds(options=near) > base
    every, some = (
        [seconds(left, options=choice) - seconds(left - 1, options=choice) for left in (5, 4, 3)]
        for choice in (many, near)
    )
    assert every[0] > some[0] and every[2] > some[2]
    assert every[1] == pytest.approx(some[1])  # the fifth of eight tries all


def test_a_forecast_has_the_start_where_no_iteration_is_done_and_averages_are_not_given():
    def seconds(iterations, initial=""):
        return forecast.forecast(run(), OPTIONS | {"initial": initial}, iterations, 2, 1.0).seconds

    iteration = seconds(7) - seconds(6)
    assert seconds(8) - seconds(7) > 1.5 * iteration
    assert seconds(8, "averages.mrcs") - seconds(7) == pytest.approx(iteration)


def test_a_forecast_has_the_compilation_of_kernels_where_there_are_none(tmp_path, monkeypatch):
    def seconds():
        return forecast.forecast(run(), OPTIONS, 8, 2, 1.0).seconds

    monkeypatch.setattr(forecast, "KERNELS", tmp_path)
    without = seconds()
    (tmp_path / "kernel.nbi").touch()
    assert without - seconds() == pytest.approx(forecast.COMPILATION)


def test_a_forecast_counts_the_particles_on_disk():
    disk = forecast.forecast(run(n=10**6, chunks=245), OPTIONS, 8, 2, 1.0).disk
    assert disk > 10**6 * 4 * 64**2 / 1e6


def test_the_truth_is_the_largest_job_and_the_folder(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/file").write_bytes(bytes(3_000_000))
    found = forecast.truth(tmp_path, 75.4)
    assert (found.seconds, found.memory, found.disk) == (75.4, 0.0, 3.0)
    assert str(found) == "1 min 15 s, 0 MB of memory in a job, 3 MB on disk"
    assert forecast.size(2500) == "2.5 GB"


def test_a_core_is_as_slow_as_its_transforms(monkeypatch):
    found, rfft2 = forecast.measured_slowness(), np.fft.rfft2

    def slowed(images, out):
        time.sleep(1e-3)
        return rfft2(images, out=out)

    monkeypatch.setattr(np.fft, "rfft2", slowed)
    assert forecast.measured_slowness() > found + 1e-3 / 4 / forecast.REFERENCE * 0.9
