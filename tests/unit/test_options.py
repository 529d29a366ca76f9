"""Options: what is accepted, what is said of mistakes, and what is left to the program."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from refine2d import options
from refine2d.errors import UserError

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml").read_text())
DEFAULTS = {name: rule["default"] for name, rule in SCHEMA["properties"].items()}


def read(overlay=None, **config):
    return options.read(config, SCHEMA, overlay)


def mistakes(overlay=None, **config):
    with pytest.raises(UserError) as error:
        read(overlay, **config)
    return str(error.value).splitlines()


def test_nothing_given_means_the_defaults():
    assert read().base == DEFAULTS
    assert read(path=None, exclude="").base == DEFAULTS


@given(st.integers(2, 10000), st.booleans(), st.floats(0.01, 1))
def test_text_from_the_command_line_means_what_it_says(ncls, mirror, classkeep):
    as_text = read(ncls=str(ncls), mirror=str(mirror), classkeep=repr(classkeep)).base
    as_values = read(ncls=ncls, mirror=mirror, classkeep=classkeep).base
    assert as_text == as_values
    assert (as_values["ncls"], as_values["mirror"], as_values["classkeep"]) == (ncls, mirror, classkeep)


@pytest.mark.parametrize(
    ("name", "given", "meant"),
    [
        ("path", 12, "12"),
        ("subset", 1e4, 10000),
        ("subset", "1e4", 10000),
        ("maxshift", "auto", "auto"),
        ("maxshift", "3.5", 3.5),
        ("invert", "yes", True),
        ("mirror", "off", False),
        ("ctf", "flipped", "flipped"),
    ],
)
def test_values_are_understood(name, given, meant):
    found = read(**{name: given}).base[name]
    assert found == meant and type(found) is type(meant)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("ncls", "many", "ncls is many, but it must be a whole number from 2 to 10000."),
        ("ncls", 1, "ncls is 1, but it must be a whole number from 2 to 10000."),
        ("ncls", 2.5, "ncls is 2.5, but it must be a whole number from 2 to 10000."),
        ("ncls", True, "ncls is true, but it must be a whole number from 2 to 10000."),
        ("ncls", [4], "ncls is [4], but it must be a whole number from 2 to 10000."),
        ("iter", 100, "iter is 100, but it must be a whole number from 1 to 99."),
        ("classkeep", float("nan"), "classkeep is nan, but it must be a number above 0."),
        ("maxshift", "inf", "maxshift is inf, but it must be auto or a number above 0."),
        ("mirror", "maybe", "mirror is maybe, but it must be true or false."),
        ("mirror", 2, "mirror is 2, but it must be true or false."),
        ("ctf", "on", "ctf is on, but it must be one of auto, flipped, none, intact-first-peak."),
        ("shrink", 0, "shrink is 0, but it must be auto or a whole number of at least 1."),
        ("ncsl", 3, "There is no option 'ncsl': did you mean 'ncls'?"),
        ("NaliRef", 3, "There is no option 'NaliRef': did you mean 'naliref'?"),
        ("zzzzz", 3, "There is no option 'zzzzz'; config/README.md lists all of them."),
    ],
)
def test_a_mistake_is_one_sentence(name, given, said):
    assert mistakes(**{name: given}) == [said]


def test_all_mistakes_are_said_at_once(tmp_path):
    said = mistakes(
        ncls="x", nclss=3, classkeep=2, input=str(tmp_path / "no.mrcs"), exclude=str(tmp_path / "no.txt")
    )
    assert len(said) == 5
    assert sum("there is no such file" in sentence for sentence in said) == 2


def test_classkeep_above_one_needs_classkeepsig():
    assert "classkeepsig" in mistakes(classkeep=1.5)[0]
    assert read(classkeep=1.5, classkeepsig=True).base["classkeep"] == 1.5
    assert read(classkeep=1).base["classkeep"] == 1


@pytest.mark.parametrize("given", ["4", "0,4", "-1", "three", "0 three", ",", "²"])
def test_classes_of_a_movie_are_among_those_there_are(given):
    (sentence,) = mistakes(ncls=4, movie_classes=given)
    assert sentence.startswith("movie_classes names ") and "classes 0 to 3: give numbers, as in" in sentence
    for right in ("", "0", "3, 1"):
        assert read(ncls=4, movie_classes=right).base["movie_classes"] == right


def test_options_change_from_an_iteration_on(tmp_path):
    overlay = tmp_path / "options.yaml"
    overlay.write_text("- {from: 08, maxshift: 2}\n- {from: 3, maxshift: '4', mirror: false}\n")
    found = read(overlay, maxshift=6)
    assert [found.at(i)["maxshift"] for i in (0, 1, 2, 3, 7, 8, 9)] == [6, 6, 6, 4, 4, 2, 2]
    assert [found.at(i)["mirror"] for i in (2, 3, 9)] == [True, False, False]
    assert found.base["maxshift"] == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {from: 2, ncls: 7}", "entry 1: ncls holds for the whole run"),
        (
            "- {from: 2}\n- {from: 3, maxshft: 7}",
            "entry 2: There is no option 'maxshft': did you mean 'maxshift'?",
        ),
        ("- {maxshift: 7}", "entry 1: an entry must be a list of options with `from:`"),
        ("- {from: 0, maxshift: 7}", "entry 1: an entry must be"),
        ("- 3", "entry 1: an entry must be"),
        ("- {from: 2, maxshift: -1}", "entry 1: maxshift is -1, but it must be auto or a number above 0."),
        ("- {from: 2, classkeep: 3}", "classkeep is 3"),
        ("a: [", "is not YAML"),
    ],
)
def test_mistakes_in_the_changes_are_sentences(tmp_path, text, said):
    overlay = tmp_path / "options.yaml"
    overlay.write_text(text)
    (sentence,) = mistakes(overlay)
    assert said in sentence


@given(st.integers(8, 10**7), st.integers(24, 512), st.floats(0.3, 20), st.data())
def test_defaults_fit_any_particles(n, box, apix, data):
    ncls = data.draw(st.integers(2, min(10000, n // options.SMALLEST_CLASS)))
    values = options.resolve(read(ncls=ncls).base, n, box, apix)
    assert options.misfits(values, n, box, apix) == []
    assert 1 <= values["nbasis"] < ncls and values["naliref"] == ncls and values["minchange"] >= 1


@pytest.mark.parametrize(
    ("given", "n", "box", "said"),
    [
        ({"ncls": 26}, 100, 64, "ncls is 26, too many for 100 particles: give at most 25"),
        ({"mask_diameter": 129}, 1000, 64, "mask_diameter is 129 A, but the box is 128 A wide"),
        ({"mask_diameter": 21}, 1000, 64, "mask_diameter is 21 A, but at least 22 A, 8 pixels of the"),
        ({"mask_diameter": 63, "shrink": 4}, 1000, 128, "mask_diameter is 63 A, but at least 64 A"),
        ({"maxshift": 22}, 1000, 64, "maxshift is 22 pixels, but the box is 64"),
        ({"naliref": 33}, 1000, 64, "naliref is 33, but there are only 32 averages"),
        ({"simalign": "rotate_translate:maxshift=22"}, 1000, 64, "maxshift of simalign is too large"),
        ({}, 1000, 23, "box is 23 pixels, but at least 24"),
    ],
)
def test_options_that_do_not_fit_the_particles(given, n, box, said):
    values = options.resolve(read(**given).base, n, box, 2.0)
    (sentence,) = options.misfits(values, n, box, 2.0)
    assert said in sentence


@pytest.mark.parametrize(
    ("given", "tried"),
    [
        ({"ncls": 200}, 64),
        ({"ncls": 50}, 50),
        ({"ncls": 200, "naliref": 40}, 40),
        ({"ncls": 200, "naliref": 100, "nearrefs": 30}, 30),
        ({"ncls": 200, "naliref": 100, "nearrefs": 0}, 100),
        ({"ncls": 200, "nearrefs": 0}, 200),
    ],
)
def test_near_references_are_at_most_all(given, tried):
    assert options.resolve(read(**given).base, 10000, 64, 2.0)["nearrefs"] == tried


def test_what_is_given_is_not_resolved():
    given = {"maxshift": 3, "mask_diameter": 50, "nbasis": 5, "minchange": 0, "naliref": 7, "cs": 0}
    values = options.resolve(read(**given).base, 1000, 64, 2.0)
    assert {name: values[name] for name in given} == given
    assert values["voltage"] is None


@pytest.mark.parametrize("name", ["a\nb", "a\0b", "a{b}", "\x1b[2J", "<script>.mrcs"])
@pytest.mark.parametrize("option", ["input", "path", "exclude"])
def test_names_that_snakemake_or_a_table_would_take_for_something_else(option, name):
    (sentence,) = mistakes(**{option: name})
    assert sentence.startswith(f"{option} is {name!r}, but the name of a file or folder here cannot have")


def test_options_are_listed_with_the_iterations_that_they_hold_for(tmp_path):
    overlay = tmp_path / "options.yaml"
    overlay.write_text("- {from: 2, classkeep: 0.7}\n- {from: 3, maxshift: 5}\n- {from: 9, minchange: 1}\n")
    found = options.listed(read(overlay, iter=4), 4, n=1000, box=64, apix=2.0)
    assert found["classkeep"] == [(0, 1, 0.85), (2, 4, 0.7)]
    assert found["maxshift"] == [(0, 2, 8), (3, 4, 5)]
    assert found["mask_diameter"] == [(0, 4, pytest.approx(0.9 * 64 * 2))]
    assert found.keys() == DEFAULTS.keys()
    assert all(len(ranges) == 1 for name, ranges in found.items() if name not in ("classkeep", "maxshift"))
