"""Volume tools on analytic densities, and against RELION where it does the same."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.io.placing import place_on_grid
from locref_widgets.masks import volume_tools

VOXEL = 1.5
SIGMA_ANGSTROM = 7.0
CENTRE_ANGSTROM = (4.3, -6.1, 2.2)

POSITIONS = [
    AT_ZERO,
    BoxPosition(start_px=(-24, -24, -24)),
    BoxPosition(start_px=(3, -7, 100)),
    BoxPosition(origin_angstrom=(12.25, -7.5, 3.1)),
    BoxPosition(origin_angstrom=(4.5, -10.5, 150.0)),
    BoxPosition((3, -7, 100), (4.5, -10.5, 150.0)),
    BoxPosition((1, 2, 3), (7.77, 0.0, -3.0)),  # they differ: the origin counts
]


def blob(
    box_px: int,
    voxel: float = VOXEL,
    sigma_angstrom: float = SIGMA_ANGSTROM,
    centre_angstrom=CENTRE_ANGSTROM,
) -> np.ndarray:
    """Gaussian of height 1 at (x, y, z) Å from voxel N//2, float64."""
    axis = (np.arange(box_px) - box_px // 2) * voxel
    x, y, z = (np.exp(-((axis - c) ** 2) / (2.0 * sigma_angstrom**2)) for c in centre_angstrom)
    return z[:, None, None] * y[:, None] * x


def as_map(values: np.ndarray, voxel: float = VOXEL, **more) -> Map:
    return Map(values.astype(np.float32), voxel, Path("some/map.mrc"), **more)


def noise(shape, rng) -> Map:
    return as_map(rng.normal(size=shape))


def places_angstrom(map_: Map) -> list[np.ndarray]:
    """Positions of the voxels along x, y, z in the frame of coordinates."""
    return [
        corner + np.arange(size) * map_.voxel_size_angstrom
        for corner, size in zip(map_.corner_angstrom, map_.size_xyz, strict=True)
    ]


# ---------------------------------------------------------------------------------- low-pass


@pytest.mark.parametrize("resolution_angstrom", [12.0, 30.0])
def test_low_pass_multiplies_the_spectrum_by_a_butterworth_response(resolution_angstrom, rng):
    box_px = 40
    given_map = noise((box_px,) * 3, rng)
    k = np.fft.fftfreq(box_px, VOXEL)
    frequency = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    response = 1.0 / np.sqrt(1.0 + (frequency * resolution_angstrom) ** 16)
    expected = np.fft.ifftn(np.fft.fftn(given_map.data.astype(float)) * response).real
    found = volume_tools.lowpass(given_map, resolution_angstrom)
    np.testing.assert_allclose(found.data, expected, atol=2e-6)  # float32, values up to 1


def test_low_pass_leaves_a_blob_that_is_smooth_enough_as_it_is():
    # At 6 Å a Gaussian of 7 Å has exp(-2 pi^2 7^2 / 6^2) = 2e-12 of its amplitude.
    wide = as_map(blob(64))
    np.testing.assert_allclose(volume_tools.lowpass(wide, 6.0).data, wide.data, atol=2e-6)


def test_low_pass_finer_than_the_voxels_changes_nothing_and_says_so(rng):
    given_map = noise((8, 8, 8), rng)
    found = volume_tools.lowpass(given_map, 2.9)
    np.testing.assert_array_equal(found.data, given_map.data)
    assert "was not low-passed: 2.9 Å is finer than its voxels can hold (3 Å)" in found.remarks[-1]


# -------------------------------------------------------------------------------------- crop


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("shape", [(48, 48, 48), (33, 33, 33), (20, 33, 48)])
@pytest.mark.parametrize("size_px", [1, 13, 20])
def test_crop_keeps_values_centre_and_places(position, shape, size_px, rng):
    whole = replace(noise(shape, rng), position=position)
    cut = volume_tools.crop(whole, size_px)
    assert cut.data.shape == (size_px,) * 3
    assert cut.voxel_size_angstrom == VOXEL
    centre = tuple(size // 2 for size in shape)
    assert cut.data[(size_px // 2,) * 3] == whole.data[centre]
    # Every voxel of the cut holds the value that the whole has at its place.
    index = [
        np.rint((there - here[0]) / VOXEL).astype(int)
        for here, there in zip(places_angstrom(whole), places_angstrom(cut), strict=True)
    ]
    np.testing.assert_array_equal(cut.data, whole.data[np.ix_(*index[::-1])])
    for axis, (here, there) in enumerate(
        zip(places_angstrom(whole), places_angstrom(cut), strict=True)
    ):
        np.testing.assert_allclose(there, here[index[axis]], atol=1e-9)


def test_a_cropped_mask_goes_back_into_its_box():
    whole = as_map(np.pad(np.ones((6, 6, 6)), 10))
    cut = volume_tools.crop(whole, 12)
    assert cut.position == BoxPosition(start_px=(7, 7, 7))
    back = place_on_grid(whole, cut, "the mask")
    np.testing.assert_array_equal(back.data, whole.data)


def test_a_box_about_zero_stays_about_zero():
    whole = as_map(blob(32), position=BoxPosition(start_px=(-16, -16, -16)))
    assert volume_tools.crop(whole, 20).position == BoxPosition(start_px=(-10, -10, -10))
    corner_at_zero = volume_tools.crop(
        as_map(blob(32), position=BoxPosition((-6, -6, -6), (-9.0, -9.0, -9.0))), 20
    )
    assert corner_at_zero.position == AT_ZERO


def test_what_said_the_place_before_says_it_after():
    start = BoxPosition(start_px=(3, -7, 100))
    origin = BoxPosition(origin_angstrom=(4.5, -10.5, 150.0))
    both = BoxPosition((3, -7, 100), (4.5, -10.5, 150.0))
    moved = [volume_tools.crop(as_map(blob(32), position=p), 20).position for p in (start, origin)]
    assert moved[0] == BoxPosition(start_px=(9, -1, 106))
    assert moved[1] == BoxPosition(origin_angstrom=(13.5, -1.5, 159.0))
    assert volume_tools.crop(as_map(blob(32), position=both), 20).position == BoxPosition(
        (9, -1, 106), (13.5, -1.5, 159.0)
    )


# ---------------------------------------------------------------------------------- resample


@pytest.mark.parametrize("old_px", [64, 63])
@pytest.mark.parametrize("new_px", [40, 41, 64, 96, 97])
def test_a_resampled_blob_is_the_blob_on_the_new_grid(old_px, new_px):
    old = as_map(blob(old_px))
    found = volume_tools.resample_box(old, new_px)
    new_voxel = VOXEL * old_px / new_px
    assert found.voxel_size_angstrom == pytest.approx(new_voxel, rel=1e-12)
    # Of a Gaussian of 7 Å the share exp(-2 pi^2 7^2 / 4.8^2) = 6e-19 is beyond the new Nyquist;
    # its tail at the end of the box, 5 sigma away, is 1e-5.
    np.testing.assert_allclose(found.data, blob(new_px, new_voxel), atol=2e-5)


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize(("old_px", "new_px"), [(48, 32), (48, 31), (33, 48), (33, 21), (48, 96)])
def test_the_centre_of_a_resampled_box_stays_at_its_place(position, old_px, new_px, tmp_path):
    old = as_map(blob(old_px), position=position)
    new = volume_tools.resample_box(old, new_px)
    for before, after in zip(places_angstrom(old), places_angstrom(new), strict=True):
        assert after[new_px // 2] == pytest.approx(before[old_px // 2], abs=1e-9)
    # And so it is read from a file, whose numbers are float32.
    write_map(tmp_path / "new.mrc", new.data, new.voxel_size_angstrom, new.position)
    read = read_map(tmp_path / "new.mrc")
    np.testing.assert_allclose(read.corner_angstrom, new.corner_angstrom, atol=1e-4)


def test_even_boxes_keep_their_corner():
    for position in (AT_ZERO, BoxPosition(start_px=(-24, -24, -24))):
        new = volume_tools.resample_box(as_map(blob(48), position=position), 96)
        expected = tuple(2 * start for start in position.start_px)
        assert new.position == BoxPosition(start_px=expected)


def test_an_odd_box_lies_half_a_voxel_from_an_even_one():
    new = volume_tools.resample_box(as_map(blob(48)), 32 + 1)
    half = 0.5 * new.voxel_size_angstrom
    np.testing.assert_allclose(new.corner_angstrom, [half] * 3)
    assert new.position.start_px == (0, 0, 0)


@settings(max_examples=20, deadline=None)
@given(old_px=st.integers(4, 12), more=st.integers(0, 6), seed=st.integers(0, 2**16))
def test_more_voxels_and_back_is_the_same_map(old_px, more, seed):
    rng = np.random.default_rng(seed)
    old = noise((old_px,) * 3, rng)
    back = volume_tools.resample_box(volume_tools.resample_box(old, old_px + more), old_px)
    if old_px % 2 == 0 and more:
        # The Nyquist coefficient of an even box keeps only what a real signal can hold there.
        old = volume_tools.resample_box(volume_tools.resample_box(old, old_px + 1), old_px)
    np.testing.assert_allclose(back.data, old.data, atol=2e-5)
    assert back.voxel_size_angstrom == pytest.approx(old.voxel_size_angstrom, rel=1e-12)
    np.testing.assert_allclose(back.corner_angstrom, old.corner_angstrom, atol=1e-9)


# ---------------------------------------------------------------------------------- the hand


@pytest.mark.parametrize("shape", [(12, 12, 12), (13, 13, 13), (12, 9, 7), (9, 12, 8)])
def test_flipped_twice_is_the_same(shape, rng):
    given_map = noise(shape, rng)
    once = volume_tools.flip_hand(given_map)
    np.testing.assert_array_equal(volume_tools.flip_hand(once).data, given_map.data)
    assert not np.array_equal(once.data, given_map.data)
    centre = shape[0] // 2
    np.testing.assert_array_equal(once.data[centre], given_map.data[centre])


@pytest.mark.parametrize("box_px", [64, 63])
def test_flipping_mirrors_z_about_the_centre_voxel(box_px):
    x, y, z = CENTRE_ANGSTROM
    found = volume_tools.flip_hand(as_map(blob(box_px)))
    expected = blob(box_px, centre_angstrom=(x, y, -z))
    expected[0] = found.data[0]  # has no partner in an even box; next to zero here
    np.testing.assert_allclose(found.data, expected, atol=1e-6)


@pytest.mark.relion
def test_flipped_is_relions_inverted_hand_turned_by_half_a_turn_about_y(
    rng, tmp_path: Path, program: Callable[[str], str]
):
    given_map = noise((16, 16, 16), rng)
    write_map(tmp_path / "map.mrc", given_map.data, VOXEL)
    command = [program("relion_image_handler"), "--i", "map.mrc", "--o", "flipped.mrc"]
    subprocess.run(
        [*command, "--invert_hand"], cwd=tmp_path, check=True, capture_output=True, timeout=60
    )
    theirs = mrcfile.read(tmp_path / "flipped.mrc")
    mirrored = -np.arange(16) % 16  # about voxel 8, and about 0, is the same in a periodic box
    turned = theirs[mirrored][:, :, mirrored]
    np.testing.assert_array_equal(volume_tools.flip_hand(given_map).data, turned)


# --------------------------------------------------------------------- threshold, invert, mass


def test_threshold_takes_what_reaches_the_level():
    values = np.array([0.0, 0.4999, 0.5, 0.6]).reshape(1, 1, 4)
    mask = volume_tools.threshold(as_map(values), 0.5)
    np.testing.assert_array_equal(mask.data.ravel(), [0, 0, 1, 1])
    assert mask.data.dtype == np.float32


def test_inverting_takes_the_mask_from_one_and_twice_is_the_same(rng):
    mask = as_map(np.round(rng.random((5, 6, 7)) * 64) / 64)
    inverse = volume_tools.invert(mask)
    np.testing.assert_array_equal(inverse.data, 1.0 - mask.data)
    np.testing.assert_array_equal(volume_tools.invert(inverse).data, mask.data)


def test_inverting_stays_within_0_and_1():
    mask = as_map(np.array([-5e-4, 0.5, 1.0005]).reshape(1, 1, 3))
    np.testing.assert_array_equal(volume_tools.invert(mask).data.ravel(), [1.0, 0.5, 0.0])


@pytest.mark.parametrize("box_px", [64, 63])
def test_centre_of_mass_is_told_in_voxels_from_the_corner_and_angstrom_from_the_centre(box_px):
    found = volume_tools.centre_of_mass(as_map(blob(box_px, sigma_angstrom=5.0)))
    np.testing.assert_allclose(found.angstrom, CENTRE_ANGSTROM, atol=1e-4)
    expected = np.array(CENTRE_ANGSTROM) / VOXEL + box_px // 2
    np.testing.assert_allclose(found.voxels, expected, atol=1e-4)


def test_centre_of_mass_of_one_voxel_in_a_box_that_is_no_cube():
    values = np.zeros((4, 5, 6))
    values[1, 2, 5] = 0.5
    found = volume_tools.centre_of_mass(as_map(values))
    assert found.voxels == (5.0, 2.0, 1.0)
    assert found.angstrom == (2 * VOXEL, 0.0, -VOXEL)


# ------------------------------------------------------------------------------- every tool


TOOLS = {
    "low-passed to 12 Å": lambda m: volume_tools.lowpass(m, 12.0),
    "cropped from 16 x 16 x 16 to 8 voxels": lambda m: volume_tools.crop(m, 8),
    "resampled from 16 to 8 voxels of 3.0000 Å": lambda m: volume_tools.resample_box(m, 8),
    "mirrored along z": volume_tools.flip_hand,
    "cut at the threshold 0.5": lambda m: volume_tools.threshold(m, 0.5),
    "inverted (1 - mask)": volume_tools.invert,
}


@pytest.mark.parametrize("said", TOOLS)
def test_each_tool_leaves_its_input_and_tells_what_it_did(said):
    given_map = as_map(blob(16), remarks=("read",))
    before = given_map.data.copy()
    made = TOOLS[said](given_map)
    np.testing.assert_array_equal(given_map.data, before)
    assert made.path is None
    assert made.remarks[0] == "read"
    assert made.remarks[1].startswith(f"some/map.mrc: {said}")
    assert made.data.dtype == np.float32
    assert made.data.flags.writeable
    assert not np.shares_memory(made.data, given_map.data)


ONES = as_map(np.ones((8, 8, 8)))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: volume_tools.lowpass(ONES, 0.0), "low-pass to 0 Å: expected a resolution"),
        (lambda: volume_tools.lowpass(ONES, np.nan), "low-pass to nan Å"),
        (lambda: volume_tools.lowpass(ONES, 12.1), "up to the length of the box, 12 Å"),
        (lambda: volume_tools.crop(ONES, 9), "crop to 9 voxels: the box has 8 x 8 x 8"),
        (lambda: volume_tools.crop(ONES, 0), "at least 1 and at most 8"),
        (lambda: volume_tools.resample_box(ONES, 1), "expected 2 or more along an edge"),
        (lambda: volume_tools.threshold(ONES, 1.5), "map.mrc: no voxel reaches the threshold 1.5"),
        (lambda: volume_tools.threshold(ONES, np.nan), "no voxel reaches"),
        (lambda: volume_tools.invert(as_map(5 * ONES.data)), "only a mask, from 0 to 1"),
        (lambda: volume_tools.invert(as_map(np.nan * ONES.data)), "only a mask, from 0 to 1"),
        (lambda: volume_tools.centre_of_mass(as_map(0 * ONES.data)), "no centre of mass"),
        (lambda: volume_tools.lowpass(as_map(np.ones((4, 4, 5))), 6.0), "is not cubic"),
        (lambda: volume_tools.resample_box(as_map(np.ones((4, 4, 5))), 6), "is not cubic"),
    ],
)
def test_wrong_input_is_told(wrong, told):
    with pytest.raises(InputError, match=told):
        wrong()
