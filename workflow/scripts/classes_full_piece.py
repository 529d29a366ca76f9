"""Averages of a group of classes at the size of the input, from its pixels."""

from refine2d.job import job

with job(snakemake) as task:
    from concurrent.futures import ThreadPoolExecutor

    from refine2d.averagers import averager
    from refine2d.averaging import with_power_of
    from refine2d.fullsize import full_average
    from refine2d.names import parse
    from refine2d.normalizers import fitted
    from refine2d.particles import ParticleStore
    from refine2d.stacks.hdf import read_hdf, read_headers, write_hdf
    from refine2d.stacks.opening import open_source
    from refine2d.tables import read_members

    source = open_source(task.input.particles)
    source.ctf = None  # the store has it, too
    store = ParticleStore(task.input.store)
    members, headers = read_members([task.input.classes]), read_headers(task.input.classes)
    radius = task.options.mask_diameter / 2 / task.run.apix

    options = task.options
    average_by, normalizer = (
        parse(name, getattr(options, name)) for name in ("classaverager", "classnormproc")
    )
    small, numbers = read_hdf(task.input.classes), [header["class_id"] for header in headers]
    references = read_hdf(task.input.allrefs, numbers)

    def average(place):
        kept = members[(members["class"] == numbers[place]) & members["kept"]]
        mine, factors = (kept["row"], kept["alignment"]), None
        if normalizer.name == "normalize.toimage":
            factors = fitted(store, *mine, small[place])
        by = averager(average_by), normalizer, factors
        image = full_average(source, store, *mine, radius, options.invert, *by)
        return with_power_of(image, references[place]) if options.classrefsf else image

    with ThreadPoolExecutor(task.threads) as pool:
        images = list(pool.map(average, range(len(numbers))))
    apix = {"apix_x": store.input_apix, "apix_y": store.input_apix}
    write_hdf(task.output[0], images, [header | apix for header in headers])
