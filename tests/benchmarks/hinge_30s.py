"""Refine the head of the 30S set and say how near it came: ``python -m`` this file FOLDER.

The data are ``hinge_30S`` of the folder in LOCREF_TEST_DATA, or with ``--data`` another set that
its ``make_dataset.py`` wrote. All 2,000 particles of 128 px take a while; ``--subset 60
--iterations 1`` tries the way there. Options that it does not know go to
``locref refine``: ``--prior-rotation 3.75 --rotation-extent 0.2`` is what RELION's local search at
its HEALPix order 4 works with.
"""

import argparse
import hashlib
import json
import lzma
import os
import resource
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import mrcfile
import numpy as np
from scipy.ndimage import affine_transform

from locref_widgets.engine.filters import lowpass_cosine
from locref_widgets.engine.fsc import compute_fsc_curve
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.io.particles import Particles, read_particles
from locref_widgets.masks.edges import soft_edge
from locref_widgets.refinement.consensus import reconstruct_consensus
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.simulation import score_poses
from locref_widgets.simulation.score import PoseScore

DATA_DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "data"
MASK_LOWPASS_ANGSTROM, MASK_EXTEND_PX, MASK_SOFT_PX = 15.0, 3, 6


def unpack(packed: Path, out: Path) -> dict:
    """Write the particles, tables and true maps; return what is known of the set."""
    facts = json.loads((packed / "dataset.json").read_text())
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "particles.mrcs").exists():
        steps = np.frombuffer(
            lzma.decompress((packed / "particles.i8.xz").read_bytes()), np.int8
        ).reshape(facts["packed_shape"])
        if hashlib.sha256(steps).hexdigest() != facts["packed_sha256"]:
            raise SystemExit(f"{packed / 'particles.i8.xz'} is damaged: its checksum differs")
        for name in ("consensus.star", "truth_B.star", "maps/A.mrc", "maps/B.mrc"):
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_bytes(lzma.decompress((packed / f"{name}.xz").read_bytes()))
        with mrcfile.new(out / "particles.mrcs", overwrite=True) as file:
            file.set_data(steps.astype(np.float32) / np.float32(facts["packed_step"]))
            file.set_image_stack()
            file.voxel_size = facts["apix"]
    return facts


def link(made: Path, out: Path) -> dict:
    """Put links to a set of ``make_dataset.py`` in place; return what is known of it."""
    (out / "maps").mkdir(parents=True, exist_ok=True)
    for name in ("particles.mrcs", "consensus.star", "truth_B.star", "maps/A.mrc", "maps/B.mrc"):
        if not (out / name).exists():
            (out / name).symlink_to((made / name).resolve())
    return json.loads((made / "dataset.json").read_text())


def make_mask(out: Path, facts: dict) -> Path:
    """Write the mask of the head: low-passed, thresholded, extended, soft."""
    path = out / "mask.mrc"
    head = read_map(out / "maps" / "B.mrc")
    voxel = head.voxel_size_angstrom
    smooth = np.asarray(lowpass_cosine(jnp.asarray(head.data), voxel, MASK_LOWPASS_ANGSTROM))
    near = MASK_EXTEND_PX * voxel
    far = near + MASK_SOFT_PX * voxel
    write_map(path, soft_edge(smooth >= facts["mask_threshold_B"], near, far, voxel), voxel)
    return path


def make_start(out: Path, mask: Path) -> Path:
    """Write our reconstruction of the particles at the consensus poses."""
    path = out / "consensus.mrc"
    if not path.exists():
        particles = read_particles(out / "consensus.star")
        head, region = read_map(out / "maps" / "B.mrc"), read_map(mask)
        problem = pose_problem(RefinementInput(particles, head, region), RefinementSettings())
        both = reconstruct_consensus(problem, 32, lambda done, total: None).both
        write_map(path, both, particles.pixel_size_angstrom)
    return path


