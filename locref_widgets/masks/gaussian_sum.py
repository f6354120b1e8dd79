"""Sum of many equal Gaussians on a grid, as matrix products.

A Gaussian is separable, so the atoms of a small cell of the grid add up to
``sum_a z_a y_a x_a = (z y)^T x``: one product of a matrix [atoms, planes times rows] with one
[atoms, columns] for each cell. It is several times the arithmetic of adding one box after another,
but runs at the speed of a matrix product (measured: 100,000 atoms at 8 Å, 0.2 s on one core; box
after box 2.3 s).
"""

import numpy as np
from jaxtyping import Float, Int

CUTOFF_SIGMAS = 5.0
"""Each Gaussian ends here along each axis (UCSF Chimera's molmap), at 4e-6 of its height."""

_CELL_PX = 8
"""Smaller cells waste less arithmetic, larger ones make larger products; measured best from 3 to
16 Å at 1.3 Å a voxel."""

_ATOMS_AT_ONCE = 16384
_PRODUCT_SIZE = 1 << 18
"""Multiplications in one product. OpenBLAS takes several threads for larger ones, and on a busy
machine these wait for each other many times longer than they work."""


def sum_of_gaussians(
    points_px: Float[np.ndarray, "atoms 3"],
    weights: Float[np.ndarray, " atoms"],
    sigma_px: float,
    shape: tuple[int, ...],
) -> Float[np.ndarray, "z y x"]:
    """Sum of Gaussians of integral ``weights`` (in units of voxels) about points.

    A Gaussian is ``weight (2 pi)^-3/2 sigma^-3 exp(-r^2 / 2 sigma^2)`` on the voxels from
    ``ceil(x - 5 sigma)`` to ``floor(x + 5 sigma)`` along each axis, and zero elsewhere. What would
    lie outside the grid is left out. float32; each value is right to about 1e-6 of the greatest.

    Parameters
    ----------
    points_px
        (x, y, z) in voxels from the first one.
    shape
        (z, y, x) of the grid.
    """
    reach = CUTOFF_SIGMAS * sigma_px
    last = np.array(shape[::-1]) - 1
    felt = np.all((points_px >= -reach) & (points_px <= last + reach), axis=1)
    points, weights = points_px[felt], weights[felt]
    total = np.zeros(shape, np.float32)
    if not len(points):
        return total
    cells = np.floor(points / _CELL_PX).astype(np.int64)
    order, starts = _grouped(cells)
    points, weights, cells = points[order], weights[order], cells[order]
    height = (2.0 * np.pi) ** -1.5 * sigma_px**-3
    # Whole cells, about so many atoms at a time: memory does not grow with the model.
    bounds = np.append(starts, len(points))
    first = 0
    while first < len(starts):
        stop = np.searchsorted(bounds, bounds[first] + _ATOMS_AT_ONCE, side="right") - 1
        stop = max(int(stop), first + 1)
        chosen = slice(bounds[first], bounds[stop])
        corners = cells[chosen] * _CELL_PX - int(reach)
        x, y, z = _profiles(points[chosen] - corners, sigma_px, _CELL_PX + 2 * int(reach) + 1)
        z *= (weights[chosen] * height).astype(np.float32)[:, None]
        inside = bounds[first : stop + 1] - bounds[first]
        for start, end in zip(inside[:-1].tolist(), inside[1:].tolist(), strict=True):
            _add_cell(total, corners[start].tolist(), x[start:end], y[start:end], z[start:end])
        first = stop
    return total


def _grouped(
    cells: Int[np.ndarray, "atoms 3"],
) -> tuple[Int[np.ndarray, " atoms"], Int[np.ndarray, " cells"]]:
    """Order that brings atoms of a cell together, and where each cell then begins."""
    order = np.lexsort(cells.T)
    is_new = np.any(np.diff(cells[order], axis=0) != 0, axis=1)
    return order, np.flatnonzero(np.append(True, is_new))


def _profiles(
    points_px: Float[np.ndarray, "atoms 3"], sigma_px: float, length: int
) -> list[Float[np.ndarray, "atoms length"]]:
    """One-dimensional Gaussians of height 1 along x, y, z, cut off."""
    grid = np.arange(length, dtype=np.float32)
    factor = np.float32(-0.5 / sigma_px**2)
    farthest = np.float32((CUTOFF_SIGMAS * sigma_px) ** 2)
    profiles = []
    for axis in range(3):
        square = (grid - points_px[:, axis : axis + 1].astype(np.float32)) ** 2
        value = np.exp(factor * square)
        value[square > farthest] = 0.0
        profiles.append(value)
    return profiles


def _add_cell(
    total: Float[np.ndarray, "z y x"],
    corner_xyz: list[int],
    x: Float[np.ndarray, "n length"],
    y: Float[np.ndarray, "n length"],
    z: Float[np.ndarray, "n length"],
) -> None:
    """Add the atoms of one cell, whose profiles start at voxel ``corner_xyz``, where in the box."""
    length = x.shape[1]
    sizes = total.shape[::-1]
    low = [max(corner, 0) for corner in corner_xyz]
    high = [min(corner + length, size) for corner, size in zip(corner_xyz, sizes, strict=True)]
    if any(a >= b for a, b in zip(low, high, strict=True)):
        return
    x, y, z = (
        profile[:, a - corner : b - corner]
        for profile, corner, a, b in zip((x, y, z), corner_xyz, low, high, strict=True)
    )
    box = total[low[2] : high[2], low[1] : high[1], low[0] : high[0]]
    rows = y.shape[1] * x.shape[1]
    atoms = max(1, _PRODUCT_SIZE // rows)
    for start in range(0, len(x), atoms):
        some = slice(start, start + atoms)
        planes = max(1, _PRODUCT_SIZE // (rows * len(x[some])))
        for first in range(0, len(box), planes):
            part = box[first : first + planes]
            planes_rows = z[some, first : first + planes, None] * y[some, None, :]
            product = planes_rows.reshape(len(planes_rows), -1).T @ x[some]
            part += product.reshape(part.shape)
