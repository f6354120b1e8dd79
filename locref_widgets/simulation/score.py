"""How far estimated poses are from the true ones.

A refinement may carry its map away as a whole (a gauge: one rotation and one translation), which is
no error of any pose. Errors are therefore given raw and with the best gauge taken out.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError
from locref_widgets.io.particles import Particles

_GAUGE_ROUNDS = 5
_OUTLIER = 3.0
"""Particles worse than this many medians do not count when the gauge is found."""


@dataclass(frozen=True)
class PoseErrors:
    """Errors of each particle."""

    rotation_deg: Float[np.ndarray, " n"]
    """Angle of the rotation between the true and the estimated pose."""
    shift_px: Float[np.ndarray, " n"]
    """Distance between the images of the body's centre at the two poses."""

    def summary(self) -> dict[str, float]:
        """Return medians and 90th percentiles."""
        return {
            "rotation_median_deg": float(np.median(self.rotation_deg)),
            "rotation_p90_deg": float(np.percentile(self.rotation_deg, 90)),
            "shift_median_px": float(np.median(self.shift_px)),
            "shift_p90_px": float(np.percentile(self.shift_px, 90)),
        }


@dataclass(frozen=True)
class PoseScore:
    """Pose errors as they are, and after one rotation and translation of the map."""

    raw: PoseErrors
    gauge: PoseErrors
    map_rotation: Float[np.ndarray, "3 3"]
    """``G``: the refined map shows at ``y`` what the true one shows at ``G (y - map_shift)``."""
    map_shift_angstrom: Float[np.ndarray, "3"]


def score_poses(
    estimated: Particles, truth: Particles, centre_angstrom: Float[np.ndarray, "3"]
) -> PoseScore:
    """Compare estimated poses with true ones, row by row as ``rlnImageName`` says.

    Parameters
    ----------
    estimated
        All particles of ``truth`` or some of them, in any order.
    truth
        For body B of a simulated set: its ``truth_B.star``.
    centre_angstrom
        (x, y, z) of the body's centre of mass relative to voxel N // 2 (``centre_of_B_angstrom``
        of ``dataset.json``): the point whose image measures the shift.

    Raises
    ------
    InputError
        If a particle is not in the truth.
    """
    rows = _rows_in(truth, estimated)
    return score_arrays(
        estimated.rotations,
        estimated.origins_angstrom,
        truth.rotations[rows],
        truth.origins_angstrom[rows],
        centre_angstrom,
        truth.pixel_size_angstrom,
    )


def score_arrays(
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    true_rotations: Float[np.ndarray, "n 3 3"],
    true_origins_angstrom: Float[np.ndarray, "n 2"],
    centre_angstrom: Float[np.ndarray, "3"],
    pixel_size_angstrom: float,
) -> PoseScore:
    """Compare poses given as arrays; see `score_poses`."""
    centre = np.asarray(centre_angstrom, np.float64)
    seen = (true_rotations @ centre)[:, :2] - true_origins_angstrom

    def errors(gauge: np.ndarray, shift: np.ndarray) -> PoseErrors:
        between = np.swapaxes(true_rotations @ gauge, 1, 2) @ rotations
        places = (rotations @ (gauge.T @ centre + shift))[:, :2] - origins_angstrom
        return PoseErrors(
            rotation_deg=np.rad2deg(Rotation.from_matrix(between).magnitude()),
            shift_px=np.linalg.norm(places - seen, axis=1) / pixel_size_angstrom,
        )

    raw = errors(np.eye(3), np.zeros(3))
    keep = np.ones(len(rotations), dtype=bool)
    gauge, shift, corrected = np.eye(3), np.zeros(3), raw
    for _ in range(_GAUGE_ROUNDS):
        difference = np.swapaxes(true_rotations[keep], 1, 2) @ rotations[keep]
        gauge = Rotation.from_matrix(difference).mean().as_matrix()
        # The shift of the map moves each image by its first two rows: least squares over particles.
        offset = seen + origins_angstrom - (rotations @ (gauge.T @ centre))[:, :2]
        shift = np.linalg.lstsq(
            rotations[keep][:, :2].reshape(-1, 3), offset[keep].ravel(), rcond=None
        )[0]
        corrected = errors(gauge, shift)
        keep = (corrected.rotation_deg <= _OUTLIER * np.median(corrected.rotation_deg)) & (
            corrected.shift_px <= _OUTLIER * np.median(corrected.shift_px)
        )
    return PoseScore(raw, corrected, gauge, shift)


def _rows_in(truth: Particles, estimated: Particles) -> Int[np.ndarray, " n"]:
    """Row of the truth for each estimated particle, by its image's number and stack."""
    known = {_key(name): row for row, name in enumerate(truth.table.strings("rlnImageName"))}
    rows = []
    for row, name in enumerate(estimated.table.strings("rlnImageName")):
        if _key(name) not in known:
            raise InputError(
                f"{estimated.path}: row {row + 1}: the image {name} is not in {truth.path}. Give "
                "the truth of the same data set."
            )
        rows.append(known[_key(name)])
    return np.array(rows, dtype=np.int64)


def _key(name: str) -> tuple[int, str]:
    number, _, stack = name.rpartition("@")
    return int(number or 1), stack.rsplit("/", 1)[-1]
