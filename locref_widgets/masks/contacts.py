"""Where regions touch: pairs of neighbouring voxels, and the density there."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int32, Int64, Integer


@dataclass(frozen=True, eq=False)
class Contacts:
    """Pairs of regions that touch, sorted by their ids.

    A contact is a pair of voxels that share a face, one of each region (Segger counts alike). The
    density there is that of both voxels of every pair; the maximum is the larger one's.
    """

    first: Int64[np.ndarray, " n"]
    """The lower id of a pair of regions."""

    second: Int64[np.ndarray, " n"]
    """The higher id."""

    pairs: Int64[np.ndarray, " n"]
    """How many pairs of voxels touch."""

    mean: Float64[np.ndarray, " n"]
    """Mean density of the voxels of these pairs."""

    maximum: Float64[np.ndarray, " n"]
    """Highest density of a voxel of these pairs."""

    def __len__(self) -> int:
        return len(self.first)

    def grouped(self, region_of: Integer[np.ndarray, " regions"]) -> "Contacts":
        """Contacts of the groups that ``region_of`` puts every region into; 0 is none."""
        first, second = region_of[self.first], region_of[self.second]
        apart = (first != second) & (first > 0) & (second > 0)
        return _summed(
            first[apart],
            second[apart],
            self.pairs[apart],
            (self.mean * self.pairs)[apart],
            self.maximum[apart],
        )

    def totals(self, highest_id: int) -> Int64[np.ndarray, " ids"]:
        """Contacts of every region with all others; indexed by the id, 0 to ``highest_id``."""
        both = np.concatenate([self.first, self.second])
        counts = np.bincount(both, weights=np.tile(self.pairs, 2), minlength=highest_id + 1)
        return counts.astype(np.int64)


def find_contacts(
    labels: Int32[np.ndarray, "z y x"], volume: Float[np.ndarray, "z y x"]
) -> Contacts:
    """Find the contacts between the regions of a volume of labels, 0 being none."""
    first, second, total, highest = [], [], [], []
    for axis in range(3):
        before, after = (
            (slice(None),) * axis + (part,) for part in (slice(None, -1), slice(1, None))
        )
        a, b = labels[before], labels[after]
        touch = a != b
        touch &= a != 0
        touch &= b != 0
        first.append(a[touch])
        second.append(b[touch])
        density = volume[before][touch].astype(np.float64), volume[after][touch].astype(np.float64)
        total.append(0.5 * (density[0] + density[1]))
        highest.append(np.maximum(*density))
    columns = [np.concatenate(column) for column in (first, second, total, highest)]
    return _summed(columns[0], columns[1], np.ones(len(columns[0]), np.int64), *columns[2:])


def _summed(
    a: Integer[np.ndarray, " n"],
    b: Integer[np.ndarray, " n"],
    pairs: Int64[np.ndarray, " n"],
    total: Float64[np.ndarray, " n"],
    highest: Float64[np.ndarray, " n"],
) -> Contacts:
    """Bring together the rows of the same two regions."""
    low, high = np.minimum(a, b).astype(np.int64), np.maximum(a, b).astype(np.int64)
    stride = int(high.max(initial=0)) + 1
    keys, row = np.unique(low * stride + high, return_inverse=True)
    counts = np.bincount(row, weights=pairs, minlength=len(keys))
    maximum = np.full(len(keys), -np.inf)
    np.maximum.at(maximum, row, highest)
    return Contacts(
        first=keys // stride,
        second=keys % stride,
        pairs=counts.astype(np.int64),
        mean=np.bincount(row, weights=total, minlength=len(keys)) / np.maximum(counts, 1),
        maximum=maximum,
    )
