"""Warnings in words: each of them against the number that it is about."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.region_reach import chord_angstrom, measure_region
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.settings_advice import (
    Grid,
    beyond_in_plane,
    beyond_in_space,
    give_advice,
    in_other_units,
)
from locref_widgets.refinement.settings_presets import PRESETS

BOX, VOXEL = 48, 2.0


@pytest.fixture(scope="module")
def mask():
    """A ball of 8 voxels' radius, 12 voxels from the centre of the box along x."""
    z, y, x = np.mgrid[:BOX, :BOX, :BOX]
    inside = (x - 36) ** 2 + (y - 24) ** 2 + (z - 24) ** 2 <= 64
    return Map(inside.astype(np.float32), VOXEL)


@pytest.fixture(scope="module")
def region(mask):
    return measure_region(mask)


def names(settings, region):
    return [advice.name for advice in give_advice(settings, Grid(BOX, VOXEL), region)]


def text_of(settings, region, name):
    advice = give_advice(settings, Grid(BOX, VOXEL), region)
    return next(item.text for item in advice if item.name == name)


def test_region_of_a_ball(region):
    np.testing.assert_allclose(region.centre_angstrom, [24, 0, 0], atol=1e-9)
    assert region.radius_angstrom == pytest.approx(16)
    assert region.farthest_angstrom(np.zeros(3)) == pytest.approx(40)
    assert region.lever_angstrom(np.zeros(3)) == pytest.approx(24)


