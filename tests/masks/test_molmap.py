"""Simulated maps against the sum of Gaussians itself and the numbers of a real model."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from scipy.spatial import KDTree

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.masks.gaussian_sum import sum_of_gaussians
from locref_widgets.masks.molmap import molmap, region_near_atoms
from tests.masks.model_cases import atoms_at, random_atoms

# float32 products of about a hundred atoms; the greatest error seen is 4e-7 of the greatest value.
TOLERANCE = 2e-6


def summed_atom_by_atom(
    points_px: Float[np.ndarray, "n 3"],
    weights: Float[np.ndarray, " n"],
    sigma_px: float,
    shape: tuple[int, int, int],
) -> Float[np.ndarray, "z y x"]:
    """The definition in float64: whole voxels from ceil(x - 5 s) to floor(x + 5 s), in the grid."""
    total = np.zeros(shape)
    for point, weight in zip(points_px, weights, strict=True):
        voxels, profiles = [], []
        for centre, size in zip(point[::-1], shape, strict=True):
            first, last = np.ceil(centre - 5 * sigma_px), np.floor(centre + 5 * sigma_px)
            inside = np.arange(max(first, 0), min(last, size - 1) + 1).astype(int)
            voxels.append(inside)
            profiles.append(np.exp(-((inside - centre) ** 2) / (2 * sigma_px**2)))
        z, y, x = profiles
        total[np.ix_(*voxels)] += weight * z[:, None, None] * y[None, :, None] * x
    return total / (np.sqrt(2 * np.pi) * sigma_px) ** 3


def empty_map(shape: tuple[int, int, int], voxel: float, corner: tuple[float, ...]) -> Map:
    position = BoxPosition(origin_angstrom=(corner[0], corner[1], corner[2]))
    return Map(np.zeros(shape, np.float32), voxel, position=position)


@pytest.mark.parametrize("sigma_px", [0.4, 1.34, 3.1, 7.0])
def test_products_add_up_to_the_sum_of_gaussians(rng: np.random.Generator, sigma_px: float) -> None:
    shape = (33, 29, 40)
    # Many outside, and some that touch the grid with their tails only.
    points = rng.uniform(-30, 60, (400, 3))
    weights = rng.uniform(1, 30, 400)
    ours = sum_of_gaussians(points, weights, sigma_px, shape)
    truth = summed_atom_by_atom(points, weights, sigma_px, shape)
    np.testing.assert_allclose(ours, truth, atol=TOLERANCE * truth.max(), rtol=0)


def test_atoms_taken_in_several_portions_add_up(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    points, weights = rng.uniform(0, 20, (500, 3)), rng.uniform(1, 30, 500)
    at_once = sum_of_gaussians(points, weights, 1.5, (20, 20, 20))
    monkeypatch.setattr("locref_widgets.masks.gaussian_sum._ATOMS_AT_ONCE", 7)
    monkeypatch.setattr("locref_widgets.masks.gaussian_sum._PRODUCT_SIZE", 2000)
    in_portions = sum_of_gaussians(points, weights, 1.5, (20, 20, 20))
    np.testing.assert_allclose(in_portions, at_once, atol=TOLERANCE * at_once.max(), rtol=0)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(4.0, 25.0),
    st.tuples(st.floats(-500, 500), st.floats(-500, 500), st.floats(-500, 500)),
)
def test_values_sum_to_the_atomic_numbers(
    seed: int, resolution: float, place: tuple[float, ...]
) -> None:
    atoms = random_atoms(np.random.default_rng(seed), 50, 15.0)
    moved = atoms_at(atoms.positions_angstrom + np.array(place), atoms.elements.tolist())
    volume = molmap(moved, resolution)
    # Beyond 5 standard deviations lie 2e-6 of a Gaussian's integral (6e-7 along each axis). The sum
    # over a grid of steps h differs by 6 exp(-2 pi^2 s^2 / h^2): 7e-4 for h = resolution / 3.
    total = volume.data.sum(dtype=np.float64) * volume.voxel_size_angstrom**3
    step = volume.voxel_size_angstrom
    sigma = resolution / (np.pi * np.sqrt(2))
    allowed = 6 * np.exp(-2 * np.pi**2 * (sigma / step) ** 2) + 1e-5
    assert total == pytest.approx(atoms.atomic_numbers.sum(), rel=allowed)


@pytest.mark.parametrize(
    ("resolution", "size", "corner", "highest", "mean", "total"),
    [
        (5.0, (45, 43, 60), (-54.4862, 115.474, 253.5458), 0.872226, 0.023959, 12877.94),
        (8.0, (35, 34, 44), (-63.1528, 106.474, 245.3792), 0.562649, None, 12877.976),
        (16.0, (27, 26, 31), (-87.1528, 83.8073, 222.7125), 0.357832, None, 12877.9994),
    ],
)
def test_a_protein_has_the_grid_and_values_of_an_independent_float64_sum(
    shared_data: Path,
    resolution: float,
    size: tuple[int, int, int],
    corner: tuple[float, float, float],
    highest: float,
    mean: float | None,
    total: float,
) -> None:
    """Numbers of another implementation, one that agreed with a map made by Chimera to 3e-4."""
    volume = molmap(shared_data / "masks" / "KsgA.pdb", resolution)
    assert volume.size_xyz == size
    np.testing.assert_allclose(volume.corner_angstrom, corner, atol=6e-5)
    assert volume.data.max() == pytest.approx(highest, abs=2e-6)
    if mean is not None:
        assert volume.data.mean(dtype=np.float64) == pytest.approx(mean, abs=6e-7)
    summed = volume.data.sum(dtype=np.float64) * volume.voxel_size_angstrom**3
    assert summed == pytest.approx(total, abs=6e-3)


def test_a_map_on_a_given_grid_puts_atoms_where_its_header_says(rng: np.random.Generator) -> None:
    atoms = random_atoms(rng, 60, 12.0)
    grid = empty_map((25, 30, 28), 1.7, (-21.3, -24.1, -20.2))
    volume = molmap(atoms, 8.0, on_grid=grid)
    assert volume.position == grid.position
    assert volume.voxel_size_angstrom == 1.7
    sigma = 8.0 / (np.pi * np.sqrt(2))
    points = (atoms.positions_angstrom - np.array([-21.3, -24.1, -20.2])) / 1.7
    truth = summed_atom_by_atom(points, atoms.atomic_numbers / 1.7**3, sigma / 1.7, (25, 30, 28))
    np.testing.assert_allclose(volume.data, truth, atol=TOLERANCE * truth.max(), rtol=0)


def test_a_cropped_grid_holds_the_same_values(shared_data: Path) -> None:
    """The monomer's box lies whole voxels from the map's, by an origin of 3 decimals."""
    whole = read_map(shared_data / "masks" / "emd_5168.map")
    part = read_map(shared_data / "masks" / "emd_5168_monomer.mrc", cubic=False)
    model = shared_data / "masks" / "3MFP.pdb"
    in_whole, in_part = (molmap(model, 8.0, on_grid=grid) for grid in (whole, part))
    x, y, z = np.rint((part.corner_angstrom - whole.corner_angstrom) / 1.742).astype(int)
    nx, ny, nz = part.size_xyz
    assert z == -2  # it begins below the map's box
    cut = in_whole.data[: z + nz, y : y + ny, x : x + nx]
    # A shift of 5e-4 Å changes a Gaussian of 1.8 Å by at most 0.6 / 1.8 * 5e-4 = 1.7e-4 of itself.
    assert np.abs(cut - in_part.data[-z:]).max() < 2e-4 * cut.max()


def test_what_lies_outside_the_grid_adds_nothing_at_its_rim() -> None:
    atoms = atoms_at(np.array([[10.0, 10.0, 10.0], [10.0, 10.0, 60.0]]))
    one = atoms_at(np.array([[10.0, 10.0, 10.0]]))
    grid = empty_map((20, 20, 20), 1.0, (0.0, 0.0, 0.0))
    with_outside = molmap(atoms, 6.0, on_grid=grid)
    np.testing.assert_array_equal(with_outside.data, molmap(one, 6.0, on_grid=grid).data)
    assert "1 of 2 atoms lie outside" in with_outside.remarks[0]


def test_unusable_maps_are_refused() -> None:
    atoms = atoms_at(np.array([[10.0, 10.0, 100.0]]))
    grid = empty_map((20, 20, 20), 1.0, (0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="no atom lies in the box"):
        molmap(atoms, 6.0, on_grid=grid)
    with pytest.raises(InputError, match="no atom lies in the box"):
        region_near_atoms(atoms, 6.0, grid)
    for length in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InputError, match="expected a length"):
            molmap(atoms, length)
        with pytest.raises(InputError, match="expected a length"):
            region_near_atoms(atoms, length, grid)
    with pytest.raises(InputError, match="element of no atom is known"):
        molmap(atoms_at(np.zeros((1, 3)), ["X"]), 6.0)
    with pytest.raises(InputError, match="coarser resolution"):
        molmap(atoms_at(np.array([[0.0, 0.0, 0.0], [900.0, 900.0, 900.0]])), 1.0)
    with pytest.raises(InputError, match="half the voxel's diagonal"):
        region_near_atoms(atoms_at(np.array([[10.5, 10.5, 10.5]])), 0.5, grid)


@pytest.mark.parametrize("radius", [1.3, 3.0, 9.0])
def test_region_is_every_voxel_within_the_radius_of_an_atom(
    rng: np.random.Generator, radius: float
) -> None:
    atoms = random_atoms(rng, 80, 20.0)
    grid = empty_map((21, 30, 26), 1.6, (-17.0, -26.0, -19.0))
    region = region_near_atoms(atoms, radius, grid)
    z, y, x = np.indices(grid.data.shape)
    centres = np.stack([x, y, z], axis=-1) * 1.6 + grid.corner_angstrom
    distance, _ = KDTree(atoms.positions_angstrom).query(centres)
    np.testing.assert_array_equal(region.data, distance <= radius)


def test_region_of_a_radius_holds_the_voxel_at_exactly_that_distance() -> None:
    grid = empty_map((9, 9, 9), 1.0, (0.0, 0.0, 0.0))
    region = region_near_atoms(atoms_at(np.array([[4.0, 4.0, 4.0]])), 2.0, grid)
    assert region.data.sum() == 33  # the voxels of a ball of radius 2, its surface too
    assert region.data[4, 4, 6] == 1
    assert region.data[4, 4, 7] == 0


def test_selected_atoms_alone_make_the_map(shared_data: Path) -> None:
    model = shared_data / "models" / "1oel_groel.pdb.gz"
    one_chain = molmap(model, 12.0, selection="C")
    total = one_chain.data.sum(dtype=np.float64) * one_chain.voxel_size_angstrom**3
    assert total == pytest.approx(25629, rel=1e-3)
