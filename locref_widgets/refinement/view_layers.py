"""What the particles of each viewing direction have in common: the layers of a heatmap.

NumPy only. Bins are those of `locref_widgets.refinement.diagnostics.viewing_heatmap`.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from locref_widgets.refinement.diagnostics import viewing_bins


@dataclass(frozen=True)
class ViewCells:
    """The bin of every particle on a grid over the view sphere.

    ``cell`` is ``row * n_azimuth + column``; rows go up in elevation, columns in azimuth.
    """

    n_azimuth: int
    n_elevation: int
    cell: Int[np.ndarray, " n"]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.n_elevation, self.n_azimuth

    @property
    def count(self) -> Int[np.ndarray, "rows columns"]:
        """Particles in each cell."""
        return np.bincount(self.cell, minlength=self.n_azimuth * self.n_elevation).reshape(
            self.shape
        )

    def members(self, cells: set[tuple[int, int]]) -> Int[np.ndarray, " m"]:
        """Particles in any of the cells ``(row, column)``, in the table's order."""
        numbers = [row * self.n_azimuth + column for row, column in cells]
        return np.flatnonzero(np.isin(self.cell, numbers))


def view_cells(
    given_rotations: Float[np.ndarray, "n 3 3"], n_azimuth: int, n_elevation: int
) -> ViewCells:
    """File particles under the direction that they were given."""
    cell = viewing_bins(given_rotations, n_azimuth, n_elevation)
    return ViewCells(n_azimuth, n_elevation, cell)


def view_layers(
    cells: ViewCells,
    values: Float[np.ndarray, " n"],
    at_bound: Bool[np.ndarray, " n"],
    vectors: Float[np.ndarray, "n 3"] | None = None,
) -> dict[str, Float[np.ndarray, "rows columns"]]:
    """Layers of a magnitude, each ``[elevation, azimuth]``, NaN where no particle looks from.

    ``mean``, ``median``, ``count`` and ``at_bound`` (share of the particles). With ``vectors``, of
    which the magnitude is the length, in the map's frame: ``direction`` and
    ``direction_elevation`` of the mean vector, degrees, and ``agreement``, its length over the
    mean length: 1 when all point the same way, near 0 when they point anywhere.
    """
    count = cells.count.ravel()
    filled = count > 0

    def mean_of(given: np.ndarray) -> np.ndarray:
        total = np.bincount(cells.cell, np.nan_to_num(given), minlength=len(count))
        known = np.bincount(cells.cell, np.isfinite(given), minlength=len(count))
        return np.divide(total, known, out=np.full(len(count), np.nan), where=known > 0)

    layers = {
        "mean": mean_of(np.asarray(values, np.float64)),
        "median": _median_of(cells, np.asarray(values, np.float64), count),
        "count": np.where(filled, count, np.nan).astype(np.float64),
        "at_bound": mean_of(np.asarray(at_bound, np.float64)),
    }
    if vectors is not None:
        mean = np.stack([mean_of(component) for component in np.asarray(vectors, np.float64).T])
        length = np.linalg.norm(mean, axis=0)
        mean_length = mean_of(np.linalg.norm(vectors, axis=1))
        points = filled & (length > 0)
        sine = np.divide(mean[2], length, out=np.zeros_like(length), where=points)
        layers["direction"] = np.where(points, np.degrees(np.arctan2(mean[1], mean[0])), np.nan)
        layers["direction_elevation"] = np.where(
            points, np.degrees(np.arcsin(np.clip(sine, -1, 1))), np.nan
        )
        layers["agreement"] = np.divide(
            length, mean_length, out=np.full(len(count), np.nan), where=points
        )
    return {name: layer.reshape(cells.shape) for name, layer in layers.items()}


def in_map_frame(
    given_rotations: Float[np.ndarray, "n 3 3"], vectors: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n 3"]:
    """Vectors of the image frame (a shift: its two components) as the map has them, ``R^T v``."""
    rotations = np.asarray(given_rotations, np.float64)
    return np.einsum("nji,nj->ni", rotations[:, : vectors.shape[1]], np.asarray(vectors))


def _median_of(
    cells: ViewCells, values: Float[np.ndarray, " n"], count: Int[np.ndarray, " cells"]
) -> Float[np.ndarray, " cells"]:
    ordered = values[np.lexsort((values, cells.cell))]
    # NaN sorts to the end of its cell: it is left out.
    known = np.bincount(cells.cell, np.isfinite(values), minlength=len(count)).astype(np.int64)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    filled = known > 0
    low = (first + (known - 1) // 2)[filled]
    high = (first + known // 2)[filled]
    median = np.full(len(count), np.nan)
    median[filled] = (ordered[low] + ordered[high]) / 2
    return median
