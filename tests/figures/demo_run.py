"""A run folder with plausible content, made without refining anything.

Two blobby bodies; the smaller one comes into focus over the iterations while the changes of pose
grow to those of a hinge. Views crowd about one direction and leave others empty, as real ones do.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from locref_widgets.engine.conventions import rotation_from_euler
from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.io.mrc import write_map
from locref_widgets.refinement.diagnostics import summarise_iteration
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult

BOX_PX, PIXEL_ANGSTROM, N_PARTICLES = 48, 4.0, 2500
FULCRUM_ANGSTROM = (0.0, 18.0, 6.0)
RESOLUTIONS = (21.4, 14.6, 11.3, 10.2, 9.94)


def write_demo_run(
    folder: Path,
    *,
    iterations: int = 4,
    status: str = "finished",
    at_bound: float = 0.04,
    summary: dict[str, Any] | None = None,
) -> Path:
    """Write run.json, events.jsonl and the maps of a run that got to iteration ``iterations``."""
    rng = np.random.default_rng(7)
    settings = RefinementSettings(
        fulcrum_angstrom=FULCRUM_ANGSTROM, rotation_extent=0.35, shift_extent=10.0
    )
    initial = _initial_rotations(rng)
    turn = np.minimum(rng.gamma(3.2, 0.045, N_PARTICLES), 0.34)
    shift = np.minimum(rng.rayleigh(0.9, N_PARTICLES), 4.9)
    bound = rng.uniform(size=N_PARTICLES) < at_bound
    turn[bound] = 0.35
    # Views from one side turn more, which gives the heatmap something to show.
    turn[~bound] *= 0.75 + 0.5 * (initial[~bound, 2, 0] > 0)
    turn = np.minimum(turn, 0.35)

    events: list[dict[str, Any]] = [
        {
            "kind": "run_started",
            "n_particles": N_PARTICLES,
            "box_px": BOX_PX,
            "pixel_size_angstrom": PIXEL_ANGSTROM,
            "fulcrum_angstrom": FULCRUM_ANGSTROM,
            "fulcrum_voxels": [BOX_PX // 2 + x / PIXEL_ANGSTROM for x in FULCRUM_ANGSTROM],
            "rotation_extent": settings.rotation_extent,
            "shift_extent": settings.shift_extent,
            "settings": settings.model_dump(mode="json"),
        },
        {"kind": "warning", "message": "2 particles have constant images and were set aside."},
    ]
    body, head, mask = _bodies(rng)
    for iteration in range(iterations + 1):
        share = 1 - 0.35**iteration
        volume = _volume(body, head, RESOLUTIONS[iteration], rng)
        curves = _curves(RESOLUTIONS[iteration], rng)
        result = IterationResult(
            iteration=iteration,
            half_maps=(volume, volume),
            map=volume,
            mask=mask,
            fsc=curves,
            resolution_angstrom=curves["dynamic mask corrected"].resolution_angstrom(),
            converged=iteration == 4,
            seconds=14.0 + 3.7 * iteration,
            indices=np.arange(N_PARTICLES),
            rotations=initial,
            origins_angstrom=np.zeros((N_PARTICLES, 2)),
            info={
                "pose_change_rad": turn * share,
                "shift_change_px": shift * share,
                "at_bound": bound & (iteration > 0),
            },
        )
        events.append(
            {
                "kind": "iteration_finished",
                **summarise_iteration(result, initial, settings, PIXEL_ANGSTROM),
            }
        )
        place = folder / "iterations" / f"{iteration:03d}"
        place.mkdir(parents=True)
        write_map(place / "map.mrc", volume, PIXEL_ANGSTROM)
        write_map(place / "mask.mrc", mask, PIXEL_ANGSTROM)
        write_map(place / "cutoff_resolution.mrc", _cutoffs(head), PIXEL_ANGSTROM)
    if status == "finished":
        events.append(_post_processed())
        events.append({"kind": "run_finished", "iterations": iterations})
        (folder / "final").mkdir()
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (folder / "run.json").write_text(json.dumps(_record(status, settings, summary or {})))
    return folder


def _record(status: str, settings: RefinementSettings, summary: dict[str, Any]) -> dict[str, Any]:
    def file(name: str, n_bytes: int) -> dict[str, Any]:
        return {"path": f"/data/ribosome/{name}", "bytes": n_bytes, "sha256": "3f5a9c07" * 8}

    stack = {"path": "/data/ribosome/particles.mrcs", "bytes": 23_040_000, "mtime_ns": 1}
    return {
        "schema": 1,
        "kind": "local refinement",
        "status": status,
        "created": "2026-01-12T09:30:11.120Z",
        "updated": "2026-01-12T09:32:02.871Z",
        "summary": summary,
        "settings": settings.model_dump(mode="json"),
        "command": ["locref", "refine", "particles.star", "--map", "map.mrc", "--out", "head"],
        "inputs": {
            "particles": file("particles.star", 612_345),
            "map": file("map.mrc", 443_392),
            "mask": file("mask.mrc", 443_392),
            "half_maps": [],
            "stacks": {"count": 1, "first": [stack | {"sha256_first_and_last_mib": "9b" * 32}]},
        },
        "host": {"name": "workstation", "system": "Linux", "cores": 8},
        "device": {"platform": "cpu", "kind": "cpu", "count": 1},
        "versions": {"locref_widgets": "0.1.0", "jax": "0.10.1", "python": "3.11.9"},
    }


def _initial_rotations(rng: np.random.Generator) -> np.ndarray:
    tilt = np.rad2deg(np.arccos(np.clip(rng.normal(0.1, 0.36, N_PARTICLES), -1, 1)))
    rot = rng.normal(20, 95, N_PARTICLES)
    return rotation_from_euler(rot, tilt, rng.uniform(-180, 180, N_PARTICLES))


def _chain(
    rng: np.random.Generator, start: tuple[float, float, float], n: int, radius: float
) -> np.ndarray:
    """Random walk kept within ``radius`` Å of ``start``, as a density in one voxel per step."""
    volume = np.zeros((BOX_PX,) * 3, np.float32)
    here = np.zeros(3)
    for _ in range(n):
        step = rng.normal(0, 3.8, 3)
        here = here + step if np.linalg.norm(here + step) < radius else here * 0.93
        x, y, z = np.round((here + start) / PIXEL_ANGSTROM).astype(int) + BOX_PX // 2
        volume[z, y, x] += 1
    return volume


def _bodies(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    body = _chain(rng, (0, -16, -4), 2600, 42)
    head = _chain(rng, (4, 38, 8), 1100, 27)
    near = gaussian_filter(head, 2.2)
    mask = gaussian_filter((near > 0.06 * near.max()).astype(np.float32), 1.2)
    return body, head, np.clip(mask, 0, 1).astype(np.float32)


def _volume(
    body: np.ndarray, head: np.ndarray, resolution: float, rng: np.random.Generator
) -> np.ndarray:
    smear = 0.22 * resolution / PIXEL_ANGSTROM
    volume = gaussian_filter(body, 0.9) + gaussian_filter(head, smear)
    return (volume + gaussian_filter(rng.normal(0, 0.05, volume.shape), 0.7)).astype(np.float32)


def _cutoffs(head: np.ndarray) -> np.ndarray:
    near = gaussian_filter(head, 2.5)
    return (22.0 - 13.0 * np.sqrt(near / near.max())).astype(np.float32)


def _post_processed() -> dict[str, Any]:
    x = (np.arange(1, BOX_PX // 2) / (BOX_PX * PIXEL_ANGSTROM)) ** 2
    fall = -4.0 - 60.0 * x + 2.0 * np.exp(-900 * x)
    fitted = x > 0.007
    return {
        "kind": "post_processed",
        "bfactor_angstrom2": -240.0,
        "guinier": {
            "inverse_squared_angstrom": x.tolist(),
            "log_amplitude": (fall + 0.1).tolist(),
            "log_weighted": fall.tolist(),
            "fitted": fitted.tolist(),
            "slope_angstrom2": -60.0,
            "intercept": -4.0,
            "correlation": -0.99,
        },
    }


def _curves(resolution: float, rng: np.random.Generator) -> dict[str, FSCCurve]:
    frequency = np.arange(BOX_PX // 2 + 1) / (BOX_PX * PIXEL_ANGSTROM)

    def fall(crossing: float, steepness: float) -> np.ndarray:
        noise = rng.normal(0, 0.012, len(frequency))
        scale = 1 / crossing / (math.log(1 / 0.143 - 1) / steepness + 1)
        return 1 / (1 + np.exp(steepness * (frequency / scale - 1))) + noise

    values = {
        "no mask": fall(resolution * 1.5, 5),
        "spherical": fall(resolution * 1.3, 5.5),
        "user mask": fall(resolution * 1.05, 6.5),
        "dynamic mask": fall(resolution * 0.97, 7),
        "dynamic mask corrected": fall(resolution, 7),
        "dynamic mask randomised": fall(resolution * 2.1, 8),
    }
    return {name: FSCCurve(frequency, curve) for name, curve in values.items()}
