"""A run of particles that are in the table more than once."""

from dataclasses import replace

import numpy as np

from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.run import refine
from tests.runs.fake_job import make_loop

SETTINGS = RefinementSettings(iterations=1)


def test_copies_are_written_in_the_half_set_that_they_were_refined_in(job, run_path):
    """Else whoever takes the table further would find one image in both halves."""
    particles, *others = job.arguments
    n = len(particles)
    copies = particles.take(np.repeat(np.arange(n), 2))
    rotations = copies.rotations @ np.array([np.eye(3), np.diag([-1.0, -1.0, 1.0])] * n)
    copies = copies.with_poses(rotations, copies.origins_angstrom)
    half_sets = copies.half_sets.copy()
    half_sets[[3, 7]] = 3 - half_sets[[3, 7]]
    table = copies.table.with_column("rlnRandomSubset", half_sets)
    torn = replace(copies, half_sets=half_sets, blocks={**copies.blocks, copies.table_name: table})
    run = refine(torn, *others, SETTINGS, run_path, progress=False, refine_loop=make_loop())
    warnings = [e["message"] for e in run.events() if e["kind"] == "warning"]
    assert any("rows 4, 8" in w and "were moved" in w for w in warnings)
    assert any("point group C2" in w for w in warnings)
    written = read_particles(run_path / "final" / "particles.star")
    assert np.all(written.half_sets.reshape(-1, 2) == particles.half_sets[:, None])
