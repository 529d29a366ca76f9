# One iteration YY. Each step also reads the state of the iteration before, unless options change in between or more
# references are tried: once that says converged, it hands its predecessor's file on.


rule allrefs:
    input:
        particles=at("particles.h5"),
        classes=before("classes_{YY}.hdf", first=at("classes_init.hdf")),
        members=members_before,
        state=state_before,
    output:
        allrefs=at("allrefs_{YY}.hdf"),
        basis=at("basis_{YY}.hdf"),
        aliref=at("aliref_{YY}.hdf"),
    log:
        at("logs/allrefs_{YY}.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 4
    resources:
        mem_mb=memory("allrefs"),
        runtime=minutes("allrefs"),
    params:
        options=opts(
            "mask_diameter",
            "maxshift",
            "mirror",
            "simalign",
            "simralign",
            "center",
            "centeracf",
            "automask",
            "nbasis",
            "naliref",
        ),
        run=facts("box", "apix", "working_box"),
        code=code("allrefs"),
    message:
        "Iteration {wildcards.YY}: averages centred, aligned to each other and sorted; MSA of their members"
    script:
        "../scripts/allrefs.py"


rule simmx_piece:
    input:
        particles=at("particles.h5"),
        allrefs=at("allrefs_{YY}.hdf"),
        aliref=at("aliref_{YY}.hdf"),
        basis=at("basis_{YY}.hdf"),
        classmx_before=classmx_before,
        state=state_before,
    output:
        at("simmx_{YY}/{chunk}.h5"),
    log:
        at("logs/simmx_{YY}_{chunk}.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: threads_of(CHUNKS, most=8)
    resources:
        mem_mb=memory("simmx_piece"),
        runtime=minutes("simmx_piece"),
    params:
        options=opts(
            "mask_diameter",
            "maxshift",
            "mirror",
            "simalign",
            "simaligncmp",
            "simralign",
            "simraligncmp",
            "simcmp",
        ),
        run=facts("box", "apix", "working_box"),
        tried=tried,
        rows=rows,
        code=code("simmx_piece"),
    message:
        "Iteration {wildcards.YY}: particles aligned and projected into the MSA space, piece {wildcards.chunk}"
    script:
        "../scripts/simmx_piece.py"


rule classmx:
    input:
        particles=at("particles.h5"),
        allrefs=at("allrefs_{YY}.hdf"),
        basis=at("basis_{YY}.hdf"),
        pieces=all_chunks("simmx_{YY}/{chunk}.h5"),
        state=state_before,
    output:
        projections=at("input_{YY}_proj.hdf"),
        classmx=at("classmx_{YY}.hdf"),
    log:
        at("logs/classmx_{YY}.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 4
    resources:
        mem_mb=memory("classmx"),
        runtime=minutes("classmx"),
    params:
        options=opts("ncls", "minchange", "normproj", "residual"),
        run=facts("box", "working_box"),
        code=code("classmx"),
    message:
        "Iteration {wildcards.YY}: k-means in the MSA space"
    script:
        "../scripts/classmx.py"


rule classes_piece:
    input:
        particles=at("particles.h5"),
        lst=at("particles.lst"),
        allrefs=at("allrefs_{YY}.hdf"),
        basis=at("basis_{YY}.hdf"),
        classmx=at("classmx_{YY}.hdf"),
        state=state_before,
    output:
        at("classes_{YY}/{group}.hdf"),
    log:
        at("logs/classes_{YY}_{group}.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: threads_of(GROUPS, most=4)
    resources:
        mem_mb=memory("classes_piece"),
        runtime=minutes("classes_piece"),
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
            "classrefsf",
            "center",
            "centeracf",
            "automask",
        ),
        run=facts("box", "apix", "working_box"),
        share=share,
        code=code("classes_piece"),
    message:
        "Iteration {wildcards.YY}: new averages, group {wildcards.group}"
    script:
        "../scripts/classes_piece.py"


rule classes:
    input:
        pieces=all_groups("classes_{YY}/{group}.hdf"),
        allrefs=at("allrefs_{YY}.hdf"),
        classmx_before=before("classmx_{YY}.hdf", first=FIRST_CLASSES),
        state=state_before,
    output:
        classes=at("classes_{YY}.hdf"),
        resultmx=at("resultmx_{YY}.hdf"),
        state=at("state_{YY}.json"),
    log:
        at("logs/classes_{YY}.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("classes"),
        runtime=minutes("classes"),
    params:
        options=opts("ncls", "minchange"),
        last=unseen(OPTIONS.base["iter"]),
        run=facts("n", "box", "apix", "working_box"),
        code=code("classes"),
    message:
        "Iteration {wildcards.YY}: averages joined; how many particles changed their class"
    script:
        "../scripts/classes.py"


if OPTIONS.base["resultmx"]:

    rule resultmx:
        input:
            at(f"resultmx_{LAST}.hdf"),
        output:
            OPTIONS.base["resultmx"],
        log:
            at("logs/resultmx.log"),
        conda:
            "../../envs/refine2d.yaml"
        threads: 1
        resources:
            mem_mb=memory("resultmx"),
            runtime=minutes("resultmx"),
        params:
            code=code("resultmx"),
        message:
            "Alignments to the averages, where resultmx asks for them"
        script:
            "../scripts/resultmx.py"
