"""Each warning and each refusal of a mask by a case."""

from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks import checks
from locref_widgets.masks.edges import soft_edge

BOX = 48
VOXEL = 1.5


def ball(centre_xyz_px, radius_px: float) -> np.ndarray:
    axis = np.arange(BOX) - BOX // 2
    x, y, z = centre_xyz_px
    squared = (
        (axis - z)[:, None, None] ** 2
        + (axis - y)[None, :, None] ** 2
        + (axis - x)[None, None, :] ** 2
    )
    return squared <= radius_px**2


def soft_ball(centre_xyz_px=(-8.0, 0.0, 0.0), radius_px=6.0, edge_angstrom=15.0) -> np.ndarray:
    return soft_edge(ball(centre_xyz_px, radius_px), 0.0, edge_angstrom, VOXEL)


def as_mask(values: np.ndarray) -> Map:
    return Map(np.asarray(values, dtype=np.float32), VOXEL, Path("mask.mrc"))


@pytest.fixture
def reference() -> Map:
    """Two lobes: a mask on one of them selects half of the particle."""
    lobes = ball((-8.0, 0.0, 0.0), 6.0) | ball((8.0, 0.0, 0.0), 6.0)
    return Map(lobes.astype(np.float32), VOXEL, Path("map.mrc"))


def test_a_good_mask_has_no_warnings(reference):
    assert checks.check_mask(as_mask(soft_ball()), reference) == []


def only_warning(mask: np.ndarray, reference: Map, **options) -> str:
    warnings = checks.check_mask(as_mask(mask), reference, **options)
    assert len(warnings) == 1, warnings
    assert warnings[0].startswith("mask.mrc: ")
    return warnings[0]


def test_binary_mask(reference):
    text = only_warning(ball((-8.0, 0.0, 0.0), 8.0), reference)
    assert "binary" in text
    assert "15 Å (10 voxels)" in text  # 5 times Nyquist, 3 Å


def test_edge_that_is_too_hard(reference):
    text = only_warning(soft_ball(radius_px=8.0, edge_angstrom=6.0), reference)
    assert "the soft edge is about 6 Å wide" in text


def test_needed_edge_follows_the_resolution(reference):
    text = only_warning(soft_ball(), reference, resolution_angstrom=6.0)
    assert "30 Å (20 voxels)" in text
    assert checks.check_mask(as_mask(soft_ball()), reference, resolution_angstrom=3.0) == []


@pytest.mark.parametrize("edge_angstrom", [6.0, 12.0, 20.0])
def test_edge_width_is_measured_to_a_tenth(edge_angstrom):
    # A ball of voxels has a rough surface, which tilts the slopes a little.
    width = checks.edge_width_angstrom(soft_ball((0.0, 0.0, 0.0), 8.0, edge_angstrom), VOXEL)
    assert width == pytest.approx(edge_angstrom, rel=0.1)


def test_edge_width_of_a_binary_mask_is_zero():
    assert checks.edge_width_angstrom(ball((0, 0, 0), 8.0).astype(np.float32), VOXEL) == 0.0


def test_mask_touching_the_box(reference):
    text = only_warning(soft_ball((-10.0, 0.0, 0.0), 8.0), reference)
    assert "touches the edge of the box (at voxel x = 0)" in text


def test_islands(reference):
    mask = np.maximum(soft_ball((-8.0, 0.0, -7.0), 4.0), soft_ball((-8.0, 0.0, 14.0), 0.0, 13.0))
    text = only_warning(mask, reference)
    assert "in 2 pieces" in text


def test_mask_over_the_whole_box(reference):
    mask = np.ones((BOX,) * 3)
    warnings = checks.check_mask(as_mask(mask), reference)
    assert any("covers the whole box" in text for text in warnings)
    assert not any("touches" in text for text in warnings)


def test_mask_over_the_whole_particle(reference):
    assert "whole particle" in only_warning(soft_ball((0.0, 0.0, 0.0), 14.5, 14.0), reference)


def test_mask_beside_the_particle(reference):
    text = only_warning(soft_ball((0.0, 0.0, 13.0), 0.0), reference)
    assert "holds 0.0 % of the map's density" in text


def test_density_share_counts_density_inside(reference):
    half = ball((-8.0, 0.0, 0.0), 7.0).astype(np.float32)
    assert checks.density_share(half, reference.data) == pytest.approx(0.5)
    assert checks.density_share(np.ones_like(half), reference.data) == 1.0
    assert checks.density_share(half, -reference.data) == 0.0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((BOX,) * 3), "is empty: it is zero everywhere"),
        (0.2 * soft_ball(), "is empty: it reaches only 0.2"),
        (soft_ball() - 0.5, "values from -0.5 to 0.5"),
        (3.0 * soft_ball(), "values from 0 to 3, expected 0 to 1"),
        (np.where(ball((0, 0, 0), 2.0), np.nan, 1.0), "NaN"),
        (np.zeros((BOX - 2,) * 3), "box of 46 voxels"),
    ],
)
def test_unusable_masks_are_refused(reference, values, message):
    with pytest.raises(InputError, match=message) as caught:
        checks.check_mask(as_mask(values), reference)
    assert "mask.mrc" in str(caught.value)


def test_another_voxel_size_is_refused(reference):
    mask = Map(soft_ball(), 1.2, Path("mask.mrc"))
    with pytest.raises(InputError, match=r"voxels of 1\.2"):
        checks.check_mask(mask, reference)


def test_rounding_in_the_file_is_no_fault(reference):
    assert checks.check_mask(as_mask(soft_ball() * 1.0005 - 0.0002), reference) == []