def carried(truth: Map, score: PoseScore) -> np.ndarray:
    """The true map where the refined one shows it: a refinement may carry its map as a whole."""
    voxel, middle = truth.voxel_size_angstrom, truth.box_px // 2
    matrix = score.map_rotation[::-1, ::-1]
    offset = middle - matrix @ (middle + score.map_shift_angstrom[::-1] / voxel)
    return affine_transform(truth.data, matrix, offset, order=5).astype(np.float32)


def head_resolution(path: Path, truth: Path, mask: Path, score: PoseScore) -> float:
    """Resolution (Å) at which the FSC of a map and the true head, inside the mask, is 0.5."""
    found, true, region = read_map(path), carried(read_map(truth), score), read_map(mask)
    curve = compute_fsc_curve(found.data, true, found.voxel_size_angstrom, region.data)
    return curve.resolution_angstrom(0.5)


def _names(particles: Particles) -> list[str]:
    return list(particles.table.strings("rlnImageName"))


def _number(name: str) -> int:
    return int(name.partition("@")[0])


def _cpu_seconds(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Unpack, refine, score, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for the unpacked set and the run")
    parser.add_argument("--data", type=Path, help="folder of another set, as it was made")
    parser.add_argument("--subset", type=int)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--run", default="run", help="name of the run's folder, new")
    options, further = parser.parse_known_args()
    packed = Path(os.environ.get("LOCREF_TEST_DATA", DATA_DEFAULT)) / "hinge_30S"
    out = options.folder
    facts = unpack(packed, out) if options.data is None else link(options.data, out)
    mask = make_mask(out, facts)
    start = make_start(out, mask)

    fulcrum = ",".join(str(value) for value in facts["fulcrum"])
    command = [sys.executable, "-m", "locref_widgets", "refine", str(out / "consensus.star")]
    command += ["--map", str(start), "--mask", str(mask), "--out", str(out / options.run)]
    command += [f"--fulcrum-angstrom={fulcrum}", "--iterations", str(options.iterations)]
    if options.subset is not None:
        command += ["--subset", str(options.subset)]
    command += further
    # A shell that becomes its last command leaves that the children it had.
    before = _cpu_seconds(resource.getrusage(resource.RUSAGE_CHILDREN))
    subprocess.run(command, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)

    final = out / options.run / "final"
    truth = read_particles(out / "truth_B.star")
    refined = read_particles(final / "particles.star")
    given = read_particles(out / "consensus.star")
    rows = {_number(name): row for row, name in enumerate(_names(given))}
    given = given.take(np.array([rows[_number(name)] for name in _names(refined)]))
    centre = np.array(facts["com_B"])
    scores = {
        name: score_poses(particles, truth, centre)
        for name, particles in (("before", given), ("after", refined))
    }
    for name, score in scores.items():
        for kind, errors in (("raw", score.raw), ("gauge", score.gauge)):
            numbers = "  ".join(f"{key} {value:.2f}" for key, value in errors.summary().items())
            print(f"{name} {kind}: {numbers}")
    for name, path in (("before", start), ("after", final / "map.mrc")):
        resolution = head_resolution(path, out / "maps" / "B.mrc", mask, scores[name])
        print(f"{name}: head and true map agree (FSC 0.5) to {resolution:.2f} Å")
    cpu = _cpu_seconds(used) - before
    print(f"CPU {cpu:.0f} s, peak memory {used.ru_maxrss / 1024:.0f} MB")
    iterations = sorted((out / options.run / "iterations").glob("*/info.npz"))[1:]
    share = 1e3 * cpu / len(refined) / len(iterations)
    print(f"{len(iterations)} iterations: {share:.1f} CPU-ms a particle and iteration in all")
    with np.load(iterations[-1]) as info:
        print(f"certified {100 * info['info/certified'].mean():.1f} %")
        print(f"cells a particle {info['info/cells_evaluated'].mean():.0f}")


if __name__ == "__main__":
    main()
