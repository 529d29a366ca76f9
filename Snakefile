"""Reference-free 2D classification of cryo-EM particles: particle images in, class averages out."""

from snakemake.utils import min_version

min_version("9.27")


configfile: f"{workflow.basedir}/config/config.yaml"


include: "workflow/rules/common.smk"  # reads and checks the options, opens the run
include: "workflow/rules/demo.smk"
include: "workflow/rules/particles.smk"  # the input, normalised, at the working size
include: "workflow/rules/initial.smk"  # the start: footprints choose particles, classes grow from these at low resolution
include: "workflow/rules/iterate.smk"  # sort averages, align to them, project into the MSA space, classify, average
include: "workflow/rules/results.smk"  # averages at full size, tables for RELION and EMAN2, the picture
include: "workflow/rules/report.smk"  # the page, figures; on request a movie, and the particles of chosen classes


rule all:
    default_target: True
    input:
        at("classes.mrcs"),
        at("classes.star"),
        at("classes.png"),
        at("classes.pdf"),
        at("curves.svg"),
        at("report.html"),
        at("classes.hdf"),
        at("particles.star"),
        at("particles.cs"),
        SETS,
        at("0_refine2d_parms.json"),
        OPTIONS.base["resultmx"] or [],
        at(f"state_{LAST}.json"),
        expand(at("simmx_{YY}.hdf"), YY=ITERATIONS),
    message:
        "The run is complete"


onstart:
    lock_run()
    fork_jobs()
    keep_run()
    keep_plan()
    foretell()


onsuccess:
    end_at_once()
    check_results()
    compare_with_forecast()
    tell_results()
