"""The search alone, with true maps of the 30S set as references: ``python -m`` this file FOLDER.

What the images allow: the errors of the poses that the likelihood's own optimum has when nothing
about the reference is in doubt. FOLDER is that of ``hinge_30s.py``. Also prints how much of an
exhaustive search at the spacing of the last level was evaluated.
"""

import argparse
import os
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from locref_widgets.engine.fulcrum import move_about_fulcrum
from locref_widgets.engine.grids import pixels_within
from locref_widgets.engine.likelihood import make_prior
from locref_widgets.engine.region_images import noise_in_region_box
from locref_widgets.engine.rotations import ball_grid
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.batches import read_batches
from locref_widgets.refinement.memory import particles_at_once
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.references import cut_region, make_region, make_whole_projector
from locref_widgets.refinement.region_sums import cut_regions
from locref_widgets.refinement.search_pass import plan_for
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.starts import first_start
from locref_widgets.refinement.step import search_poses
from locref_widgets.simulation import score_poses
from tests.benchmarks.hinge_30s import DATA_DEFAULT, make_mask, unpack


def exhaustive_work(plan: SearchPlan, radius_px: int, disc_pixels: int) -> float:
    """Cells of the last level's spacing inside the extents times the pixels of the reference."""
    last = plan.levels[-1]
    rotations = ball_grid(plan.rotation_extent_rad, last.rotation_spacing_rad, 3)
    shifts = ball_grid(plan.shift_radius_px, last.shift_spacing_px, 2)
    inside = [np.linalg.norm(rotations, axis=1) <= plan.rotation_extent_rad]
    inside.append(np.linalg.norm(shifts, axis=1) <= plan.shift_radius_px)
    return float(inside[0].sum() * inside[1].sum() * disc_pixels)


def main() -> None:
    """Search all particles once and print errors, time and work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--radius", type=int, help="shell that the reference reaches (unset: all)")
    parser.add_argument("--extent", type=float, default=0.35, help="rotation extent in rad")
    options = parser.parse_args()
    out = options.folder
    facts = unpack(Path(os.environ.get("LOCREF_TEST_DATA", DATA_DEFAULT)) / "hinge_30S", out)
    mask = read_map(make_mask(out, facts))
    head, body = read_map(out / "maps" / "B.mrc"), read_map(out / "maps" / "A.mrc")
    given = read_particles(out / "consensus.star")
    settings = RefinementSettings(
        fulcrum_angstrom=tuple(facts["fulcrum"]), rotation_extent=options.extent, shift_extent=10
    )
    problem = pose_problem(RefinementInput(given, head, mask), settings)
    disc = problem.region_disc
    radius = options.radius or disc.radius_px
    plan = plan_for(problem, settings, radius)
    at_once = particles_at_once(plan, 64)
    region = make_region(cut_region(head.data * mask.data, problem), problem)
    outside = make_whole_projector(body.data, problem)
    # The noise of the set has standard deviation 1 in every pixel.
    white = np.full(problem.disc.radius_px + 1, float(problem.box_px) ** 2)
    sigma2 = jnp.asarray(noise_in_region_box(white, problem.box_px, disc), jnp.float32)
    pixel = jnp.asarray(problem.pixel_size_angstrom, jnp.float32)
    n, searched, used = problem.rows.size, 0.0, 0
    turns, shifts, work, errors = np.zeros((n, 3)), np.zeros((n, 2)), np.zeros(n), np.zeros((n, 2))
    for number, batch in enumerate(read_batches(problem, np.arange(n), 64)):
        start = first_start(batch.positions.size)
        images = cut_regions(problem, outside, region, start, batch, plan, None)
        jax.block_until_ready(images)
        clock = time.process_time()
        prior = make_prior(None, None)
        found = search_poses(images, region, sigma2, radius, prior, plan, pixel, at_once)
        jax.block_until_ready(found)
        if number:  # the first one compiles
            searched += time.process_time() - clock
            used += batch.count
        at = batch.positions
        turns[at], shifts[at] = np.asarray(found.turn_rad), np.asarray(found.shift_px)
        work[at] = np.asarray(found.work)
        errors[at] = np.stack([found.turn_error_rad, found.shift_error_px], axis=-1)
    moved, origins = move_about_fulcrum(
        given.rotations,
        given.origins_angstrom,
        turns,
        shifts * problem.pixel_size_angstrom,
        problem.fulcrum_angstrom,
    )
    refined = given.with_poses(moved, origins)
    score = score_poses(refined, read_particles(out / "truth_B.star"), np.array(facts["com_B"]))
    print("  ".join(f"{name} {value:.3f}" for name, value in score.raw.summary().items()))
    predicted = np.median(errors, axis=0)
    print(f"predicted: {np.rad2deg(predicted[0]):.3f} degrees, {predicted[1]:.3f} px")
    print(f"search {1e3 * searched / max(used, 1):.2f} CPU-ms a particle")
    whole = exhaustive_work(plan, radius, pixels_within(disc, radius))
    print(f"work: {100 * work.mean() / whole:.2f} % of the exhaustive search")


if __name__ == "__main__":
    main()
