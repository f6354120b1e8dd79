"""Global searches: planted places, and the copies of a ring of seven in a map of two rings."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.masks.fit_in_map import fit_in_map, make_target
from locref_widgets.masks.fit_points import FitPoints, points_of_atoms, points_of_map
from locref_widgets.masks.fit_search import _blurred, search_fits
from locref_widgets.masks.molmap import molmap
from tests.masks.model_cases import atoms_at, random_atoms


def lopsided(rng: np.random.Generator) -> np.ndarray:
    parts = [(300, 9.0, (-9, 2, 0)), (150, 6.0, (10, -4, 3)), (60, 4.0, (2, 12, -8))]
    return np.concatenate(
        [random_atoms(rng, n, r).positions_angstrom + np.array(at) for n, r, at in parts]
    )


@pytest.fixture(scope="module")
def two_places() -> tuple[np.ndarray, list[np.ndarray], Map]:
    """Atoms, the same at two places of a map at 7 Å, and that map."""
    positions = lopsided(np.random.default_rng(5))
    turns = Rotation.random(2, np.random.default_rng(6)).as_matrix()
    placed = [
        positions @ turn.T + np.array(at)
        for turn, at in zip(turns, [(-20.0, -5.0, 3.0), (22.0, 8.0, -6.0)], strict=True)
    ]
    grid = Map(
        np.zeros((44, 48, 60), np.float32),
        2.0,
        position=BoxPosition((0, 0, 0), (-60.0, -46.0, -44.0)),
    )
    return positions, placed, molmap(atoms_at(np.concatenate(placed)), 7.0, on_grid=grid)


def test_both_places_are_found_first_from_far_away(
    two_places: tuple[np.ndarray, list[np.ndarray], Map],
) -> None:
    positions, placed, volume = two_places
    points = FitPoints(positions + 900.0, np.ones(len(positions)))
    fits = search_fits(points, volume, n=60, seed=3)
    values = [fit.average for fit in fits]
    assert values == sorted(values, reverse=True)
    found = [fit.moved(points.positions_angstrom) for fit in fits[:2]]
    for truth in placed:
        apart = min(np.sqrt(((each - truth) ** 2).sum(axis=1).mean()) for each in found)
        assert apart < 0.5
    assert fits[2].average < 0.95 * fits[1].average
    assert all(fit.hits >= 2 for fit in fits[:2])
    assert sum(fit.hits for fit in fits) <= 60
    assert all(fit.fraction_inside >= 0.1 for fit in fits)


def test_the_same_seed_finds_the_same(
    two_places: tuple[np.ndarray, list[np.ndarray], Map],
) -> None:
    positions, _, volume = two_places
    points = FitPoints(positions, np.ones(len(positions)))
    target = make_target(volume)
    once, again, other = (search_fits(points, target, n=12, seed=s) for s in (4, 4, 5))
    for first, second in zip(once, again, strict=True):
        np.testing.assert_array_equal(first.rotation, second.rotation)
        assert first.hits == second.hits
    assert [fit.average for fit in once] != [fit.average for fit in other]


def test_no_two_fits_lie_together(two_places: tuple[np.ndarray, list[np.ndarray], Map]) -> None:
    positions, _, volume = two_places
    points = FitPoints(positions, np.ones(len(positions)))
    fits = search_fits(points, volume, n=40, seed=8)
    for i, first in enumerate(fits):
        for second in fits[:i]:
            turn = Rotation.from_matrix(first.rotation @ second.rotation.T).magnitude()
            places = [fit.moved(fit.centre_angstrom[None]) for fit in (first, second)]
            shift = np.linalg.norm(places[0] - places[1])
            # Of float64 numbers; they were sorted out in float32.
            assert np.rad2deg(turn) > 5.99 or shift > 2.99


def test_a_found_fit_is_where_a_local_fit_stays(
    two_places: tuple[np.ndarray, list[np.ndarray], Map],
) -> None:
    positions, _, volume = two_places
    points = FitPoints(positions, np.ones(len(positions)))
    best = search_fits(points, volume, n=40, seed=8)[0]
    again = fit_in_map(
        points, volume, rotation=best.rotation, translation_angstrom=best.translation_angstrom
    )
    np.testing.assert_allclose(again.moved(positions), best.moved(positions), atol=0.1)
    assert again.average == pytest.approx(best.average, rel=1e-4)


def test_blurred_maps_are_those_of_a_gaussian_on_every_nth_voxel(rng: np.random.Generator) -> None:
    smooth = ndimage.gaussian_filter(rng.normal(size=(36, 40, 44)), 2.0).astype(np.float32)
    volume = Map(smooth, 1.0)
    data, bin_px = _blurred(volume, 3.4)
    assert bin_px == 3
    exact = ndimage.gaussian_filter(smooth.astype(np.float64), 3.4, mode="constant")
    at = exact[1::3, 1::3, 1::3]
    inner = (slice(3, -3),) * 3
    # Binning is a box, not a Gaussian of the same variance: alike to the fourth order.
    shape = at[inner].shape
    near = data[tuple(slice(3, 3 + n) for n in shape)]
    assert np.abs(near - at[inner]).max() < 0.02 * np.abs(exact).max()


def test_searches_that_cannot_be_made_are_refused(
    two_places: tuple[np.ndarray, list[np.ndarray], Map],
) -> None:
    positions, _, volume = two_places
    points = FitPoints(positions, np.ones(len(positions)))
    with pytest.raises(InputError, match="must be 1 or more"):
        search_fits(points, volume, n=0)
    with pytest.raises(InputError, match="no voxel reaches the level"):
        search_fits(points, volume, n=3, level=1e6)
    with pytest.raises(InputError, match="have one weight"):
        search_fits(points, volume, n=3, metric="correlation about mean")
    high = 0.99 * float(volume.data.max())
    with pytest.raises(InputError, match="no fit in the map given has 100 % of its points"):
        search_fits(points, volume, n=1, least_inside=1.0, level=high)


def test_the_ring_of_groel_is_found_in_its_seven_places_and_both_rings(shared_data: Path) -> None:
    """1OEL is one ring of seven. EMD-1997 has two, with the symmetry D7 about z: 14 places.

    Each subunit falls on the next one's when the model is turned by a seventh about z.
    """
    volume = read_map(shared_data / "maps" / "EMD-1997.map")
    model = points_of_atoms(shared_data / "models" / "1oel_groel.pdb.gz", selection="//*//CA")
    fits = search_fits(model, volume, n=150, seed=1)
    right = [fit for fit in fits if fit.average > 1.0]
    # Reimplemented elsewhere, Chimera's steps gave 1.079 at best, 0.311 for the next wrong one.
    assert len(right) >= 9
    assert right[0].average == pytest.approx(1.080, abs=0.002)
    assert all(fit.average < 0.5 for fit in fits[len(right) :])
    upright, turned = set(), set()
    first = right[0]
    for fit in right:
        relative = fit.rotation @ first.rotation.T
        same_ring = relative[2, 2] > 0
        assert abs(relative[2, 2]) > np.cos(np.deg2rad(2.0))
        about_z = np.rad2deg(np.arctan2(relative[1, 0], relative[0, 0]))
        if same_ring:
            sevenths = about_z / (360 / 7)
            assert abs(sevenths - round(sevenths)) * 360 / 7 < 1.0
            upright.add(round(sevenths) % 7)
        else:
            turned.add(round(about_z / (360 / 7) * 2) % 14)
    assert len(upright) + len(turned) == len(right)
    assert len(upright) >= 3
    assert len(turned) >= 3


def test_the_ring_of_groel_comes_back_from_5_angstrom_and_15_degrees(
    shared_data: Path, rng: np.random.Generator
) -> None:
    volume = make_target(read_map(shared_data / "maps" / "EMD-1997.map"))
    model = points_of_atoms(shared_data / "models" / "1oel_groel.pdb.gz", selection="//*//CA")
    best = search_fits(model, volume, n=24, seed=1)[0]
    assert best.average > 1.05
    best = fit_in_map(
        model, volume, rotation=best.rotation, translation_angstrom=best.translation_angstrom
    )
    centre = best.moved(best.centre_angstrom[None])[0]
    back = 0
    for _ in range(50):
        axis, direction = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 3)))
        turn = Rotation.from_rotvec(np.deg2rad(15.0) * axis).as_matrix()
        rotation = turn @ best.rotation
        fit = fit_in_map(
            model,
            volume,
            rotation=rotation,
            translation_angstrom=centre + 5.0 * direction - rotation @ best.centre_angstrom,
        )
        angle = np.rad2deg(Rotation.from_matrix(fit.rotation @ best.rotation.T).magnitude())
        shift = np.linalg.norm(fit.moved(best.centre_angstrom[None])[0] - centre)
        back += int(angle < 1.0 and shift < 0.5)
    assert back >= 45


def test_a_subunit_of_beta_galactosidase_is_found_in_its_places(shared_data: Path) -> None:
    """Four places (D2). In a blurred map the middle of the tetramer is higher than any of them."""
    volume = read_map(shared_data / "maps" / "betaGal.mrc")
    model = points_of_atoms(shared_data / "models" / "5a1a.pdb.gz", selection="A//CA")
    fits = search_fits(model, volume, n=150, seed=2)
    best = fits[0].average
    right = [fit for fit in fits if fit.average > 0.97 * best]
    assert 3 <= len(right) <= 4
    assert fits[len(right)].average < 0.93 * best
    for fit in right[1:]:
        turn = Rotation.from_matrix(fit.rotation @ right[0].rotation.T)
        assert np.rad2deg(turn.magnitude()) == pytest.approx(180.0, abs=2.0)


def test_a_map_is_found_in_a_map_by_its_correlation(
    two_places: tuple[np.ndarray, list[np.ndarray], Map],
) -> None:
    positions, placed, volume = two_places
    turn = Rotation.random(random_state=1).as_matrix()
    part = molmap(atoms_at(positions @ turn.T + 300.0), 7.0)
    points = points_of_map(part, 0.01)
    fits = search_fits(points, volume, metric="correlation about mean", n=40, seed=1)
    found = [fit.moved(positions @ turn.T + 300.0) for fit in fits[:2]]
    for truth in placed:
        apart = min(np.sqrt(((each - truth) ** 2).sum(axis=1).mean()) for each in found)
        assert apart < 0.5
    assert fits[1].correlation_about_mean > 0.9 > fits[2].correlation_about_mean
