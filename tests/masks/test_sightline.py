import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from locref_widgets.masks.sightline import surface_point, value_at


def test_values_between_voxels_are_scipys(rng):
    volume = rng.normal(size=(7, 9, 11)).astype(np.float32)
    points = rng.uniform(-1, 12, size=(500, 3))
    expected = ndimage.map_coordinates(
        volume.astype(np.float64), points[:, ::-1].T, order=1, cval=np.nan
    )
    found = value_at(volume, points)
    inside = np.all((points >= 0) & (points <= [10, 8, 6]), axis=1)
    assert inside.any()
    assert not inside.all()
    assert found[inside] == pytest.approx(expected[inside], abs=1e-6)
    assert np.isnan(found[~inside]).all()


def test_the_outermost_voxels_belong_to_the_box(rng):
    volume = rng.normal(size=(3, 4, 5)).astype(np.float32)
    assert value_at(volume, np.array([[4.0, 3.0, 2.0]]))[0] == pytest.approx(float(volume[2, 3, 4]))
    thin = volume[:1]
    assert value_at(thin, np.array([[1.0, 1.0, 0.0]]))[0] == pytest.approx(float(volume[0, 1, 1]))


@given(
    seed=st.integers(0, 2**32 - 1),
    level=st.floats(-0.5, 0.5),
    reach=st.floats(1.0, 4.0),
)
def test_the_point_is_the_passage_from_below_nearest_to_where_it_was_looked_for(seed, level, reach):
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=(12, 12, 12)), 1.5).astype(np.float32)
    volume = (smooth / smooth.std()).astype(np.float32)
    near = rng.uniform(4, 8, 3)
    direction = rng.normal(size=3)
    found = surface_point(volume, level, near, direction, reach)
    unit = direction / np.linalg.norm(direction)
    along = np.linspace(-reach, reach, 4001)
    values = value_at(volume, near + along[:, None] * unit) - level
    rises = along[:-1][(values[:-1] <= 0) & (values[1:] > 0)]
    if found is None:
        return  # passages between two steps, or in the last one, are stepped over
    assert value_at(volume, found[None])[0] == pytest.approx(level, abs=1e-5)
    where = float((found - near) @ unit)
    assert np.abs(found - near - where * unit).max() < 1e-9
    assert np.min(np.abs(rises - where)) < 2e-3 * reach + 1e-6


def test_a_line_that_stays_outside_meets_nothing():
    volume = np.zeros((6, 6, 6), np.float32)
    assert surface_point(volume, 0.5, np.full(3, 3.0), np.array([0.0, 0.0, 1.0])) is None
    assert surface_point(volume, 0.5, np.full(3, 99.0), np.array([0.0, 0.0, 1.0])) is None
