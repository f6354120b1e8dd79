"""How often a proposed mask is right: particles cut in two by a plane, rigid or hinged there.

``python -m tests.benchmarks.propose [MODEL.pdb …] [--cases N] [--box N] [--seed N]``

Case by case a model (the packaged 30S subunit, and those given) is turned at random and cut by a
random plane into a body and a part of 12 to 45 %. Of four cases two are rigid, two have the part
turn about the cut by as much as displaces its middle by 0.1 to 0.7 times the resolution; and one of
each two has errors in all poses. Half-maps are means over some draws of both, with noise that
leaves about as much signal at the resolution. What moves is known: where the part's displacement
halves the signal's power. Printed are a row a case, a table of verdicts against truth, and the
logistic regression of being right that `masks.proposal.how_sure` takes its numbers from.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.models import read_atoms
from locref_widgets.io.mrc import Map
from locref_widgets.masks.proposal import verdict_of
from locref_widgets.masks.propose import Proposal, propose_from_half_maps
from locref_widgets.masks.resample import resample_on_grid
from locref_widgets.simulation.model import default_model

DRAWS = 32
"""Poses that a blurred map is the mean of."""

HALVES_POWER = np.log(2.0) / (4.0 * np.pi**2)
"""Variance of a displacement, in squares of the resolution, that halves the power there."""


@dataclass(frozen=True)
class Case:
    """Half-maps, and the variance of the displacement (Å², along an axis) at every voxel."""

    half1: Map
    half2: Map
    moved_angstrom2: np.ndarray
    kind: str


def positions(model: str | None) -> np.ndarray:
    """Atoms about their middle, in Å."""
    xyz = (
        default_model().positions_angstrom
        if model is None
        else read_atoms(Path(model)).positions_angstrom
    )
    return xyz - xyz.mean(axis=0)


def frequency(box: int, voxel: float) -> np.ndarray:
    """|k| in 1/Å of the half-spectrum."""
    axes = [np.fft.fftfreq(box, voxel)] * 2 + [np.fft.rfftfreq(box, voxel)]
    return np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))


def density(xyz: np.ndarray, box: int, voxel: float, sigma: float = 1.1) -> np.ndarray:
    """Gaussians at atoms: laid on the eight voxels around each, then smoothed."""
    grid = np.zeros((box,) * 3)
    places = xyz[:, ::-1] / voxel + box // 2
    whole = np.floor(places).astype(int)
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(1.0 - np.abs(np.array(corner) - (places - whole)), axis=1)
        np.add.at(grid, tuple((whole + corner).T), weight)
    smooth = np.exp(-2.0 * np.pi**2 * frequency(box, voxel) ** 2 * sigma**2)
    spectrum = np.fft.rfftn(grid) * smooth
    return np.fft.irfftn(spectrum, s=grid.shape, axes=(0, 1, 2)).astype(np.float32)


def mean_of_moved(
    values: np.ndarray, voxel: float, turns: np.ndarray, centre: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """Mean over poses: turned about a point (Å from voxel N//2), then shifted."""
    start = -(len(values) // 2)
    some = Map(values, voxel, None, BoxPosition(start_px=(start, start, start)))
    total = np.zeros(values.shape)
    for rotation, shift in zip(Rotation.from_rotvec(turns).as_matrix(), shifts, strict=True):
        move = centre - rotation @ centre + shift
        total += resample_on_grid(
            some, some, order=3, rotation=rotation, translation_angstrom=move
        ).data
    return (total / len(turns)).astype(np.float32)


def make_case(rng: np.random.Generator, number: int, xyz: np.ndarray, box: int) -> Case:
    """One particle; its number says whether it is rigid and whether its poses have errors."""
    kind = ("rigid", "rigid, pose errors", "hinged", "hinged, pose errors")[number % 4]
    xyz = Rotation.random(rng=rng).apply(xyz)
    voxel = max(2.7 * np.linalg.norm(xyz, axis=1).max() / box, 1.5)
    resolution = voxel * rng.choice([2.3, 2.6, 3.2])
    along = xyz @ (normal := rng.normal(size=3)) / np.linalg.norm(normal)
    cut = np.quantile(along, 1.0 - rng.uniform(0.12, 0.45))
    part = along > cut
    fulcrum = xyz[np.abs(along - cut) < 6.0].mean(axis=0)
    body, moving = (density(xyz[chosen], box, voxel) for chosen in (~part, part))
    moved = np.zeros(body.shape)
    blurred = moving
    if kind.startswith("hinged"):
        lever = max(np.linalg.norm(xyz[part].mean(axis=0) - fulcrum), 5.0)
        angle = min(np.sqrt(2.0) * rng.uniform(0.12, 0.6) * resolution / lever, 0.45)
        turns = rng.normal(scale=angle, size=(DRAWS, 3))
        blurred = mean_of_moved(moving, voxel, turns, fulcrum, np.zeros((DRAWS, 3)))
        grid = (np.indices(body.shape)[::-1] - box // 2) * voxel - fulcrum[:, None, None, None]
        moved = (moving > body) * (2.0 / 3.0) * angle**2 * np.sum(grid**2, axis=0)
    whole = body + blurred
    if kind.endswith("errors"):
        gyration = np.sqrt(np.mean(np.sum(xyz**2, axis=1)))
        error = rng.uniform(0.1, 0.35) * resolution / gyration
        turns = rng.normal(scale=error, size=(DRAWS, 3))
        shifts = rng.normal(scale=0.1 * resolution, size=(DRAWS, 3))
        whole = mean_of_moved(whole, voxel, turns, np.zeros(3), shifts)
    halves = with_noise(rng, whole, body + moving, voxel, resolution)
    return Case(Map(halves[0], voxel), Map(halves[1], voxel), moved, kind)


def with_noise(
    rng: np.random.Generator, seen: np.ndarray, sharp: np.ndarray, voxel: float, resolution: float
) -> list[np.ndarray]:
    """Add noise of which the sharp particle has about as much signal at the resolution.

    Noise rises as the root of the frequency, as slices through it grow scarce.
    """
    k = frequency(len(seen), voxel)
    rise = np.sqrt(np.maximum(k, 0.02))
    noise = [np.fft.rfftn(rng.normal(size=seen.shape)) * rise for _ in range(2)]
    shell = np.abs(k - 1.0 / resolution) < 0.5 / (len(seen) * voxel)
    signal = np.mean(np.abs(np.fft.rfftn(sharp)[shell]) ** 2)
    filled = np.mean(sharp > 0.15 * sharp.max())
    level = np.sqrt(
        signal / np.mean(np.abs(noise[0][shell]) ** 2) / filled * rng.choice([0.7, 1.5])
    )
    return [
        (seen + np.fft.irfftn(level * one, s=seen.shape, axes=(0, 1, 2))).astype(np.float32)
        for one in noise
    ]


def overlap(proposal: Proposal, case: Case, resolution: float) -> tuple[float, float]:
    """Share of the particle that moves; what mask and moving voxels have in common, of both."""
    assert proposal.blur_angstrom is not None
    particle = proposal.blur_angstrom.data > 0
    moves = (case.moved_angstrom2 > HALVES_POWER * resolution**2) & particle
    if proposal.mask is None or not moves.any():
        return float(moves.sum() / particle.sum()), 0.0
    inside = (proposal.mask.data >= 0.99) & particle
    return float(moves.sum() / particle.sum()), float(
        (inside & moves).sum() / (inside | moves).sum()
    )


def regression(features: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Constant and weights of a logistic regression, a little drawn to zero."""

    def loss(w: np.ndarray) -> float:
        score = w[0] + features @ w[1:]
        return float(np.sum(np.logaddexp(0.0, score) - right * score) + 0.02 * np.sum(w[1:] ** 2))

    return minimize(loss, np.zeros(features.shape[1] + 1)).x


def main() -> None:
    """Draw cases, propose, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--cases", type=int, default=40)
    parser.add_argument("--box", type=int, default=96)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    atoms = [positions(None), *(positions(model) for model in given.models)]
    counts: dict[tuple[str, str], list[int]] = {}
    features, right = [], []
    for number in range(given.cases):
        rng = np.random.default_rng((given.seed, number))
        case = make_case(rng, number, atoms[rng.integers(len(atoms))], given.box)
        start = time.perf_counter()
        proposal = propose_from_half_maps(case.half1, case.half2)
        seconds = time.perf_counter() - start
        part = proposal.part
        if part is None:
            print(f"{number:4d}  {case.kind:20s}  all alike", flush=True)
            continue
        resolution = float(proposal.reason.split("At ")[1].split()[0])
        share, common = overlap(proposal, case, resolution)
        found = share > 0.03 and common >= 0.5
        features.append([-np.log(max(part.kept, 1e-3)), np.log(max(part.one_sided, 1e-3))])
        right.append(found)
        counts.setdefault((case.kind, verdict_of(proposal.sure)), [0, 0])[0 if found else 1] += 1
        print(
            f"{number:4d}  {case.kind:20s}  {resolution:4.1f} Å  sure {proposal.sure:4.2f}  kept "
            f"{part.kept:4.2f}  one-sided {part.one_sided:4.2f}  moves {100 * share:3.0f} %  "
            f"common {common:4.2f}  {seconds:4.1f} s",
            flush=True,
        )
    print("\nverdict of each kind: right, wrong (a part that moves, with half of it in common)")
    for (kind, verdict), (good, bad) in sorted(counts.items()):
        print(f"  {kind:20s}  {verdict:8s}  {good:3d}  {bad:3d}")
    weights = regression(np.array(features), np.array(right, float))
    print("logistic regression (constant, power lost, one-sided):", np.round(weights, 1))


if __name__ == "__main__":
    main()
