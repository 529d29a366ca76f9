"""The shipped config, its table and the environments say the same as their sources."""

import re
from pathlib import Path

import yaml

from refine2d.options import markdown

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
RULES = {path.stem: path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")}


def test_the_config_has_every_option_with_its_default_in_the_schemas_order():
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    defaults = {name: rule["default"] for name, rule in SCHEMA["properties"].items()}
    assert list(config.items()) == list(defaults.items())


def test_the_config_says_what_each_option_means():
    text = re.sub(r"\n# ", " ", (ROOT / "config/config.yaml").read_text())
    for name, rule in SCHEMA["properties"].items():
        assert f"{' '.join(rule['description'].split())}\n{name}: " in text


def test_the_option_table_is_the_schemas():
    assert (ROOT / "config/README.md").read_text().endswith(markdown(SCHEMA))


def test_rules_take_options_and_scripts_that_exist():
    for text in RULES.values():
        for names in re.findall(r"opts\(\s*([^)]*)\)", text):
            assert {name for name in re.findall(r'"(\w+)"', names)} <= set(SCHEMA["properties"])
        for script in re.findall(r'"\.\./scripts/([^"]+)"', text):
            assert (ROOT / "workflow/scripts" / script).is_file()


def test_a_rule_is_digested_with_its_own_script():
    for text in RULES.values():
        for rule in re.split(r"\n\s*rule ", text)[1:]:
            assert re.search(r'code=code\("(\w+)"\)', rule)[1] == re.search(r"scripts/(\w+)\.py", rule)[1]


def test_every_option_is_used():
    used = set(re.findall(r'"(\w+)"', "".join(RULES.values())))
    elsewhere = {"input", "path", "shrink", "chunk", "iter", "resultmx"}  # by run.py and common.smk
    elsewhere |= {"nearrefs"}  # by references.py
    assert set(SCHEMA["properties"]) - elsewhere <= used


def pins(path, separator):
    rows = re.findall(rf"^\W*([\w.-]+){separator}([\w.]+)$", (ROOT / "envs" / path).read_text(), re.MULTILINE)
    return {name.lower(): version for name, version in rows}


def test_conda_has_the_same_pins():
    conda, pip = pins("refine2d.yaml", "="), pins("requirements.txt", "==")
    assert conda.pop("python") == "3.11"
    assert conda and conda.items() <= pip.items()


def test_every_requirement_is_pinned():
    for path in ("requirements.txt", "requirements-test.txt"):
        lines = [
            line for line in (ROOT / "envs" / path).read_text().splitlines() if line and line[0] not in "#-"
        ]
        assert len(pins(path, "==")) == len(lines) > 0
