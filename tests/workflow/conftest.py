"""A small project, a finished run in it, and its report in a browser."""

import shutil

import pytest
from browsing import FLAGS, wait
from small_project import Project, write_particles


@pytest.fixture(scope="session")
def particles(tmp_path_factory) -> Project:
    """A project without a run."""
    folder = tmp_path_factory.mktemp("project")
    write_particles(folder / "data")
    return Project(folder)


@pytest.fixture(scope="session")
def finished(particles, tmp_path_factory) -> Project:
    """A project with a finished run of two iterations, not to be changed; what it printed is in `printed`."""
    project = particles.copy(tmp_path_factory.mktemp("finished") / "project")
    project.printed = project.run()
    return project


@pytest.fixture
def continued(finished, tmp_path) -> Project:
    """A copy of the finished project, to go on with."""
    return finished.copy(tmp_path / "project")


@pytest.fixture(scope="session")
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
