"""Masks cut out of a map's box, or moved by whole voxels, come back without interpolation."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.mrc import Map, check_same_grid, read_map
from locref_widgets.io.placing import grid_remarks, place_on_grid

VOXEL = 1.5


def cube(n: int, position: BoxPosition = AT_ZERO, voxel: float = VOXEL) -> Map:
    values = np.random.default_rng(n).uniform(0.1, 1.0, (n, n, n)).astype(np.float32)
    return Map(values, voxel, Path(f"{n}.mrc"), position)


def at(*voxels: float) -> BoxPosition:
    """A position that is stated by the origin."""
    x, y, z = (VOXEL * value for value in voxels)
    return BoxPosition(origin_angstrom=(x, y, z))


def test_a_real_crop_is_an_exact_copy(shared_data: Path) -> None:
    """EMD-5168: a monomer saved by Chimera, start -50 against a shifted origin."""
    whole = read_map(shared_data / "masks/emd_5168.map")
    piece = read_map(shared_data / "masks/emd_5168_monomer.mrc", cubic=False)
    placed = place_on_grid(whole, piece, "the mask")
    inside = placed.data != 0
    assert inside.sum() == np.count_nonzero(piece.data) == 4024
    np.testing.assert_array_equal(placed.data[inside], whole.data[inside])
    assert (placed.position, placed.voxel_size_angstrom) == (whole.position, 1.742)
    (remark,) = placed.remarks
    assert "(28 x 43 x 41 voxels) was placed in the box of the map (100 x 100 x 100)" in remark
    assert "first voxel at 31, 36, -2 (x, y, z)" in remark
    assert "cut off" not in remark  # its two layers outside hold nothing
    check_same_grid(whole, placed, "the mask")


@given(
    size=st.tuples(*[st.integers(1, 6)] * 3),
    shift=st.tuples(*[st.integers(-7, 7)] * 3),
    corner=st.tuples(*[st.integers(-3, 3)] * 3),
)
@settings(deadline=None, max_examples=150, derandomize=True)
def test_every_voxel_goes_where_its_coordinates_say(
    size: tuple[int, ...], shift: tuple[int, ...], corner: tuple[int, ...]
) -> None:
    room = 5
    assume(any(shift) or size != (room,) * 3)
    reference = cube(room, BoxPosition(start_px=corner))
    values = np.random.default_rng(1).uniform(0.1, 1.0, size).astype(np.float32)
    first = np.array(corner) + shift
    assume(first.any())  # zero would say nothing
    other = Map(values, VOXEL, Path("mask.mrc"), at(*first))
    half = np.array(other.size_xyz)
    assume(not np.array_equal(first, -(half // 2)) and not np.array_equal(first, -(half / 2)))
    expected = np.zeros((room,) * 3, np.float32)
    lost = 0
    for (z, y, x), value in np.ndenumerate(values):
        place = (z + shift[2], y + shift[1], x + shift[0])
        if all(0 <= p < room for p in place):
            expected[place] = value
        else:
            lost += 1
    if not expected.any():
        with pytest.raises(InputError, match=r"nothing of the mask lies in the box of the map 5"):
            place_on_grid(reference, other, "the mask")
        return
    placed = place_on_grid(reference, other, "the mask")
    np.testing.assert_array_equal(placed.data, expected)
    assert (f"{lost} voxels of it lie outside" in placed.remarks[0]) == (lost > 0)


SAME_GRID = {
    "both at zero": (at(0, 0, 0), at(0, 0, 0), False),
    "start against the same origin": (BoxPosition((2, 3, 4)), at(2, 3, 4), False),
    "rounded origin": (at(20, 0, 0), at(20.01, 0, 0), False),
    "mask says nothing (RELION, cryoSPARC)": (BoxPosition((-4, -4, -4)), at(0, 0, 0), True),
    "mask says nothing, map is elsewhere": (at(20, 1, 0), at(0, 0, 0), True),
    "mask names its centre": (at(0, 0, 0), BoxPosition((-4, -4, -4)), True),
}


@pytest.mark.parametrize(("of_map", "of_mask", "told"), SAME_GRID.values(), ids=SAME_GRID.keys())
def test_a_box_that_names_no_other_place_is_the_maps(
    of_map: BoxPosition, of_mask: BoxPosition, told: bool
) -> None:
    reference, mask = cube(8, of_map), cube(8, of_mask)
    assert place_on_grid(reference, mask, "the mask") is mask
    check_same_grid(reference, mask, "the mask")
    remarks = grid_remarks(reference, mask, "the mask")
    assert len(remarks) == told
    assert all("8.mrc: the mask has the map's box but another origin" in text for text in remarks)


REFUSED = {
    "between voxels": (cube(8, at(2.5, 0, 0)), "lies between the voxels.* 2.50, 0.00, 0.00 voxels"),
    "other voxels": (cube(8, at(2, 0, 0), 1.6), "voxels of 1.6000 Å.*has 1.5000"),
    "another box that says nothing": (cube(6), "do not say where in the map's box it belongs"),
    "another box about its own centre": (
        cube(6, at(-3, -3, -3)),
        "do not say where in the map's box it belongs",
    ),
    "outside": (cube(6, at(9, 0, 0)), "nothing of the mask lies in the box"),
}


@pytest.mark.parametrize(("mask", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_placed_exactly_is_refused(mask: Map, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        place_on_grid(cube(8), mask, "the mask")
    assert str(caught.value).startswith(f"{mask.path}: ")
    assert "Resample it on the map's grid" in str(caught.value)


def test_an_empty_mask_is_left_to_the_check_of_masks() -> None:
    empty = Map(np.zeros((8, 8, 8), np.float32), VOXEL, Path("empty.mrc"), at(2, 0, 0))
    assert not place_on_grid(cube(8), empty, "the mask").data.any()


def test_boxes_about_one_centre_fit_into_each_other() -> None:
    reference, mask = cube(8, at(-4, -4, -4)), cube(6, BoxPosition((-3, -3, -3)))
    placed = place_on_grid(reference, mask, "the mask")
    np.testing.assert_array_equal(placed.data[1:7, 1:7, 1:7], mask.data)
    assert np.count_nonzero(placed.data) == 6**3


def test_a_displaced_half_map_is_refused() -> None:
    """Half-maps come from the map's own refinement: one that lies elsewhere has a wrong header."""
    with pytest.raises(InputError, match=r"lies elsewhere than the map .* 3.00, 0.00, -1.00 vox"):
        check_same_grid(cube(8), cube(8, at(3, 0, -1)), "the half-map")


def test_a_map_that_is_no_cube_says_so_when_a_cube_is_needed() -> None:
    piece = Map(np.zeros((3, 4, 4), np.float32), VOXEL, Path("piece.mrc"))
    assert piece.size_xyz == (4, 4, 3)
    with pytest.raises(InputError, match=r"piece.mrc: is not cubic: 4 x 4 x 3 \(x, y, z\)"):
        _ = piece.box_px
    with pytest.raises(InputError, match=r"the mask has a box of 4 x 4 x 3 voxels, but .* has 8"):
        check_same_grid(cube(8), piece, "the mask")
