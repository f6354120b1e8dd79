"""Simulated particles as a RELION 3.1 table."""

import os

import numpy as np
from jaxtyping import Int

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.conventions import euler_from_rotation
from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.io.star import write_star
from locref_widgets.io.star_table import StarTable
from locref_widgets.simulation.hinge import Poses

_FIELD_PX = 4000
"""Edge of the imaginary micrographs, for the coordinates of particles."""


def write_table(
    path: str | os.PathLike[str],
    poses: Poses,
    ctf: CTFParameters,
    *,
    micrograph: Int[np.ndarray, " n"],
    half_sets: Int[np.ndarray, " n"],
    box_px: int,
    pixel_size_angstrom: float,
    stack_name: str = "particles.mrcs",
) -> None:
    """Write a STAR file of simulated particles: one optics group, one row for each image.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    n = len(poses.rotations)
    optics = {
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnOpticsGroup": [1],
        "rlnMicrographOriginalPixelSize": [pixel_size_angstrom],
        "rlnVoltage": [float(ctf.voltage_kv[0])],
        "rlnSphericalAberration": [round(float(ctf.spherical_aberration_mm[0]), 4)],
        "rlnAmplitudeContrast": [round(float(ctf.amplitude_contrast[0]), 4)],
        "rlnImagePixelSize": [pixel_size_angstrom],
        "rlnImageSize": [box_px],
        "rlnImageDimensionality": [2],
    }
    rot, tilt, psi = euler_from_rotation(poses.rotations)
    # Places on the micrograph say nothing; drawn from a seed of their own they are the same in
    # every table of a data set.
    places = np.random.default_rng(0).uniform(200, _FIELD_PX - 200, (n, 2)).round(1)
    particles = {
        "rlnImageName": [f"{i + 1:06d}@{stack_name}" for i in range(n)],
        "rlnMicrographName": [f"mic{m + 1:03d}.mrc" for m in micrograph.tolist()],
        "rlnCoordinateX": places[:, 0],
        "rlnCoordinateY": places[:, 1],
        "rlnDefocusU": _rounded(ctf.defocus_u_angstrom, 1),
        "rlnDefocusV": _rounded(ctf.defocus_v_angstrom, 1),
        "rlnDefocusAngle": _rounded(ctf.defocus_angle_deg, 2),
        "rlnOpticsGroup": np.ones(n, dtype=int),
        "rlnAngleRot": rot,
        "rlnAngleTilt": tilt,
        "rlnAnglePsi": psi,
        "rlnOriginXAngst": poses.origins_angstrom[:, 0],
        "rlnOriginYAngst": poses.origins_angstrom[:, 1],
        "rlnRandomSubset": half_sets,
    }
    blocks = {}
    for name, columns in (("optics", optics), ("particles", particles)):
        table = StarTable({}, name=name, comments=["# version 30001"])
        for label, values in columns.items():
            table = table.with_column(label, values)
        blocks[name] = table
    write_star(path, blocks)


def _rounded(values: AnyArray, decimals: int) -> np.ndarray:
    return np.asarray(values, dtype=np.float64).round(decimals)
