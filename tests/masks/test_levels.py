"""Levels: against sorting by hand, scikit-image, and noise that is known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.filters import threshold_otsu

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import read_map
from locref_widgets.masks.levels import (
    level_enclosing,
    level_of_mass,
    otsu_level,
    solvent_noise,
    suggest_level,
)
from tests.masks.segmented import GROEL, MCM, blobs

BOX = 40
AXIS = np.arange(BOX) - BOX // 2
RADIUS = np.sqrt(AXIS[:, None, None] ** 2 + AXIS[None, :, None] ** 2 + AXIS[None, None, :] ** 2)


def ball(radius_px: float = 9.0, height: float = 1.0) -> np.ndarray:
    return (height / (1.0 + np.exp(2.0 * (RADIUS - radius_px)))).astype(np.float32)


def noisy(rng: np.random.Generator, sd: float, mean: float = 0.0) -> np.ndarray:
    return (ball() + rng.normal(mean, sd, (BOX,) * 3)).astype(np.float32)


@given(
    volume=hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(-2, 2, width=16)),
    share=st.floats(0.01, 1.0),
)
@settings(max_examples=150, deadline=None)
def test_the_level_that_encloses_a_share_is_the_highest_that_does(volume, share):
    if not volume.max() > 0:
        with pytest.raises(InputError, match="no density above zero"):
            level_enclosing(volume, share=share)
        return
    positive = np.where(volume > 0, volume, 0).astype(np.float64)
    level = level_enclosing(volume, share=share)
    wanted = share * positive.sum()
    # Sums of another order differ in rounding.
    assert positive[volume >= level].sum() >= wanted * (1 - 1e-12)
    higher = np.unique(volume[volume > level])
    if len(higher):
        assert positive[volume >= higher[0]].sum() < wanted * (1 + 1e-12)


@given(
    volume=hnp.arrays(np.float32, (4, 4, 4), elements=st.floats(1, 1000, width=32), unique=True),
    count=st.integers(1, 64),
)
@settings(max_examples=100, deadline=None)
def test_the_level_of_a_mass_has_its_number_of_voxels(volume, count):
    mass = count * 0.81e-3 * 1.7**3
    assert np.count_nonzero(volume >= np.float32(level_of_mass(volume, mass, 1.7))) == count


def test_otsu_is_scikit_images(shared_data: Path):
    for volume in (MCM.read(shared_data).data, GROEL.read(shared_data).data, ball()):
        nz = volume.shape[0]
        axis = (np.arange(nz) - nz // 2) ** 2
        sphere = axis[:, None, None] + axis[None, :, None] + axis <= (nz / 2) ** 2
        inside = volume[sphere]
        bin_width = float(np.ptp(inside)) / 1024
        # Theirs is the centre of the last bin below, ours the edge between both sides.
        theirs = threshold_otsu(inside, nbins=1024) + bin_width / 2
        assert otsu_level(volume) == pytest.approx(theirs, abs=1e-3 * bin_width)


def test_noise_is_measured_outside_of_the_sphere(rng):
    noise = solvent_noise(noisy(rng, sd=0.2, mean=0.05))
    assert noise is not None
    # 30,490 voxels: the median is good to 0.0015, the deviation to 0.9 % (one standard error).
    assert noise.mean == pytest.approx(0.05, abs=0.006)
    assert noise.sd == pytest.approx(0.2, rel=0.03)


def test_density_that_reaches_into_the_corners_counts_little(rng):
    volume = noisy(rng, sd=0.2)
    volume[:, :4, :4] += 5.0  # a filament at the edge of the box
    noise = solvent_noise(volume)
    assert noise is not None
    assert noise.sd == pytest.approx(0.2, rel=0.06)


def test_a_masked_map_has_no_noise(rng):
    volume = noisy(rng, sd=0.2)
    volume[RADIUS > 15] = 0.0
    assert solvent_noise(volume) is None
    suggested = suggest_level(volume, 2.0)
    assert suggested.level == otsu_level(volume)
    assert "Otsu" in suggested.reason
    assert "masked" in suggested.reason
    assert "\n" not in suggested.reason


def test_a_level_is_four_standard_deviations_over_the_noise_or_more(rng):
    quiet, loud = (suggest_level(noisy(rng, sd), 2.0) for sd in (0.05, 0.25))
    assert 0.3 < quiet.level < 0.7
    assert "standard deviations over the noise outside" in quiet.reason
    assert loud.level == pytest.approx(1.0, rel=0.05)  # 4 times 0.25
    assert "is 4 standard deviations over the noise" in loud.reason
    kda = np.count_nonzero(ball() >= 0.5) * 8 * 0.81e-3
    assert float(quiet.reason.split("encloses ")[1].split()[0]) == pytest.approx(kda, rel=0.1)


def test_noise_as_high_as_the_map_is_no_noise(shared_data: Path):
    volume = read_map(shared_data / "maps/EMD-3197.map")  # a crystal's cell, full of density
    suggested = suggest_level(volume.data, volume.voxel_size_angstrom)
    assert suggested.level == otsu_level(volume.data)
    assert "density as high" in suggested.reason


def test_the_level_suggested_for_a_real_map_is_next_to_its_authors(shared_data: Path):
    mcm = MCM.read(shared_data)
    assert suggest_level(mcm.data, mcm.voxel_size_angstrom).level == pytest.approx(0.42, abs=0.01)


def test_with_a_mass_the_level_encloses_it(shared_data: Path):
    groel = GROEL.read(shared_data)
    suggested = suggest_level(groel.data, groel.voxel_size_angstrom, mass_kda=400.0)
    voxel_kda = groel.voxel_size_angstrom**3 * 0.81e-3
    # Many voxels of this map have one value, and come together.
    above = np.count_nonzero(groel.data > np.float32(suggested.level)) * voxel_kda
    inside = np.count_nonzero(groel.data >= np.float32(suggested.level)) * voxel_kda
    assert above < 400.0 <= inside + 0.5 * voxel_kda
    assert suggested.reason.endswith("encloses 400 kDa at 0.81 Da/Å³ of protein.")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda v: level_enclosing(v, share=0.0), "share of 0 of the density"),
        (lambda v: level_enclosing(v, share=1.1), "up to 1"),
        (lambda v: level_enclosing(v, share=np.nan), "share of nan"),
        (lambda v: level_enclosing(-v, share=0.5), "no density above zero.*inverted"),
        (lambda v: level_of_mass(v, 1e9, 1.0), r"1e\+09 kDa fills .* voxels.*Check the mass"),
        (lambda v: level_of_mass(v, 0.0, 1.0), "a mass of 0 kDa"),
        (lambda v: level_of_mass(v, np.nan, 1.0), "a mass of nan kDa"),
        (lambda v: level_of_mass(v, 1.0, 0.0), "voxel size of 0"),
        (lambda v: suggest_level(v, -1.0), "voxel size of -1"),
        (lambda v: suggest_level(v, 1.0, mass_kda=-5.0), "a mass of -5 kDa"),
        (lambda v: otsu_level(np.zeros_like(v)), "is 0 everywhere"),
        (lambda v: suggest_level(np.full_like(v, np.nan), 1.0), "holds NaN"),
        (lambda v: solvent_noise(np.full_like(v, np.inf)), "holds NaN or infinite"),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call(np.abs(blobs(1)))
