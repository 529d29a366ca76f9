rule classes_full_piece:
    input:
        particles=ancient(RUN.input),
        store=at("particles.h5"),
        classes=at(f"classes_{LAST}/{{group}}.hdf"),
        allrefs=at(f"allrefs_{LAST}.hdf"),
    output:
        at("classes_full/{group}.hdf"),
    log:
        at("logs/classes_full_{group}.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: threads_of(GROUPS, most=4)
    resources:
        mem_mb=memory("classes_full_piece"),
        runtime=minutes("classes_full_piece"),
    params:
        options=opts(
            "apix",
            "voltage",
            "cs",
            "ac",
            "ctf",
            "invert",
            "mask_diameter",
            "classaverager",
            "classnormproc",
            "classrefsf",
            iteration=LAST,
        ),
        run=facts("box", "apix", "working_box"),
        code=code("classes_full_piece"),
    message:
        "Averages at full size from the original pixels, group {wildcards.group}"
    script:
        "../scripts/classes_full_piece.py"


rule classes_mrcs:
    input:
        pieces=all_groups("classes_full/{group}.hdf"),
        classes=at(f"classes_{LAST}.hdf"),
    output:
        stack=at("classes.mrcs"),
        star=at("classes.star"),
        hdf=at("classes.hdf"),
    log:
        at("logs/classes_mrcs.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("classes_mrcs"),
        runtime=minutes("classes_mrcs"),
    params:
        run=facts("box", "apix"),
        code=code("classes_mrcs"),
    message:
        "The averages for RELION and EMAN2"
    script:
        "../scripts/classes_mrcs.py"


rule classes_png:
    input:
        stack=at("classes.hdf"),
        classes=at(f"classes_{LAST}.hdf"),
    output:
        report(at("classes.png"), caption="../report/classes.rst", category="Classes"),
    log:
        at("logs/classes_png.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("classes_png"),
        runtime=minutes("classes_png"),
    params:
        options=opts("mask_diameter", iteration=LAST),
        run=facts("apix"),
        code=code("classes_png"),
    message:
        "The picture of the averages"
    script:
        "../scripts/classes_png.py"


rule particles_star:
    input:
        particles=ancient(RUN.input),
        store=at("particles.h5"),
        pieces=all_groups(f"classes_{LAST}/{{group}}.hdf"),
    output:
        at("particles.star"),
    log:
        at("logs/particles_star.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("particles_star"),
        runtime=minutes("particles_star"),
    params:
        options=opts("apix", "voltage", "cs", "ac"),
        run=facts("box", "apix", "working_box"),
        code=code("particles_star"),
    message:
        "Each particle's class and pose for RELION"
    script:
        "../scripts/particles_star.py"


rule particles_cs:
    input:
        particles=ancient(RUN.input),
        store=at("particles.h5"),
        pieces=all_groups(f"classes_{LAST}/{{group}}.hdf"),
    output:
        at("particles.cs"),
    log:
        at("logs/particles_cs.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("particles_cs"),
        runtime=minutes("particles_cs"),
    params:
        options=opts("apix", "voltage", "cs", "ac", "invert"),
        run=facts("box", "apix", "working_box"),
        code=code("particles_cs"),
    message:
        "Each particle's class and pose for cryoSPARC"
    script:
        "../scripts/particles_cs.py"


rule class_sets:
    input:
        lst=at("particles.lst"),
        pieces=all_groups(f"classes_{LAST}/{{group}}.hdf"),
    output:
        SETS,
    log:
        at("logs/class_sets.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("class_sets"),
        runtime=minutes("class_sets"),
    params:
        code=code("class_sets"),
    message:
        "The particles of each class for EMAN2"
    script:
        "../scripts/class_sets.py"


rule parms:
    output:
        at("0_refine2d_parms.json"),
    log:
        at("logs/parms.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("parms"),
        runtime=minutes("parms"),
    params:
        options=opts(*OPTIONS.base),
        later=str(OPTIONS.later),
        run=facts("n", "n_input", "box", "apix", "working_box", "chunk"),
        code=code("parms"),
    message:
        "The parameters of the run"
    script:
        "../scripts/parms.py"
