"""Runs on maps that lie elsewhere than at zero, with masks that were cut out of their box."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.inputs import check_inputs, load_inputs, record_inputs
from locref_widgets.runs.prepare import checked_inputs
from locref_widgets.runs.run import refine
from tests.runs.fake_job import Job, make_loop

SETTINGS = RefinementSettings(iterations=1, seed=3)
AS_EMDB = BoxPosition((-12, -12, -12))
PIXEL = 6.0


@pytest.fixture
def displaced(job: Job, tmp_path: Path) -> Job:
    """The map as the EMDB keeps it, and of the mask only the piece with something in it."""
    inside = np.argwhere(job.mask.data > 0)
    first, last = inside.min(axis=0), inside.max(axis=0) + 1
    piece = job.mask.data[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    x, y, z = PIXEL * (first[::-1] - 12)
    write_map(tmp_path / "map.mrc", job.volume.data, PIXEL, AS_EMDB)
    write_map(tmp_path / "piece.mrc", piece, PIXEL, BoxPosition(origin_angstrom=(x, y, z)))
    return replace(
        job,
        volume=read_map(tmp_path / "map.mrc"),
        mask=read_map(tmp_path / "piece.mrc", cubic=False),
    )


def run_fake(job: Job, out: Path, **keywords):
    return refine(
        *job.arguments, SETTINGS, out, progress=False, refine_loop=make_loop(), **keywords
    )


def test_a_piece_of_a_mask_is_put_back_and_the_results_lie_where_the_map_does(
    displaced: Job, job: Job, run_path: Path
) -> None:
    run = run_fake(displaced, run_path)
    assert run.status == "finished"
    used = read_map(run_path / "inputs" / "mask.mrc")
    np.testing.assert_array_equal(used.data, job.mask.data)
    maps = [*(run_path / "iterations").rglob("*.mrc"), *(run_path / "final").glob("*.mrc")]
    assert len(maps) == 2 * 5 + 6
    assert {read_map(path).position for path in [*maps, run_path / "inputs/mask.mrc"]} == {AS_EMDB}
    (said,) = (
        event["message"]
        for event in run.events()
        if event["kind"] == "warning" and "was placed in the box" in event["message"]
    )
    assert said.startswith(str(displaced.mask.path))
    # The same files again are the same run.
    assert run_fake(displaced, run_path, resume=True).status == "finished"


def test_maps_at_zero_give_maps_at_zero(job: Job, run_path: Path) -> None:
    run_fake(job, run_path)
    assert read_map(run_path / "final" / "map.mrc").position == AT_ZERO
    assert not (run_path / "inputs").exists()


def test_the_process_that_goes_on_says_what_was_done(displaced: Job, tmp_path: Path) -> None:
    inputs, warnings = checked_inputs(*displaced.arguments, SETTINGS, None)
    loaded = load_inputs(record_inputs(inputs, tmp_path / "inputs"))
    np.testing.assert_array_equal(loaded.mask.data, inputs.mask.data)
    assert loaded.mask.remarks == inputs.mask.remarks
    again = check_inputs(loaded, SETTINGS)
    assert again[0] == warnings[0] == inputs.mask.remarks[0]


def test_a_mask_by_a_program_that_knows_no_origin_is_the_maps(displaced: Job, job: Job) -> None:
    other = replace(job.volume, data=np.square(job.volume.data))
    inputs, warnings = checked_inputs(
        job.particles, displaced.volume, job.mask, SETTINGS, (displaced.volume, other)
    )
    assert inputs.mask is job.mask
    told = [warning for warning in warnings if "taken voxel by voxel as it stands" in warning]
    assert [("the mask" in text, "the half-map" in text) for text in told] == [
        (True, False),
        (False, True),
    ]


def test_a_mask_between_the_voxels_is_refused(job: Job) -> None:
    mask = replace(job.mask, position=BoxPosition(origin_angstrom=(3.0, 0.0, 0.0)))
    with pytest.raises(InputError, match=r"mask.mrc: the mask lies between the voxels"):
        checked_inputs(job.particles, job.volume, mask, SETTINGS, None)
