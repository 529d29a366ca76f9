"""A small project, and a finished run in it."""

import pytest
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
