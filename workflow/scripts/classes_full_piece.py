"""Averages of a group of classes at the size of the input, from its pixels."""

from refine2d.job import job

with job(snakemake) as task:
    from concurrent.futures import ThreadPoolExecutor

    from refine2d.averagers import averager
    from refine2d.fullsize import full_average
    from refine2d.names import parse
    from refine2d.particles import ParticleStore
    from refine2d.stacks import open_source
    from refine2d.stacks.hdf import read_headers, write_hdf
    from refine2d.tables import read_members

    source, store = open_source(task.input.particles), ParticleStore(task.input.store)
    members, headers = read_members([task.input.classes]), read_headers(task.input.classes)
    radius = task.options.mask_diameter / 2 / task.run.apix

    options = task.options
    by = (
        averager(parse("classaverager", options.classaverager)),
        parse("classnormproc", options.classnormproc),
    )

    def average(number):
        kept = members[(members["class"] == number) & members["kept"]]
        return full_average(source, store, kept["row"], kept["alignment"], radius, options.invert, *by)

    with ThreadPoolExecutor(task.threads) as pool:
        images = list(pool.map(average, [header["class_id"] for header in headers]))
    apix = {"apix_x": store.input_apix, "apix_y": store.input_apix}
    write_hdf(task.output[0], images, [header | apix for header in headers])
