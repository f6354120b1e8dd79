"""Data sets of a two-body complex with a known hinge motion, as a folder of RELION files."""

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import write_map
from locref_widgets.io.new_folder import check_free, new_folder
from locref_widgets.simulation.bodies import Bodies, make_mask
from locref_widgets.simulation.rendering import (
    Camera,
    HingeParameters,
    draw,
    write_stack,
)
from locref_widgets.simulation.tables import write_table


def simulate_hinge_dataset(
    out: str | os.PathLike[str],
    *,
    n: int = 1000,
    box_px: int = 128,
    pixel_size_angstrom: float = 2.0,
    hinge_deg: float = 10.0,
    shift_px: float = 1.5,
    snr: float = 0.05,
    seed: int = 0,
    model: str | os.PathLike[str] | None = None,
    moving: str | Sequence[str] | None = None,
    maps: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    fulcrum_angstrom: Sequence[float] | None = None,
    bfactor_angstrom2: float = 80.0,
    defocus_range_angstrom: tuple[float, float] = (8000.0, 25000.0),
    origin_sd_px: float = 2.0,
    pose_error_deg: float = 0.0,
    pose_error_px: float = 0.0,
    particles_per_micrograph: int = 100,
    pixel_type: str = "float32",
) -> Path:
    """Write a data set of a complex whose body B is hinged on body A; return its folder.

    The folder holds ``particles.mrcs`` (A + B, CTF, white noise), ``consensus.star`` (the input of
    a local refinement: the pose of A for every particle, half-sets), ``consensus.mrc`` and its
    half-maps (reconstructions at those poses), ``mask.mrc`` (soft, around B), ``truth_A.star`` and
    ``truth_B.star`` (true poses, same rows), ``maps/A.mrc``, ``B.mrc``, ``AB.mrc`` (at the scale of
    the images) and ``dataset.json``. It appears whole or not at all. The same arguments give the
    same files.

    Parameters
    ----------
    out
        Folder to make; it must not exist, or be empty.
    n
        Number of particles.
    box_px, pixel_size_angstrom
        Of images and maps; with ``maps``, those of the maps are taken.
    hinge_deg
        Largest angle of B's rotation about the fulcrum (uniform from 0, random axis).
    shift_px
        Largest extra shift of B along x and y (uniform).
    snr
        Variance of the noise-free images over that of the noise, inside the inscribed circle.
    seed
        Of all random numbers.
    model, moving, fulcrum_angstrom
        PDB or mmCIF file, the selection of its moving part and the fulcrum in its coordinates (see
        `locref_widgets.simulation.model.read_model`). Without a model: the 30S ribosomal subunit.
    maps
        Instead of a model: maps of A and B on one grid; then ``fulcrum_angstrom`` is needed and is
        relative to voxel N // 2.
    bfactor_angstrom2
        Of the atoms.
    defocus_range_angstrom
        Of micrographs.
    origin_sd_px, pose_error_deg, pose_error_px
        Standard deviation per axis of the origins, and of errors put on the consensus poses.
    particles_per_micrograph
        Particles that share defocus and astigmatism.
    pixel_type
        How the stack is stored: float32, float16 or int8. int8 rounds to a fraction of the
        noise's sd (some 1/16, see ``noise_sd`` in dataset.json) and is a quarter in size.

    Raises
    ------
    InputError
        If an argument is out of range or a file is unusable, or ``out`` holds something.
    OutputError
        If the folder cannot be written.
    """
    parameters = HingeParameters(
        n=n,
        seed=seed,
        hinge_deg=hinge_deg,
        shift_px=shift_px,
        snr=snr,
        defocus_range_angstrom=defocus_range_angstrom,
        origin_sd_px=origin_sd_px,
        pose_error_deg=pose_error_deg,
        pose_error_px=pose_error_px,
        particles_per_micrograph=particles_per_micrograph,
        pixel_type=pixel_type,
    )
    _check(parameters)
    folder = check_free(out)
    if maps is not None:
        if model is not None or moving is not None:
            raise InputError("give either a model or maps of the two bodies, not both.")
        bodies = Bodies.from_maps(*maps, fulcrum_angstrom)
    else:
        bodies = Bodies.from_model(
            model, moving, fulcrum_angstrom, box_px, pixel_size_angstrom, bfactor_angstrom2
        )
    with new_folder(folder) as aside:
        _write_dataset(aside, bodies, parameters)
    return folder


def _check(parameters: HingeParameters) -> None:
    low, high = parameters.defocus_range_angstrom
    checks = [
        (parameters.n >= 2, f"n = {parameters.n}: at least 2 particles, one for each half-set"),
        (0 <= parameters.hinge_deg <= 180, f"hinge_deg = {parameters.hinge_deg}: 0 to 180"),
        (parameters.shift_px >= 0, f"shift_px = {parameters.shift_px}: 0 or more"),
        (0 < parameters.snr < math.inf, f"snr = {parameters.snr}: above 0 (0.05 is usual)"),
        (0 < low <= high, f"defocus range {low:g} to {high:g} Å: two rising numbers above 0"),
        (parameters.particles_per_micrograph >= 1, "particles_per_micrograph: at least 1"),
        (
            parameters.pixel_type in ("float32", "float16", "int8"),
            f"pixel_type = {parameters.pixel_type}: float32, float16 or int8",
        ),
    ]
    for sound, message in checks:
        if not sound:
            raise InputError(f"simulation: {message}.")


def _write_dataset(folder: Path, bodies: Bodies, parameters: HingeParameters) -> None:
    truth = draw(parameters, bodies)
    camera = Camera(bodies, truth, parameters)
    voxel = bodies.voxel_size_angstrom
    (folder / "maps").mkdir()
    for name, density in (
        ("A", bodies.still),
        ("B", bodies.moving),
        ("AB", bodies.still + bodies.moving),
    ):
        write_map(folder / "maps" / f"{name}.mrc", density * camera.gain, voxel)
    write_map(folder / "mask.mrc", make_mask(bodies.moving, voxel), voxel)
    halves = write_stack(folder / "particles.mrcs", camera, parameters)
    for name, volume in zip(
        ("consensus_half1", "consensus_half2", "consensus"), halves, strict=True
    ):
        write_map(folder / f"{name}.mrc", volume, voxel)
    for name, poses in (
        ("consensus", truth.consensus),
        ("truth_A", truth.still),
        ("truth_B", truth.moving),
    ):
        write_table(
            folder / f"{name}.star",
            poses,
            truth.ctf,
            micrograph=truth.micrograph,
            half_sets=truth.half_sets,
            box_px=bodies.box_px,
            pixel_size_angstrom=voxel,
        )
    with (folder / "particles.mrcs").open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    fulcrum = bodies.fulcrum_angstrom
    facts = asdict(parameters) | {
        "source": bodies.source,
        "box_px": bodies.box_px,
        "pixel_size_angstrom": voxel,
        "fulcrum_angstrom": fulcrum.round(3).tolist(),
        "fulcrum_voxels": (fulcrum / voxel + bodies.box_px // 2).round(3).tolist(),
        "centre_of_B_angstrom": bodies.centre_of_moving_angstrom.round(3).tolist(),
        "noise_sd": camera.noise_sd,
        "snr_B": camera.snr_moving,
        "median_hinge_deg": float(np.median(truth.motions_deg)),
        "rms_hinge_deg": float(np.sqrt((truth.motions_deg**2).mean())),
        "sha256_of_particles": digest,
    }
    (folder / "dataset.json").write_text(json.dumps(facts, indent=1) + "\n")
