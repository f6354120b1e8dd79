"""Real refinements in processes that can be killed at any instant, without the wait for imports.

As a program (``python -m tests.runs.killable JOB``) it imports all that a refinement needs, starts
no JAX backend, and then, for each line on its standard input that names a run folder, forks a
process that refines the job in JOB there, or goes on with it. It answers with the process's number
and, when that has ended, with its exit status.
"""

import os
import sys
from pathlib import Path

import mrcfile
import numpy as np

from locref_widgets.refinement.settings import RefinementSettings

PIXEL_ANGSTROM, BOX_PX, PARTICLES, ITERATIONS = 6.0, 32, 48, 3


def write_real_job(folder: Path) -> None:
    """Write particles with a hinge, their map and a mask of the body that moves."""
    from tests.blobs import Blobs, Hinge, random_blobs, write_blob_set
    from tests.refinement.following import soft_ball

    rng = np.random.default_rng(11)
    large = random_blobs(rng, count=20, radius_angstrom=38.0)
    small = random_blobs(rng, count=12, radius_angstrom=24.0)
    centre = np.array([38.0, -6.0, 5.0])
    body = Blobs(small.centres_angstrom + centre, small.sigmas_angstrom, small.masses)
    whole = Blobs(large.centres_angstrom - centre / 2, large.sigmas_angstrom, large.masses)
    hinge = Hinge(body, fulcrum_angstrom=np.array([12.0, 0.0, 2.0]), largest_deg=10.0)
    write_blob_set(
        folder,
        rng,
        n=PARTICLES,
        box_px=BOX_PX,
        pixel_size_angstrom=PIXEL_ANGSTROM,
        noise=0.4,
        blobs=whole,
        hinge=hinge,
    )
    volume = whole.volume(BOX_PX, PIXEL_ANGSTROM) + body.volume(BOX_PX, PIXEL_ANGSTROM)
    mask = soft_ball(BOX_PX, PIXEL_ANGSTROM, centre, 42.0)
    for name, data in (("map", volume), ("mask", mask)):
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(data.astype(np.float32))
            file.voxel_size = PIXEL_ANGSTROM


def real_settings() -> RefinementSettings:
    return RefinementSettings(
        fulcrum_angstrom=(12.0, 0.0, 2.0),
        rotation_extent=0.2,
        shift_extent=1.5,
        initial_lowpass=24.0,
        iterations=ITERATIONS,
        folds=2,
        batch_size=4,
    )


def refine_real_job(job: Path, out: Path) -> str:
    """Refine the job, or go on with it; return the status it ends with."""
    from locref_widgets.runs.run import refine
    from tests.runs.fake_job import read_job

    arguments = read_job(job).arguments
    return refine(*arguments, real_settings(), out, progress=False, resume=True).status


def main(job: Path) -> None:
    import locref_widgets.figures.report as report
    import locref_widgets.refinement.refine
    import locref_widgets.runs.run  # noqa: F401
    from locref_widgets.runs.process_setup import prepare_process

    # It takes longer than all else, and comes after everything that is compared.
    report.write_report = lambda folder: folder
    prepare_process()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                status = 0 if refine_real_job(job, Path(line.strip())) == "finished" else 3
            finally:
                os._exit(status)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, ended = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(ended)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
