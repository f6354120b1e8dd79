"""A small set of cryoSPARC particles that tests change where they need, and what they compare."""

from dataclasses import dataclass, field
from pathlib import Path

import mrcfile
import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.io.particles import Particles

COUNT = 6


def fields() -> dict[str, np.ndarray]:
    """Fields as a refinement of cryoSPARC writes them, two exposure groups, every aberration."""
    rng = np.random.default_rng(3)
    n = COUNT

    def per_group(*values) -> np.ndarray:
        return np.array([values[i % 2] for i in range(n)], np.float32)

    def plain(*shape: int, scale: float = 1.0) -> np.ndarray:
        return rng.normal(0, scale, (n, *shape)).astype(np.float32)

    poses = Rotation.random(n, random_state=4).as_rotvec().astype(np.float32)
    return {
        "uid": rng.integers(0, 2**63, n, dtype=np.uint64) * np.uint64(2) + np.uint64(1),
        "blob/path": np.array([b">J1/stack.mrcs"] * n),
        "blob/idx": np.array([3, 0, 1, 5, 4, 2], np.uint32),
        "blob/shape": np.full((n, 2), 16, np.uint32),
        "blob/psize_A": np.full(n, 2.5, np.float32),
        "blob/sign": np.full(n, -1, np.float32),
        "blob/import_sig": np.full(n, 2**63 + 7, np.uint64),
        "ctf/type": np.array([b"patch_ctf"] * n),
        "ctf/exp_group_id": np.array([40, 7] * (n // 2), np.uint32),
        "ctf/accel_kv": per_group(300, 200),
        "ctf/cs_mm": per_group(2.7, 0),
        "ctf/amp_contrast": np.full(n, 0.1, np.float32),
        "ctf/df1_A": (12000 + plain(scale=900)).astype(np.float32),
        "ctf/df2_A": (11500 + plain(scale=900)).astype(np.float32),
        "ctf/df_angle_rad": plain(),
        "ctf/phase_shift_rad": plain(scale=0.5),
        "ctf/scale": per_group(1, 1.25),
        "ctf/scale_const": np.zeros(n, np.float32),
        "ctf/shift_A": per_group([0.3, -0.2], [0, 0.05]),
        "ctf/tilt_A": per_group([2710.5, -955.3], [12.25, 3.125]),
        "ctf/trefoil_A": per_group([801.7, 222.9], [0, -311.3]),
        "ctf/tetra_A": per_group([90110.5, -3333.25, 52000.125, 7.5], [0, 0, 0, 1234.5]),
        "ctf/anisomag": per_group([0.011, -0.0023, 0.0017, -0.009], [0, 0, 0, 0]),
        "ctf/bfactor": per_group(0, 12.5),
        "alignments3D/split": np.array([0, 1, 1, 0, 0, 1], np.uint32),
        "alignments3D/shift": plain(2, scale=3),
        "alignments3D/pose": poses,
        "alignments3D/psize_A": np.full(n, 2.5, np.float32),
        "alignments3D/alpha": (1 + plain(scale=0.1)).astype(np.float32),
        "alignments3D/class": np.zeros(n, np.uint32),
    }


LOCATION = {
    "location/micrograph_path": np.array([b"J1/micrograph.mrc"] * COUNT),
    "location/micrograph_shape": np.tile(np.array([3710, 3838], np.uint32), (COUNT, 1)),
    "location/center_x_frac": np.linspace(0.1, 0.9, COUNT).astype(np.float32),
    "location/center_y_frac": np.linspace(0.2, 0.3, COUNT).astype(np.float32),
}


@dataclass
class CsRecipe:
    """Fields of a .cs file; tests change them and then write the files."""

    folder: Path
    fields: dict[str, np.ndarray] = field(default_factory=fields)
    name: str = "J24/J24_003_particles.cs"

    def write(self) -> Path:
        """Write the stack into J1 and the .cs file into J24, as in a project of cryoSPARC."""
        for job in ("J1", "J24"):
            (self.folder / job).mkdir(exist_ok=True)
        images = np.random.default_rng(1).normal(size=(COUNT, 16, 16)).astype(np.float32)
        mrcfile.write(self.folder / "J1" / "stack.mrcs", images, voxel_size=2.5, overwrite=True)
        return save(self.folder / self.name, self.fields)


def save(path: Path, columns: dict[str, np.ndarray]) -> Path:
    """Write a .cs file by NumPy alone."""
    length = len(next(iter(columns.values())))
    rows = np.empty(length, [(k, c.dtype, c.shape[1:]) for k, c in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    with path.open("wb") as handle:
        np.save(handle, rows)
    return path


def assert_same_ctf(one: Particles, other: Particles, **tolerance: float) -> None:
    """Every parameter of the CTF is the same, bit for bit unless a tolerance is given."""
    for name in type(one.ctf).__dataclass_fields__:
        first, second = getattr(one.ctf, name), getattr(other.ctf, name)
        np.testing.assert_allclose(
            first, second, **({"rtol": 0, "atol": 0} | tolerance), err_msg=name
        )


def angle_between(one: np.ndarray, other: np.ndarray) -> float:
    """The largest angle in radians between two lists of rotations."""
    turn = Rotation.from_matrix(one) * Rotation.from_matrix(other).inv()
    return float(turn.magnitude().max())