def test_the_farthest_voxel_is_found_among_all(mask, region):
    points = (np.argwhere(mask.data > 0.5)[:, ::-1] - BOX // 2) * VOXEL
    for point in np.random.default_rng(1).normal(0, 40, (20, 3)):
        expected = np.linalg.norm(points - point, axis=1).max()
        assert region.farthest_angstrom(point) == pytest.approx(expected, abs=1e-9)


def test_a_flat_or_tiny_mask_has_a_reach_too():
    for size in (1, 3):
        data = np.zeros((16, 16, 16), np.float32)
        data[8, 8 : 8 + size, 8 : 8 + size] = 1
        assert measure_region(Map(data, 1.0)).radius_angstrom == pytest.approx(
            (size - 1) / 2 * math.sqrt(2)
        )


@given(st.floats(0, 100), st.floats(0, math.pi))
def test_a_chord_is_the_distance_between_before_and_after(distance, angle):
    after = distance * np.array([math.cos(angle), math.sin(angle)])
    expected = np.linalg.norm(after - [distance, 0])
    assert chord_angstrom(distance, angle) == pytest.approx(expected, abs=1e-9)


def test_usual_settings_about_the_mask_are_not_warned_of(region):
    assert names(RefinementSettings(fulcrum="mask"), region) == []


def test_the_published_example_of_a_lever_arm_that_is_too_long():
    # A region 60 Å from the centre turned by 5 degrees moves by 5.2 Å: beyond 3 px of 1 Å.
    z, y, x = np.mgrid[:160, :160, :160]
    inside = (x - 140) ** 2 + (y - 80) ** 2 + (z - 80) ** 2 <= 64
    region = measure_region(Map(inside.astype(np.float32), 1.0))
    settings = RefinementSettings(rotation_extent=math.radians(5), shift_extent=3)
    advice = give_advice(settings, Grid(160, 1.0), region)
    assert [item.name for item in advice] == ["shift_extent"]
    assert "carries the region's centre 5 Å away" in advice[0].text
    assert "an extent of 10 px" in advice[0].text
    enough = RefinementSettings(rotation_extent=math.radians(5), shift_extent=10.5)
    assert give_advice(enough, Grid(160, 1.0), region) == []
    # Who sets a fulcrum says where it turns.
    at_mask = RefinementSettings(fulcrum="mask", rotation_extent=math.radians(5), shift_extent=3)
    assert give_advice(at_mask, Grid(160, 1.0), region) == []


def test_a_rotation_that_moves_nothing(region):
    settings = RefinementSettings(fulcrum="mask", rotation_extent=0.01)
    assert names(settings, region) == ["rotation_extent"]
    text = text_of(settings, region, "rotation_extent")
    assert "only 0.16 Å" in text
    assert "0.063 rad" in text
    # The extent that the text asks for is enough.
    assert names(RefinementSettings(fulcrum="mask", rotation_extent=0.063), region) == []


@pytest.mark.parametrize("sigmas", [0.0, 0.3, 1.0, 2.0, 3.0, 6.0])
def test_shares_beyond_are_those_of_the_chi_distributions(sigmas):
    assert beyond_in_space(sigmas) == pytest.approx(chi(3).sf(sigmas), rel=1e-9)
    assert beyond_in_plane(sigmas) == pytest.approx(chi(2).sf(sigmas), rel=1e-9)


def test_priors_against_extents(region):
    # Within two standard deviations lie 74 % of a Gaussian in three dimensions.
    cut = RefinementSettings(fulcrum="mask", prior_rotation=10.0, rotation_extent=math.radians(20))
    assert "cuts off 26% of this prior" in text_of(cut, region, "prior_rotation")
    wide = RefinementSettings(fulcrum="mask", prior_rotation=2.0, rotation_extent=math.radians(20))
    assert "10 standard deviations" in text_of(wide, region, "prior_rotation")
    # A disc of radius 5 px = 10 Å: two standard deviations of 5 Å hold 1 - exp(-2).
    shift = RefinementSettings(fulcrum="mask", prior_shift=5.0, shift_extent=10.0)
    assert f"{math.exp(-2):.0%}" in text_of(shift, region, "prior_shift")
    assert (
        names(
            RefinementSettings(
                fulcrum="mask", prior_rotation=10, rotation_extent=0.5236, prior_shift=3
            ),
            region,
        )
        == []
    )


def test_shifts_beyond_the_region_and_low_passes_beyond_use(region):
    assert "shift_extent" in names(RefinementSettings(fulcrum="mask", shift_extent=20), region)
    assert "initial_lowpass" in names(
        RefinementSettings(fulcrum="mask", initial_lowpass=40), region
    )
    assert "initial_lowpass" in names(RefinementSettings(fulcrum="mask", initial_lowpass=3), region)


def test_a_fulcrum_outside_the_box_is_an_error(region):
    with pytest.raises(InputError, match="outside"):
        give_advice(RefinementSettings(fulcrum=(100, 0, 0)), Grid(BOX, VOXEL), region)


def test_units_beside_the_values(region):
    grid = Grid(BOX, VOXEL)
    settings = RefinementSettings(
        fulcrum=(36, 24, 24), rotation_extent=0.35, prior_rotation=15, prior_shift=7
    )
    said = {
        name: in_other_units(name, settings, grid, region)
        for name in RefinementSettings.model_fields
    }
    assert said["rotation_extent"] == "20.1°: moves the region's far end by up to 5.57 Å"
    assert said["shift_extent"] == "20 Å across: up to 10 Å each way"
    assert said["prior_rotation"] == "0.262 rad"
    assert said["prior_shift"] == "3.5 px"
    assert said["initial_lowpass"] == "shell 8 of 24"
    assert said["fulcrum"] == "24.0, 0.0, 0.0 Å; 0 Å from the region's centre"
    assert said["fulcrum_angstrom"] == ""
    assert in_other_units("rotation_extent", settings) == "20.1°"
    assert in_other_units("shift_extent", settings) == ""


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_presets_are_valid_keep_the_rest_and_need_no_warning(preset, region):
    before = RefinementSettings(fulcrum="mask", seed=7, masking="static", prior_rotation=40)
    after = preset.apply(before, VOXEL)
    assert (after.fulcrum, after.seed, after.masking) == ("mask", 7, "static")
    assert preset.apply(after, VOXEL) == after
    assert all(
        getattr(after, name) == value
        for name, value in preset.values.items()
        if name != "shift_extent"
    )
    warned = names(after, region)
    assert warned == (["shift_extent"] if preset.name == "Large swing" else [])


def test_a_small_domains_shifts_are_a_length():
    small = next(preset for preset in PRESETS if preset.name == "Small domain")
    assert small.apply(RefinementSettings(), 1.0).shift_extent == 6.0
    assert small.apply(RefinementSettings(), 0.5).shift_extent == 12.0
    assert small.apply(RefinementSettings(), 6.0).shift_extent == 2.0
    assert small.apply(RefinementSettings()).shift_extent == 6.0


def test_faults_by_setting():
    assert RefinementSettings.find_faults({}) == {}
    faults = RefinementSettings.find_faults({"rotation_extent": -1, "folds": 99})
    assert set(faults) == {"rotation_extent", "folds"}
    assert "rotation_extent is -1 rad" in faults["rotation_extent"]
    assert list(RefinementSettings.find_faults({"dynamic_mask_near": 20})) == [""]
