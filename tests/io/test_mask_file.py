"""Masks on the disc as other programs read them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mask_file import write_mask
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.io.placing import place_on_grid

POSITIONS = [
    BoxPosition(),
    BoxPosition(start_px=(-12, -12, -12)),
    BoxPosition(origin_angstrom=(15.0, -7.5, 3.0)),
    BoxPosition(origin_angstrom=(3.3, 0.4, -100.0)),
]


def map_and_mask(position: BoxPosition) -> tuple[Map, Map]:
    rng = np.random.default_rng(3)
    volume = Map(rng.normal(size=(24, 24, 24)).astype(np.float32), 1.5, position=position)
    mask = Map(rng.uniform(size=(24, 24, 24)).astype(np.float32), 1.5)
    return volume, mask


@pytest.mark.parametrize("position", POSITIONS)
def test_a_mask_has_the_maps_grid_and_origin_zero(position: BoxPosition, tmp_path: Path) -> None:
    volume, mask = map_and_mask(position)
    write_mask(tmp_path / "mask.mrc", mask, volume)
    with mrcfile.open(tmp_path / "mask.mrc") as file:
        assert file.data is not None
        assert file.header is not None
        assert file.data.shape == volume.data.shape
        assert file.data.dtype == np.float32
        np.testing.assert_array_equal(file.data, mask.data)
        assert file.header.origin.tolist() == (0, 0, 0)
        assert float(file.voxel_size.x) == pytest.approx(1.5)
    assert mrcfile.validate(tmp_path / "mask.mrc")


@pytest.mark.parametrize("position", POSITIONS)
def test_a_mask_is_read_back_where_the_map_lies(position: BoxPosition, tmp_path: Path) -> None:
    volume, mask = map_and_mask(position)
    write_mask(tmp_path / "mask.mrc", mask, volume)
    again = read_map(tmp_path / "mask.mrc")
    assert place_on_grid(volume, again, "the mask") is again
    if position != POSITIONS[-1]:  # whole voxels: ChimeraX shows it on the map
        np.testing.assert_allclose(again.corner_angstrom, volume.corner_angstrom, atol=1e-4)


def test_relion_reads_the_mask_as_it_is(tmp_path: Path, program: Callable[[str], str]) -> None:
    volume, mask = map_and_mask(POSITIONS[1])
    write_mask(tmp_path / "mask.mrc", mask, volume)
    command = [program("relion_image_handler"), "--i", str(tmp_path / "mask.mrc"), "--stats"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    # (x,y,z,n)= 24 x 24 x 24 x 1 ; avg= … stddev= … minval= … maxval= …; angpix = 1.5
    words = said.replace("=", " ").replace(";", " ").split()
    assert "24 x 24 x 24 x 1" in said
    numbers = {name: float(words[words.index(name) + 1]) for name in ("avg", "minval", "maxval")}
    assert numbers["avg"] == pytest.approx(mask.data.mean(), rel=1e-4)
    assert numbers["minval"] == pytest.approx(mask.data.min(), rel=1e-3)
    assert numbers["maxval"] == pytest.approx(mask.data.max(), rel=1e-4)
    assert float(words[words.index("angpix") + 1]) == pytest.approx(1.5)


def test_a_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    volume, mask = map_and_mask(BoxPosition())
    other = Map(mask.data[:20, :20, :20], 1.5)
    with pytest.raises(InputError, match="box of 20 voxels"):
        write_mask(tmp_path / "mask.mrc", other, volume)
    assert not (tmp_path / "mask.mrc").exists()
