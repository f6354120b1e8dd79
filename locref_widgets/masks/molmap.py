"""Maps simulated from atomic models (UCSF Chimera's ``molmap``), and regions around their atoms."""

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.models import Atoms, Model, Selection, read_atoms
from locref_widgets.io.mrc import Map
from locref_widgets.masks.gaussian_sum import sum_of_gaussians

SIGMA_RESOLUTIONS = 1.0 / (np.pi * np.sqrt(2.0))
"""Standard deviation of an atom in units of the resolution: its Fourier transform falls to 1/e at
the wave number 1/resolution."""

_STEP_RESOLUTIONS = 1.0 / 3.0
_PAD_RESOLUTIONS = 3.0
_MOST_VOXELS = 2**31


def molmap(
    model: Model,
    resolution_angstrom: float,
    *,
    on_grid: Map | None = None,
    selection: Selection | None = None,
) -> Map:
    """Map of a model at a resolution: a Gaussian for each atom, weighted by its atomic number.

    The definition is that of ``molmap`` in UCSF Chimera and ChimeraX (documented in its user's
    guide): standard deviation ``resolution / (pi sqrt 2)``, integral the atomic number whatever
    occupancy and B-factor, cut off at 5 standard deviations along each axis. The sum of the values
    times the voxel's volume is the sum of atomic numbers. One thing differs: what an atom at the
    rim would add beyond the grid is left out, where Chimera adds it to the border planes.

    Parameters
    ----------
    model
        A file, `gemmi.Structure` or `Atoms`; see `select_atoms` for what is taken.
    on_grid
        The map whose grid is used, atoms placed by the start and origin in its header. Without
        one: Chimera's grid, steps of a third of the resolution about the model's middle, three
        times the resolution wider at each side.
    selection
        The part of the model, in MMDB's syntax.

    Returns
    -------
    Map
        Its remarks tell of atoms that do not lie in the grid.

    Raises
    ------
    InputError
        If the model cannot be read, the selection names no atoms, the resolution is no length,
        no atom lies in the grid, or no atom's element is known.
    """
    _check_length("resolution", resolution_angstrom)
    atoms = read_atoms(model, selection)
    if not atoms.atomic_numbers.any():
        raise InputError(
            f"{atoms.source}: the element of no atom is known, so none has a weight. Fill the "
            "column of elements."
        )
    if on_grid is None:
        shape, voxel, position = _grid_around(atoms, resolution_angstrom)
        corner, remarks = position.corner_angstrom(voxel), atoms.remarks
    else:
        shape, voxel, position = on_grid.data.shape, on_grid.voxel_size_angstrom, on_grid.position
        corner = on_grid.corner_angstrom
        remarks = (*atoms.remarks, *_placing_remarks(atoms, on_grid))
    sigma = SIGMA_RESOLUTIONS * resolution_angstrom
    values = sum_of_gaussians(
        (atoms.positions_angstrom - corner) / voxel,
        atoms.atomic_numbers / voxel**3,
        sigma / voxel,
        shape,
    )
    return Map(values, voxel, position=position, remarks=remarks)


def region_near_atoms(
    model: Model,
    radius_angstrom: float,
    on_grid: Map,
    *,
    selection: Selection | None = None,
) -> Map:
    """Mask that is 1 at voxels whose centre is within a radius of an atom's centre, else 0.

    The edge is hard; `soft_edge` softens it.

    Raises
    ------
    InputError
        If the model cannot be read, the selection names no atoms, the radius is no length, or the
        region has no voxel in the grid.
    """
    _check_length("radius", radius_angstrom)
    atoms = read_atoms(model, selection)
    remarks = _placing_remarks(atoms, on_grid)
    voxel = on_grid.voxel_size_angstrom
    points = (atoms.positions_angstrom - on_grid.corner_angstrom) / voxel
    inside = _within(points, radius_angstrom / voxel, on_grid.data.shape)
    if not inside.any():
        raise InputError(
            f"{atoms.source}: no voxel's centre lies within {radius_angstrom:g} Å of an atom. "
            f"Take a radius over half the voxel's diagonal ({voxel * np.sqrt(3) / 2:.2f} Å)."
        )
    return Map(inside, voxel, position=on_grid.position, remarks=(*atoms.remarks, *remarks))


