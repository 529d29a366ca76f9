"""The report as one HTML file: data, pictures, styles and scripts in it."""

import importlib.util
import json
import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from refine2d.files import atomic
from refine2d.report.collect import Report

HERE = Path(__file__).parent


def write_page(path: str | os.PathLike, report: Report, times: list[dict]) -> None:
    """Write the page.

    The same report gives the same bytes but for the line that holds the times.

    Parameters
    ----------
    path : path
    report : Report
    times : list of dict
        From `times.read_times`.
    """
    environment = Environment(loader=FileSystemLoader(HERE), undefined=StrictUndefined, autoescape=True)
    page = environment.get_template("page.html.j2").render(
        title=report.title,
        style=(HERE / "page.css").read_text(),
        script=(HERE / "page.js").read_text(),
        plotly=plotly().read_text(),
        data=embedded(report.json()),
        times=embedded(times),
    )
    with atomic(path) as temporary:
        temporary.write_text(page)


def embedded(value) -> str:
    """JSON that may stand in a script element."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).replace("<", "\\u003c")


def plotly() -> Path:
    """The plotting library for browsers, without importing the package that brings it."""
    (folder,) = importlib.util.find_spec("plotly").submodule_search_locations
    return Path(folder) / "package_data" / "plotly.min.js"
