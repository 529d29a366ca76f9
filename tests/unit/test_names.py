"""Names with parameters: what is known, what is said of what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refine2d import averagers, comparators, extent, names, normalizers
from refine2d.centering import METHODS as CENTRINGS
from refine2d.errors import UserError


@pytest.mark.parametrize(
    ("option", "text", "name", "params", "idle"),
    [
        ("simcmp", "ccc", "ccc", {}, ()),
        ("simcmp", "frc:nweight=1:maxres=12", "frc", {"nweight": True, "maxres": 12.0}, ()),
        ("simcmp", "dot:normalize=0:negative=1", "dot", {"normalize": False}, ()),
        ("simcmp", "phase:zeromask=1:snrfn=1", "phase", {"zeromask": True}, ("snrfn",)),
        ("classalign", "rotate_translate_flip:maxshift=5", "rotate_translate_flip", {"maxshift": 5.0}, ()),
        ("simralign", "refine:maxiter=3:precision=.1", "refine", {"maxiter": 3}, ("precision",)),
        ("simralign", "None", "none", {}, ()),
        (
            "simalign",
            "rotational_iterative:r1=4:maxres=20",
            "rotational_iterative",
            {"maxres": 20.0},
            ("r1",),
        ),
        ("simalign", "rotational_bispec:size=32", "rotational_bispec", {}, ("size",)),
        ("classalign", "rotate_flip_iterative:r2=20", "rotate_flip_iterative", {}, ("r2",)),
        ("classalign", "rotate_translate_resample:r1=2", "rotate_translate_resample", {}, ("r1",)),
        (
            "classalign",
            "rotate_translate_flip_resample:maxshift=3",
            "rotate_translate_flip_resample",
            {"maxshift": 3.0},
            (),
        ),
        ("classaverager", "minmax:max=true", "minmax", {"max": True}, ()),
        ("center", "xform.centerofmass:threshold=-1.5", "xform.centerofmass", {"threshold": -1.5}, ()),
        ("classnormproc", "normalize.circlemean:radius=20", "normalize.circlemean", {"radius": 20.0}, ()),
    ],
)
def test_a_name_and_its_parameters(option, text, name, params, idle):
    assert names.parse(option, text) == names.Named(name, params, idle)


@pytest.mark.parametrize(
    ("option", "text", "said"),
    [
        ("simcmp", "fcr", "simcmp is 'fcr', but there is no such comparator: the nearest is frc."),
        ("simcmp", "", "simcmp is '', but there is no such comparator: the nearest are ccc, dot, frc"),
        ("classaverager", "meen", "no such averager: the nearest are mean"),
        ("simcmp", "frc:minress=3", "simcmp: frc has no parameter 'minress': the nearest are minres"),
        ("simcmp", "ml:snr=3", "simcmp: ml has no parameter 'snr': it has none."),
        ("simcmp", "frc:minres", "parameter 'minres' of frc has no value: write minres=..."),
        ("simcmp", "frc:minres=low", "minres of frc is 'low', but it must be a number."),
        ("simcmp", "frc:minres=inf", "minres of frc is 'inf', but it must be a number."),
        ("simcmp", "frc:nweight=2", "nweight of frc is '2', but it must be 0 or 1."),
        ("simralign", "refine:maxiter=2.5", "maxiter of refine is '2.5', but it must be a whole number."),
        (
            "simalign",
            "rtf_slow_exhaustive:transtep=0",
            "transtep of rtf_slow_exhaustive is 0, but it must be at least 0.5",
        ),
        ("simcmp", "ccc:negative=0", "negative=0 would make the least alike of ccc the best: leave it out."),
        (
            "classcmp",
            "dot:mask=mask.hdf",
            "mask of dot is an image in EMAN2, which no option can hold: mask_dia",
        ),
        (
            "simalign",
            "rotate_translate_resample:tx=4",
            "tx of rotate_translate_resample is a shift along one axis in",
        ),
        (
            "simcmp",
            "vertical",
            "simcmp is 'vertical', which EMAN2 has and this program does not: use ccc instead.",
        ),
        ("classcmp", "frc.freq", "which EMAN2 has and this program does not: use frc instead."),
        ("classnormproc", "normalize.bymass:mass=5", "and this program does not: use normalize instead."),
        ("classaverager", "mean.tomo", "which EMAN2 has and this program does not: use mean instead."),
        ("classaverager", "absmaxmin", "which EMAN2 has and this program does not: use minmax instead."),
        ("classalign", "scale", "this program does not: use rotate_translate_scale instead."),
        ("simalign", "symalign", "this program does not: use rotate_translate_flip instead."),
        ("simralign", "refine:maxiter=-1", "maxiter of refine is -1, but it must be at least 1."),
        ("simalign", "refine", "name it in simralign or classralign."),
        ("simalign", "rotate_translate_scale:min=1.1", "are 1.1 and 1.05, but they must be from 0.5 to 2"),
        (
            "simalign",
            "rotate_translate_scale:max=3",
            "are 0.95 and 3, but they must be from 0.5 to 2, min first.",
        ),
        ("simalign", "rotate_trans_scale_iter:step=0", "is 0, but it must take 1 to 100 steps"),
        ("simalign", "rotate_trans_flip_scale:step=0.0001", "is 0.0001, but it must take 1 to 100 steps"),
        ("simalign", "rotate_translate_flip_scale", "the nearest are rotate_trans_flip_scale"),
        ("simralign", "rotate_translate", "one that refines is needed: refine, refinecg or none."),
    ],
)
def test_a_mistake_is_one_sentence_with_the_nearest(option, text, said):
    with pytest.raises(UserError) as error:
        names.parse(option, text)
    assert said in str(error.value) and "\n" not in str(error.value)


@given(st.sampled_from(sorted(names.OPTIONS)), st.text(alphabet="abcfr:=_.01- ", max_size=30))
def test_any_text_is_parsed_or_answered(option, text):
    try:
        assert names.parse(option, text).name in names.KINDS[names.OPTIONS[option]]
    except UserError as error:
        assert option in str(error)


def test_every_name_of_the_tables_means_something():
    assert set(extent.SETTINGS) == set(names.ALIGNERS)
    assert {*comparators.DOT, *comparators.PAIRS} == set(names.COMPARATORS)
    assert {*averagers.FINISH, *averagers.OF_IMAGES} == set(names.AVERAGERS)
    assert {"none", "normalize.toimage", *normalizers.METHODS} == set(names.NORMALIZERS)
    assert {"nocenter", "xform.center", *CENTRINGS} == set(names.CENTRINGS)


def test_what_has_no_effect_is_said():
    values = {option: "none" if "ralign" in option or "norm" in option else "" for option in names.OPTIONS}
    values |= dict.fromkeys(("simalign", "classalign"), "rotate_translate")
    values |= {option: "ccc" for option in names.OPTIONS if option.endswith("cmp")}
    values |= {"classaverager": "mean", "center": "nocenter", "simalign": "rotational:rfp_mode=1:zscore=1"}
    assert names.without_effect(values) == ["simalign: rfp_mode, zscore of rotational have no effect here."]
