"""The CTF against its formula, its zeros and its symmetries."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refine2d import fourier
from refine2d.ctf import CtfTable, ctf, ring_power, wavelength

BOX, APIX = 24, 4.0


def table(defocus_u=15000, defocus_v=15000, angle=0, phase=0, voltage=300, cs=2.7, ac=0.1):
    return CtfTable(defocus_u, defocus_v, angle, phase, voltage, cs, ac)


parameters = st.tuples(
    st.floats(3000, 40000),
    st.floats(3000, 40000),
    st.floats(-180, 180),
    st.floats(0, 180),
    st.sampled_from([80, 120, 200, 300]),
    st.floats(0, 5),
    st.floats(0, 0.5),
)


@given(parameters, st.sampled_from([BOX, BOX + 1]))
@settings(max_examples=20, deadline=None)
def test_ctf_equals_its_naive_twin(values, box):
    image = ctf(table(*values), box, APIX)[0]
    for ky in range(-(box // 2) + 1, box // 2, 3):
        for kx in range(0, box // 2, 2):
            sx, sy = kx / (box * APIX), ky / (box * APIX)
            assert image[ky, kx] == pytest.approx(naive.ctf(*values, sx, sy), abs=1e-4)


def test_zeros_lie_where_the_defocus_puts_them():
    defocus, k = 20000, 10
    for order in (1, 2, 3):
        frequency = np.sqrt(order / (wavelength(300) * defocus))
        apix = k / (128 * frequency)
        row = ctf(table(defocus, defocus, cs=0, ac=0), 128, apix)[0, 0]
        assert abs(row[k]) < 1e-4
        assert row[k - 1] * row[k + 1] < 0
        assert np.count_nonzero(np.diff(np.sign(row[1:k]))) == order - 1


def test_bright_protein_is_positive_at_low_frequency():
    c = ctf(table(), BOX, APIX)[0]
    assert c[0, 0] == pytest.approx(0.1)
    assert c[0, 1] > 0


def test_defocus_u_lies_along_its_angle():
    u, v = (ctf(table(d, d), BOX, APIX)[0] for d in (22000, 12000))
    along_x, along_y = (ctf(table(22000, 12000, a), BOX, APIX)[0] for a in (0, 90))
    assert np.allclose(along_x[0], u[0], atol=1e-5)
    assert np.allclose(along_x[:, 0], v[:, 0], atol=1e-5)
    assert np.allclose(along_y[0], v[0], atol=1e-5)
    diagonal = ctf(table(22000, 12000, 45), BOX, APIX)[0]
    for k in range(1, BOX // 2):
        assert diagonal[k, k] == pytest.approx(u[k, k], abs=1e-4)
        assert diagonal[-k, k] == pytest.approx(v[-k, k], abs=1e-4)


@given(st.floats(5000, 30000), st.floats(5000, 30000), st.floats(0, 180))
@settings(deadline=None)
def test_swapped_axes_are_the_same_astigmatism(u, v, angle):
    assert np.allclose(ctf(table(u, v, angle), BOX, APIX), ctf(table(v, u, angle + 90), BOX, APIX), atol=1e-4)


def test_a_quarter_wave_of_phase_swaps_sine_and_cosine():
    sine = ctf(table(ac=0), BOX, APIX)
    cosine = ctf(table(ac=0, phase=90), BOX, APIX)
    assert np.allclose(sine**2 + cosine**2, 1, atol=1e-5)


def test_pixel_size_may_differ_between_particles():
    both = ctf(table([15000, 15000]), BOX, np.array([4.0, 5.0]))
    assert np.array_equal(both[0], ctf(table(), BOX, 4.0)[0])
    assert np.array_equal(both[1], ctf(table(), BOX, 5.0)[0])


def test_modes():
    plain = ctf(table(), BOX, APIX)
    assert np.array_equal(ctf(table(), BOX, APIX, "flipped"), np.abs(plain))
    assert np.all(ctf(table(), BOX, APIX, "none") == 1)
    with pytest.raises(ValueError, match="unknown ctf mode"):
        ctf(table(), BOX, APIX, "wrong")


@pytest.mark.parametrize(
    ("values", "apix"),
    [
        ((16000, 11000, 30, 0, 300, 2.7, 0.1), 3.0),
        ((16000, 11000, 30, 40, 300, 2.7, 0.1), 3.0),
        ((800, 700, 30, 0, 300, 5.0, 0.1), 1.0),  # Cs turns the phase back before a quarter wave
    ],
)
def test_intact_first_peak_is_one_up_to_the_first_maximum_of_each_direction(values, apix):
    box = 64
    plain, intact = ctf(table(*values), box, apix)[0], ctf(table(*values), box, apix, "intact-first-peak")[0]
    for kx, ky in [(1, 0), (0, 1), (1, 1), (1, -1), (2, 1)]:
        fine = np.arange(0, box // 2 / max(kx, abs(ky)), 0.01)
        curve = [abs(naive.ctf(*values, kx * t / (box * apix), ky * t / (box * apix))) for t in fine]
        peak = fine[np.flatnonzero(np.diff(curve) < 0)[0]]
        for step in range(1, int(fine[-1])):
            got = intact[ky * step, kx * step]
            assert got == (1 if step <= peak else plain[ky * step, kx * step])


def test_ring_power_is_the_ring_mean_of_the_square():
    c = ctf(table([15000, 20000], [12000, 20000], 20), BOX, APIX)
    assert np.allclose(ring_power(c), fourier.ring_mean(c**2, BOX), rtol=1e-5)


def test_tables_take_rows():
    several = table([1, 2, 3])
    assert len(several) == 3
    assert several[[2, 0]].defocus_u.tolist() == [3, 1]
    assert several[np.array([False, True, False])].voltage.tolist() == [300]
