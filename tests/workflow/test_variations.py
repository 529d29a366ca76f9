"""The same bytes with any number of cores and chunks, on a small stack and on real particles."""

import pytest
from small_project import Project

from refine2d.difference import compare


@pytest.mark.parametrize(("cores", "chunk"), [(16, 64), (4, 0)])
def test_cores_and_chunks(particles, finished, tmp_path, cores, chunk):
    project = particles.copy(tmp_path / "project")
    project.run(f"chunk={chunk}", cores=cores)
    same, different, alone = compare(finished.folder / "run", project.folder / "run")
    assert (different, alone) == ([], [])
    assert len(same) > 25


def test_real_particles_in_one_chunk_or_sixteen(shared, tmp_path):
    stack = shared / "bgal/particles.mrcs"
    if not stack.is_file():
        pytest.skip("the beta-galactosidase particles are not here")
    options = ("input=particles.mrcs", "exclude=", "apix=3.54", "ctf=none", "subset=1000", "ncls=8", "iter=1")
    for name, chunk, cores in (("few", 0, 1), ("many", 64, 16)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "particles.mrcs").symlink_to(stack)
        Project(tmp_path / name).run(*options, f"chunk={chunk}", cores=cores)
    same, different, alone = compare(tmp_path / "few/run", tmp_path / "many/run")
    assert (different, alone) == ([], [])
    assert len(same) > 15