def _within(
    points_px: Float[np.ndarray, "atoms 3"], radius_px: float, shape: tuple[int, ...]
) -> Float[np.ndarray, "z y x"]:
    """1 within a radius of a point.

    A ball meets each row along x in one interval. Its ends are counted in a grid of differences,
    so that an atom costs as many steps as its ball has rows, not voxels.
    """
    nz, ny, nx = shape
    change = np.zeros(nz * ny * (nx + 1), np.int32)
    one = np.int32(1)  # NumPy adds at indices 15 times faster where the types are the same
    # In the order of the grid, for the memory's sake.
    x, y, z = points_px[np.lexsort(np.floor(points_px).T)].T.copy()
    plane, row = np.rint(z).astype(np.int64), np.rint(y).astype(np.int64)
    around = range(-int(radius_px) - 1, int(radius_px) + 2)
    for dz in around:
        in_plane = radius_px**2 - (plane + dz - z) ** 2
        near = np.flatnonzero((in_plane >= 0) & (plane + dz >= 0) & (plane + dz < nz))
        for dy in around:
            rows = row[near] + dy
            square = in_plane[near] - (rows - y[near]) ** 2
            met = np.flatnonzero((square >= 0) & (rows >= 0) & (rows < ny))
            half, centre = np.sqrt(square[met]), x[near[met]]
            first = np.clip(np.ceil(centre - half), 0, nx).astype(np.int64)
            end = np.clip(np.floor(centre + half) + 1, first, nx).astype(np.int64)
            start = ((plane[near[met]] + dz) * ny + rows[met]) * (nx + 1)
            np.add.at(change, start + first, one)
            np.add.at(change, start + end, -one)
    # The ends cancel within each row, so the sums may run on from row to row.
    depth = np.cumsum(change, out=change).reshape(nz, ny, nx + 1)
    return (depth[:, :, :nx] > 0).astype(np.float32)


def _grid_around(
    atoms: Atoms, resolution_angstrom: float
) -> tuple[tuple[int, ...], float, BoxPosition]:
    """Shape (z, y, x), voxel size and place of the grid that Chimera makes for a model."""
    low, high = atoms.positions_angstrom.min(axis=0), atoms.positions_angstrom.max(axis=0)
    voxel = _STEP_RESOLUTIONS * resolution_angstrom
    pad = _PAD_RESOLUTIONS * resolution_angstrom
    size = np.ceil((high - low + 2 * pad) / voxel).astype(np.int64)
    if np.prod(size.astype(np.float64)) > _MOST_VOXELS:
        raise InputError(
            f"{atoms.source}: a map at {resolution_angstrom:g} Å around this model needs "
            f"{' x '.join(map(str, size))} voxels. Give a coarser resolution, or a map's grid."
        )
    origin = 0.5 * (low + high) - 0.5 * (size - 1) * voxel
    return tuple(size[::-1].tolist()), voxel, BoxPosition(origin_angstrom=tuple(origin.tolist()))


def _placing_remarks(atoms: Atoms, on_grid: Map) -> tuple[str, ...]:
    """Tell of atoms outside a grid; InputError if all are."""
    corner, voxel = on_grid.corner_angstrom, on_grid.voxel_size_angstrom
    far = corner + (np.array(on_grid.size_xyz) - 1) * voxel
    outside = np.any((atoms.positions_angstrom < corner) | (atoms.positions_angstrom > far), axis=1)
    grid = on_grid.name
    if outside.all():
        low, high = atoms.positions_angstrom.min(axis=0), atoms.positions_angstrom.max(axis=0)
        raise InputError(
            f"{atoms.source}: no atom lies in the box of the map {grid}: the atoms are at "
            f"{_range(low, high)} Å (x, y, z), the box at {_range(corner, far)}. Fit the model in "
            "the map first, or mend start and origin in the map's header."
        )
    if outside.any():
        remark = (
            f"{atoms.source}: {np.count_nonzero(outside)} of {len(atoms)} atoms lie outside the "
            f"box of the map {grid}; what they would add there is left out."
        )
        return (remark,)
    return ()


def _range(low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"]) -> str:
    return ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))


def _check_length(what: str, value: float) -> None:
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"the {what} is {value:g}, expected a length in Å over 0.")
