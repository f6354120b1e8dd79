"""Every state of every look at a mask by a case; mends do mend."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.masks import dynamic
from locref_widgets.masks.checks import (
    MaskCheck,
    Mend,
    check_mask,
    describe_checks,
    examine_mask,
    worst_state,
)
from locref_widgets.masks.edges import soft_pad
from locref_widgets.masks.islands import fill_holes, keep_islands
from locref_widgets.masks.mask_measures import distance_px, margin_px
from locref_widgets.masks.resample import resample_on_grid

BOX = 48
VOXEL = 1.5
LEFT = (-8.0, 0.0, 0.0)


def ball(centre_xyz_px, radius_px: float) -> np.ndarray:
    axis = np.arange(BOX) - BOX // 2
    x, y, z = centre_xyz_px
    squared = (
        (axis - z)[:, None, None] ** 2
        + (axis - y)[None, :, None] ** 2
        + (axis - x)[None, None, :] ** 2
    )
    return squared <= radius_px**2


def as_map(values: np.ndarray, name="mask.mrc", voxel=VOXEL, **position) -> Map:
    values = np.asarray(values, dtype=np.float32)
    return Map(values, voxel, Path(name), BoxPosition(**position))


def soft(binary: np.ndarray, edge_angstrom=15.0) -> np.ndarray:
    return dynamic.soft_edge(binary, 0.0, edge_angstrom, VOXEL)


GOOD = soft(ball(LEFT, 6.0))


@pytest.fixture
def reference() -> Map:
    """Two lobes: a mask on one of them selects half of the particle."""
    return as_map(ball(LEFT, 6.0) | ball((8.0, 0.0, 0.0), 6.0), "map.mrc")


def look(name: str, mask: Map, reference: Map | None = None, **options) -> MaskCheck:
    return next(c for c in examine_mask(mask, reference, **options) if c.name == name)


def test_of_a_good_mask_everything_is_told_and_nothing_complained_of(reference):
    checks = examine_mask(as_map(GOOD), reference, fulcrum_voxels=(18.0, 24.0, 24.0))
    assert [check.name for check in checks] == [
        *("grid", "origin", "values", "range", "size", "islands", "holes", "box edge"),
        *("binary", "soft edge", "density", "fulcrum"),
    ]
    assert worst_state(checks) == "ok"
    assert not [check for check in checks if check.mend]
    by_name = {check.name: check.value for check in checks}
    assert by_name["density"] == pytest.approx(0.5, abs=0.01)
    assert by_name["soft edge"] == pytest.approx(10.0, rel=0.1)
    assert by_name["size"] == np.count_nonzero(GOOD >= 0.5)
    assert by_name["fulcrum"] == 0.0


# Where it lies


def test_a_mask_cut_out_of_the_box_is_placed_and_looked_at(reference):
    cut = as_map(GOOD[6:44, 8:40, 1:33], origin_angstrom=(1.5, 12.0, 9.0))
    checks = examine_mask(cut, reference)
    assert checks[0].state == "warning"
    assert checks[0].mend == Mend("--on-grid map.mrc", "resample", {"on_grid": "map.mrc"})
    assert look("density", cut, reference).value == pytest.approx(0.5, abs=0.01)
    mended = resample_on_grid(cut, reference, mask=True)
    assert worst_state(examine_mask(mended, reference)) == "ok"


def test_a_segment_saved_by_chimerax_is_mended_by_resampling(shared_data):
    whole = read_map(shared_data / "masks" / "emd_5168.map")
    monomer = read_map(shared_data / "masks" / "emd_5168_monomer.mrc", cubic=False)
    grid = look("grid", monomer, whole)
    assert grid.state == "warning"
    assert grid.mend is not None
    assert grid.mend.flag == f"--on-grid {whole.path}"
    values = resample_on_grid(monomer, whole).data
    mended = Map(
        np.asarray(values > 12, np.float32),
        whole.voxel_size_angstrom,
        Path("m.mrc"),
        whole.position,
    )
    assert look("grid", mended, whole).state == look("origin", mended, whole).state == "ok"


def test_another_voxel_size_is_a_fault_with_its_mend(reference):
    other = as_map(GOOD, voxel=1.2)
    grid = look("grid", other, reference)
    assert grid.state == "fault"
    assert grid.text.startswith("the mask has voxels of 1.2")
    assert grid.mend is not None
    assert grid.mend.command("mask.mrc", "out.mrc") == (
        "locref resample mask.mrc --on-grid map.mrc --out out.mrc"
    )
    # The rest is looked at but for what needs the map.
    names = [check.name for check in examine_mask(other, reference)]
    assert "islands" in names
    assert "density" not in names


def test_between_the_voxels_is_a_fault(reference):
    assert look("grid", as_map(GOOD, origin_angstrom=(0.7, 0.0, 0.0)), reference).state == "fault"


def test_without_a_map_a_box_that_is_no_cube_is_told():
    grid = look("grid", as_map(GOOD[:40]))
    assert grid.state == "warning"
    assert "48 x 48 x 40" in grid.text


def test_an_origin_that_is_not_zero_is_told_without_a_map():
    origin = look("origin", as_map(GOOD, origin_angstrom=(3.0, 0.0, 4.0)))
    assert origin.state == "warning"
    assert origin.value == pytest.approx(5.0)
    assert "(3.00, 0.00, 4.00) Å" in origin.text


def test_the_origin_of_the_map_is_no_fault(reference):
    place = {"origin_angstrom": (3.0, 0.0, 4.0)}
    there = as_map(reference.data, "map.mrc", **place)
    assert look("origin", as_map(GOOD, **place), there).state == "ok"


def test_an_origin_that_means_no_place_is_told_beside_another(reference):
    moved = as_map(reference.data, "map.mrc", origin_angstrom=(3.0, 0.0, 4.0))
    origin = look("origin", as_map(GOOD), moved)
    assert origin.state == "warning"
    assert "taken voxel by voxel" in origin.text


@pytest.mark.parametrize("edge", ["corner", "centre"])
def test_angstrom_typed_for_voxels_are_recognised(reference, edge):
    point = np.array([14.0, 25.0, 23.0])
    typed = (point if edge == "corner" else point - 24) * VOXEL
    fulcrum = look("fulcrum", as_map(soft(ball(LEFT, 2.0))), reference, fulcrum_voxels=tuple(typed))
    assert fulcrum.state in ("warning", "fault")
    assert f"As Å from the {edge} it is (14.0, 25.0, 23.0) voxels" in fulcrum.text
    assert fulcrum.mend == Mend(
        "--fulcrum 14.0,25.0,23.0", "refine", {"fulcrum": (14.0, 25.0, 23.0)}
    )


def test_a_fulcrum_far_from_the_mask_is_told_with_its_distance(reference):
    fulcrum = look("fulcrum", as_map(GOOD), reference, fulcrum_voxels=(47.0, 47.0, 47.0))
    assert fulcrum.state == "warning"
    assert fulcrum.value == pytest.approx(distance_px(GOOD, np.array([47.0, 47.0, 47.0])), abs=1e-6)
    assert f"{fulcrum.value * VOXEL:.1f} Å ({fulcrum.value:.1f} voxels)" in fulcrum.text


def test_a_fulcrum_outside_the_box_is_a_fault(reference):
    point = (150.0, 24.0, 24.0)
    assert look("fulcrum", as_map(GOOD), reference, fulcrum_voxels=point).state == "fault"


@given(point=st.tuples(*[st.floats(-10.0, 58.0)] * 3))
@settings(max_examples=25, deadline=None)
def test_distance_from_the_mask_is_that_of_the_nearest_cube(point):
    inside = ball(LEFT, 3.0)
    best = min(
        np.linalg.norm(np.maximum(np.abs(np.array(point) - voxel[::-1]) - 0.5, 0.0))
        for voxel in np.argwhere(inside)
    )
    assert distance_px(inside.astype(np.float32), np.array(point)) == pytest.approx(best)


# Whether it is a mask


@pytest.mark.parametrize(
    ("values", "name", "flag"),
    [
        (np.where(ball((0, 0, 0), 2.0), np.nan, 1.0), "values", None),
        (3.0 * GOOD, "range", "--threshold 1.5 --soft-pad 10"),
        (GOOD - 1.5, "range", None),
        (0.2 * GOOD, "size", "--threshold 0.1 --soft-pad 10"),
        (np.zeros_like(GOOD), "size", None),
    ],
)
def test_what_is_no_mask_is_a_fault_and_looked_at_no_further(reference, values, name, flag):
    checks = examine_mask(as_map(values), reference)
    assert checks[-1].name == name
    assert checks[-1].state == "fault"
    assert (checks[-1].mend.flag if checks[-1].mend else None) == flag


# Shape and edge


def test_islands_are_counted_and_mended():
    two = soft(ball(LEFT, 4.0) | ball((12.0, 0.0, 0.0), 1.0), 6.0)
    islands = look("islands", as_map(two))
    assert islands.value == 2
    assert islands.mend is not None
    assert "--islands 1" in islands.mend.flag
    assert islands.mend.values["islands"] == 1
    width = islands.mend.values["soft_pad"]
    assert width == pytest.approx(4, abs=1)
    mended = soft_pad(keep_islands(two >= 0.5, count=1), width)
    assert look("islands", as_map(mended)).state == "ok"


def test_holes_are_counted_and_mended_in_a_binary_mask():
    hollow = ball(LEFT, 6.0) & ~ball(LEFT, 2.0)
    holes = look("holes", as_map(hollow))
    assert holes.value == np.count_nonzero(ball(LEFT, 2.0))
    assert holes.mend == Mend("--fill-holes", "volume-tools", {"fill_holes": True})
    assert look("holes", as_map(fill_holes(hollow))).state == "ok"


def test_an_opening_by_a_corner_does_not_close_a_hole():
    """What is outside hangs together by faces; so a hole that touches by corners is one."""
    shell = np.zeros((BOX,) * 3)
    shell[10:20, 10:20, 10:20] = 1
    shell[12, 12, 12] = shell[11, 11, 11] = shell[10, 10, 10] = 0
    assert look("holes", as_map(shell)).value == 2
    shell[11, 12, 12] = shell[10, 12, 12] = 0
    assert look("holes", as_map(shell)).value == 1


def test_the_margin_is_that_of_the_nearest_face():
    mask = soft(ball((-8.0, 3.0, 10.0), 4.0), 6.0)
    used = np.argwhere(mask > 0.01)
    assert margin_px(mask) == min(used.min(), BOX - 1 - used.max())
    assert look("box edge", as_map(mask)).value == margin_px(mask)
    touching = look("box edge", as_map(soft(ball((-20.0, 0.0, 0.0), 4.0))))
    assert (touching.state, touching.value) == ("warning", 0.0)


@pytest.mark.parametrize("resolution", [None, 3.7, 8.0])
def test_a_binary_mask_is_mended_by_an_edge_of_five_resolutions(reference, resolution):
    binary = ball(LEFT, 3.0)
    check = look("binary", as_map(binary), reference, resolution_angstrom=resolution)
    assert check.state == "warning"
    assert check.mend is not None
    width = check.mend.values["soft_pad"]
    assert width == int(np.ceil(5 * (resolution or 2 * VOXEL) / VOXEL))
    assert check.mend.flag == f"--soft-pad {width}"
    mended = as_map(soft(binary, width * VOXEL))
    assert look("soft edge", mended, reference, resolution_angstrom=resolution).state == "ok"


def test_an_edge_too_hard_is_replaced_by_a_softer_one():
    hard = soft(ball(LEFT, 6.0), 6.0)
    check = look("soft edge", as_map(hard))
    assert check.state == "warning"
    assert check.mend == Mend("--soft-pad 10", "volume-tools", {"soft_pad": 10})
    assert look("soft edge", as_map(soft_pad(hard >= 0.5, 10))).state == "ok"


# Words


def test_lines_name_state_check_mend_and_a_verdict(reference):
    lines = describe_checks(examine_mask(as_map(ball(LEFT, 6.0)), reference), "mask.mrc")
    assert sum(line.startswith("warning  ") for line in lines) == 1
    assert any("mend: locref volume-tools mask.mrc --soft-pad 10 --out" in line for line in lines)
    assert lines[-1] == "The mask can be used; 1 warning."
    faulty = describe_checks(examine_mask(as_map(0 * GOOD), reference))
    assert faulty[-1] == "The mask cannot be used as it is: 1 fault."


@given(st.just(0.0) | st.floats(0.5, 15.0), st.floats(1.0, 6.0))
@settings(max_examples=15, deadline=None)
def test_sentences_of_check_mask_are_those_of_the_examination(edge, radius):
    """But for holes and the header's origin, which the short form leaves out."""
    whole = as_map(ball(LEFT, 6.0) | ball((8.0, 0.0, 0.0), 6.0), "map.mrc")
    mask = as_map(soft(ball(LEFT, radius), edge))
    told = {c.text for c in examine_mask(mask, whole) if c.state == "warning"}
    short = {text.removeprefix("mask.mrc: ") for text in check_mask(mask, whole)}
    assert short <= told
    assert {c.name for c in examine_mask(mask, whole) if c.text in told - short} <= {"holes"}
