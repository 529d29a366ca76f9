"""The user's starting averages, at the working size and on the particles' scale."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d.extent import plan
    from refine2d.given import given_averages
    from refine2d.particles import ParticleStore
    from refine2d.stacks.hdf import write_hdf
    from refine2d.stacks.opening import open_source

    store = ParticleStore(task.input.particles)
    source = open_source(task.input.averages)
    averages = given_averages(source.images(np.arange(source.n)), store, plan(task.options, task.run, "sim"))
    header = {"ptcl_repr": 0, "apix_x": store.apix, "apix_y": store.apix, "noise": 0.0}
    write_hdf(task.output[0], averages, [header | {"class_id": number} for number in range(source.n)])
