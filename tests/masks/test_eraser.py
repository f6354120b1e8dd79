"""The eraser against the distance to the sphere's centre, written out voxel by voxel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.masks.eraser import Sphere, erase, paint

SHAPE = (9, 11, 14)

coordinates = st.floats(-4, 18, allow_nan=False)
spheres = st.builds(Sphere, coordinates, coordinates, coordinates, st.floats(0, 9))


def distances(sphere: Sphere) -> np.ndarray:
    """Distance of each voxel's centre to the sphere's, one voxel at a time."""
    result = np.empty(SHAPE)
    for z, y, x in np.ndindex(SHAPE):
        result[z, y, x] = ((x - sphere.x) ** 2 + (y - sphere.y) ** 2 + (z - sphere.z) ** 2) ** 0.5
    return result


def values(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE).astype(np.float32)


@given(st.lists(spheres, min_size=1, max_size=3), st.booleans())
def test_a_hard_sphere_takes_the_voxels_within_its_radius(
    chosen: list[Sphere], outside: bool
) -> None:
    inside = np.any([distances(s) ** 2 <= s.radius_px**2 for s in chosen], axis=0)
    # At the radius itself a root and a square may differ by rounding.
    rim = np.any([abs(distances(s) - s.radius_px) < 1e-6 for s in chosen], axis=0)
    if not inside.any():
        with pytest.raises(InputError, match="no sphere meets the box"):
            erase(values(), chosen, outside=outside)
        return
    erased = erase(values(), chosen, outside=outside)
    expected = np.where(inside == outside, values(), np.float32(0))
    np.testing.assert_array_equal(erased[~rim], expected[~rim])


@given(spheres.filter(lambda s: distances(s).min() < s.radius_px), st.floats(0.5, 6))
def test_a_soft_edge_is_a_raised_cosine_beyond_the_radius(sphere: Sphere, soft_px: float) -> None:
    fall = np.clip((distances(sphere) - sphere.radius_px) / soft_px, 0, 1)
    share = 0.5 + 0.5 * np.cos(np.pi * fall)
    ones = np.ones(SHAPE, np.float32)
    kept = erase(ones, [sphere], outside=True, soft_px=soft_px)
    np.testing.assert_allclose(kept, share, atol=1e-6)  # float32
    np.testing.assert_allclose(erase(ones, [sphere], soft_px=soft_px), 1 - share, atol=1e-6)


def test_what_is_erased_inside_and_outside_adds_up_to_the_map() -> None:
    sphere, volume = Sphere(5, 4.5, 3, 3.2), values()
    parts = erase(volume, [sphere]) + erase(volume, [sphere], outside=True)
    np.testing.assert_array_equal(parts, volume)


def test_the_map_itself_is_not_changed() -> None:
    volume = values()
    erase(volume, [Sphere(5, 5, 5, 3)])
    paint(volume, [Sphere(5, 5, 5, 3)])
    np.testing.assert_array_equal(volume, values())


@given(spheres, st.booleans())
def test_the_brush_sets_its_spheres_and_the_density_holds_it_back(
    sphere: Sphere, remove: bool
) -> None:
    density, mask = values(1), (values(2) > 0).astype(np.float32)
    painted = paint(mask, [sphere], remove=remove, within=density, at_least=0.3)
    rim = abs(distances(sphere) - sphere.radius_px) < 1e-6
    touched = (distances(sphere) <= sphere.radius_px) & (density >= 0.3)
    expected = np.where(touched, np.float32(not remove), mask)
    np.testing.assert_array_equal(painted[~rim], expected[~rim])


@pytest.mark.parametrize(
    ("chosen", "soft_px", "words"),
    [
        ([], 0.0, "no sphere is given"),
        ([Sphere(1, 1, 1, -2)], 0.0, "the radius 0 or more"),
        ([Sphere(1, np.nan, 1, 2)], 0.0, "finite"),
        ([Sphere(200, 200, 200, 20)], 0.0, "not in Å"),
        ([Sphere(1, 1, 1, 2)], -1.0, "expected 0 or more"),
    ],
)
def test_wrong_spheres_are_named(chosen: list[Sphere], soft_px: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        erase(values(), chosen, soft_px=soft_px)
