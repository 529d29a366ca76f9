rule input_fp:
    input:
        particles=at("particles.h5"),
    output:
        footprints=at("input_fp.hdf"),
        basis=at("input_fp_basis.hdf"),
        projections=at("input_fp_basis_proj.hdf"),
    log:
        at("logs/input_fp.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 4
    resources:
        mem_mb=memory("input_fp"),
        runtime=minutes("input_fp"),
    params:
        options=opts("ncls", "mask_diameter", "invariant", "nbasisfp"),
        run=facts("box", "apix", "working_box"),
        code=code("input_fp"),
    message:
        "Start: footprints of particles, the same for any rotation and shift, and their MSA"
    script:
        "../scripts/input_fp.py"


rule classmx_00:
    input:
        particles=at("particles.h5"),
        footprints=at("input_fp.hdf"),
        projections=at("input_fp_basis_proj.hdf"),
    output:
        at("classmx_00.hdf"),
    log:
        at("logs/classmx_00.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 8
    resources:
        mem_mb=memory("classmx_00"),
        runtime=minutes("classmx_00"),
    params:
        options=opts(
            "ncls",
            "fastseed",
            "seed",
            "mask_diameter",
            "maxshift",
            "mirror",
            "simalign",
            "simralign",
            "center",
            "centeracf",
            "automask",
        ),
        run=facts("box", "apix", "working_box"),
        code=code("classmx_00"),
    message:
        "Start: classes grow from particles that differ by their footprints, at low resolution"
    script:
        "../scripts/classmx_00.py"


if OPTIONS.base["initial"]:

    rule classes_init:
        input:
            particles=at("particles.h5"),
            averages=ancient(OPTIONS.base["initial"]),
        output:
            at("classes_init.hdf"),
        log:
            at("logs/classes_init.log"),
        conda:
            "../../envs/refine2d.yaml"
        threads: 1
        resources:
            mem_mb=memory("classes_init"),
            runtime=minutes("classes_init"),
        params:
            options=opts("mask_diameter", "maxshift", "mirror", "simalign", "simralign"),
            run=facts("box", "apix", "working_box"),
            averages=starting_averages,
            code=code("classes_given"),
        message:
            "Start: the averages of {input.averages}"
        script:
            "../scripts/classes_given.py"

else:

    rule classes_init_piece:
        input:
            particles=at("particles.h5"),
            lst=at("particles.lst"),
            classmx=at("classmx_00.hdf"),
        output:
            at("classes_init/{group}.hdf"),
        log:
            at("logs/classes_init_{group}.log"),
        conda:
            "../../envs/refine2d.yaml"
        threads: threads_of(GROUPS, most=4)
        resources:
            mem_mb=memory("classes_init_piece"),
            runtime=minutes("classes_init_piece"),
        params:
            options=opts(
                "ncls",
                "mask_diameter",
                "maxshift",
                "mirror",
                "classiter",
                "classkeep",
                "classkeepsig",
                "classalign",
                "classaligncmp",
                "classralign",
                "classraligncmp",
                "classcmp",
                "classaverager",
                "classnormproc",
                "center",
                "centeracf",
                "automask",
            ),
            run=facts("box", "apix", "working_box"),
            share=share,
            code=code("classes_init_piece"),
        message:
            "Start: averages of these classes, group {wildcards.group}"
        script:
            "../scripts/classes_init_piece.py"

    rule classes_init:
        input:
            pieces=all_groups("classes_init/{group}.hdf"),
        output:
            at("classes_init.hdf"),
        log:
            at("logs/classes_init.log"),
        conda:
            "../../envs/refine2d.yaml"
        threads: 1
        resources:
            mem_mb=memory("classes_init"),
            runtime=minutes("classes_init"),
        params:
            options=opts("ncls"),
            code=code("classes_init"),
        message:
            "Start: the first averages"
        script:
            "../scripts/classes_init.py"
