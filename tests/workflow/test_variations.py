"""The same bytes with any number of cores and chunks, on a small stack and on real particles."""

import numpy as np
import pytest
from small_project import Project

from refine2d.clustering import sample
from refine2d.difference import compare
from refine2d.tables import read_classmx, read_projection


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
    options = (
        "input=particles.mrcs",
        "exclude=",
        "apix=3.54",
        "ctf=none",
        "subset=1000",
        "ncls=4",
        "iter=1",
        "residual=0",
    )
    for name, chunk, cores in (("few", 0, 1), ("many", 64, 16)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "particles.mrcs").symlink_to(stack)
        Project(tmp_path / name).run(*options, f"chunk={chunk}", cores=cores)
    same, different, alone = compare(tmp_path / "few/run", tmp_path / "many/run")
    assert (different, alone) == ([], [])
    assert len(same) > 15
    run, seen = tmp_path / "few/run", sample(1000, 4)
    labels = read_classmx(run / "classmx_01.hdf", 1.0)[0]
    points, _ = read_projection(run / "input_01_proj.hdf", np.arange(1000))
    centres = np.stack([points[seen][labels[seen] == k].mean(0) for k in range(4)])
    others = np.setdiff1d(np.arange(1000), seen)  # they go to the centres that the sample has
    nearest = np.linalg.norm(points[others, None] - centres, axis=2).argmin(1)
    assert len(others) == 200 and (nearest == labels[others]).all()
