"""A sweep of 3 x 3 settings over 500 particles of the 30S set: ``python -m`` this file FOLDER.

Prints times, CPU-seconds, the machine's load and the verdict, and how near the poses of each
setting came to the truth (which the sweep does not know). With ``--full N`` the N settings of the
highest agreement are refined with all 2,000 particles, too, to see whether the verdict holds there;
``--full-iterations`` iterations each. The data are ``hinge_30S`` of the folder in LOCREF_TEST_DATA.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

import numpy as np

from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import Particles, read_particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.process_setup import prepare_process
from locref_widgets.runs.run import refine
from locref_widgets.runs.sweep import sweep
from locref_widgets.runs.sweep_verdict import words_of
from locref_widgets.simulation import score_poses
from tests.benchmarks.hinge_30s import DATA_DEFAULT, make_mask, make_start, unpack

GRID = {"rotation_extent": [0.1, 0.2, 0.35], "shift_extent": [5.0, 10.0, 16.0]}


def cpu_seconds() -> float:
    """CPU time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def describe_error(refined: Particles, truth: Particles, centre: np.ndarray) -> str:
    """Errors after the best turn and shift of the map as a whole."""
    numbers = score_poses(refined, truth, centre).gauge.summary()
    return "  ".join(f"{name} {value:.2f}" for name, value in numbers.items())


def main() -> None:
    """Sweep, refine, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for the unpacked set and the sweep")
    parser.add_argument("--out", default="sweep")
    parser.add_argument("--subset", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--full", type=int, default=0, help="full runs of so many settings")
    parser.add_argument("--full-iterations", type=int, default=5)
    options = parser.parse_args()
    prepare_process()
    packed = Path(os.environ.get("LOCREF_TEST_DATA", DATA_DEFAULT)) / "hinge_30S"
    folder = options.folder
    facts = unpack(packed, folder)
    mask = make_mask(folder, facts)
    start = make_start(folder, mask)
    given, truth = (
        read_particles(folder / "consensus.star"),
        read_particles(folder / "truth_B.star"),
    )
    centre = np.array(facts["com_B"])
    settings = RefinementSettings(fulcrum_angstrom=tuple(facts["fulcrum"]))
    inputs = (given, read_map(start), read_map(mask))

    began, cpu = time.monotonic(), cpu_seconds()
    print(f"load before: {os.getloadavg()}, {os.cpu_count()} cores", flush=True)
    found = sweep(
        *inputs,
        settings,
        GRID,
        folder / options.out,
        subset=options.subset,
        seed=options.seed,
        iterations=options.iterations,
    )
    seconds, used = time.monotonic() - began, cpu_seconds() - cpu
    print(f"sweep: {seconds:.0f} s, {used:.0f} CPU-s; load after: {os.getloadavg()}")
    verdict = found.verdict
    assert verdict is not None
    print(verdict["sentence"])
    print(json.dumps({k: v for k, v in verdict.items() if k != "settings"}, indent=1))
    for row in found.table():
        run = found.run(row["number"])
        result = run.iteration(options.iterations)
        refined = given.take(result.indices).with_poses(result.rotations, result.origins_angstrom)
        print(
            f"{words_of(row['values'])}: agreement {row['criterion']:.4f}"
            f" ± {row['standard_error']:.4f}, behind {row['behind']:.4f}"
            f" ± {row['behind_error']:.4f}, best in {100 * row['share_best']:.1f} %,"
            f" {row['resolution_angstrom']:.2f} Å, {row.get('seconds', 0):.0f} s,"
            f" {row.get('cpu_seconds', 0):.0f} CPU-s | " + describe_error(refined, truth, centre),
            flush=True,
        )
    for row in found.table()[: options.full]:
        began, cpu = time.monotonic(), cpu_seconds()
        chosen = found.run(row["number"]).settings.model_copy(
            update={"subset": None, "iterations": options.full_iterations}
        )
        name = "full_" + "_".join(f"{value:g}" for value in row["values"].values())
        run = refine(*inputs, chosen, folder / name, resume=True, progress=False)
        refined = read_particles(run.path / "final" / "particles.star")
        print(
            f"full run, {words_of(row['values'])}: {time.monotonic() - began:.0f} s, "
            f"{cpu_seconds() - cpu:.0f} CPU-s, load {os.getloadavg()[0]:.1f} | "
            + describe_error(refined, truth, centre),
            flush=True,
        )


if __name__ == "__main__":
    main()
