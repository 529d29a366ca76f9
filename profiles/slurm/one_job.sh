#!/bin/bash
# The whole run in one job on one node: sbatch profiles/slurm/one_job.sh input=particles.star path=r2d_01 ...
# Submit it from the project's folder with the environment active. Preempted or out of time, it is submitted again.
#SBATCH --job-name=refine2d
#SBATCH --nodes=1 --ntasks=1 --cpus-per-task=16 --mem=32G --time=12:00:00
#SBATCH --requeue --open-mode=append --signal=B:TERM@120
set -u
checkout=${REFINE2D_CHECKOUT:-$(dirname "$(dirname "$(dirname "$(scontrol show job "$SLURM_JOB_ID" | sed -n 's/^ *Command=\([^ ]*\).*/\1/p')")")")}
snakemake -s "$checkout/Snakefile" --cores "${SLURM_CPUS_PER_TASK:-1}" --config "$@" &
workflow=$!

again() {
    kill -TERM "$workflow"
    wait "$workflow" && exit
    # Out of time it still counts as running; a job that was cancelled does not, and is not to come back.
    [ "$(squeue --noheader --format=%T --jobs="$SLURM_JOB_ID")" = RUNNING ] && scontrol requeue "$SLURM_JOB_ID"
    exit
}

trap again TERM
wait "$workflow"
