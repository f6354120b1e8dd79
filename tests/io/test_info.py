"""``describe``: what a file holds, and everything that is wrong with it at once."""

import gzip
import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.info import describe
from locref_widgets.io.mrc import write_map


def test_a_sound_particle_set(recipe) -> None:
    told = describe(recipe.write())
    assert told["kind"] == "particles"
    assert told["faults"] == []
    facts = told["facts"]
    assert facts["particles"] == facts["images_checked"] == 6
    assert facts["half_sets"] == [3, 3]
    assert facts["box_px"] == 16
    assert facts["pixel_size_angstrom"] == 2.5
    assert facts["voltage_kv"] == [300.0]
    assert facts["defocus_angstrom"] == [9950.4, 10000.4]
    assert facts["blocks"]["particles"]["rows"] == 6
    assert json.loads(json.dumps(told)) == told


def test_all_faults_are_told_at_once(recipe) -> None:
    recipe.images[2] = 0
    recipe.particles["rlnRandomSubset"] = ["1"] * 6
    del recipe.particles["rlnAngleRot"], recipe.optics["rlnVoltage"]
    recipe.optics["rlnImageSize"] = ["20"]
    faults = " ".join(describe(recipe.write())["faults"])
    for part in (
        "the image of row 3 all pixels are equal",
        "half-set 1",
        "rlnAngleRot absent",
        "rlnVoltage",
        "rlnImageSize says 20",
    ):
        assert part in faults


def test_unequal_half_sets_are_told(recipe) -> None:
    recipe.particles["rlnRandomSubset"] = ["1", "1", "1", "1", "1", "2"]
    (fault,) = describe(recipe.write())["faults"]
    assert "5 particles in half 1, 1 in half 2" in fault


def test_a_pixel_size_unlike_the_headers_is_told(recipe) -> None:
    recipe.optics["rlnImagePixelSize"] = ["5.0"]
    (fault,) = describe(recipe.write())["faults"]
    assert "5.0000 Å by the table, but 2.5000 Å by the header" in fault


def test_maps_and_stacks(tmp_path: Path) -> None:
    write_map(tmp_path / "a.mrc", np.arange(27, dtype=np.float32).reshape(3, 3, 3), 2.0)
    told = describe(tmp_path / "a.mrc")
    assert (told["kind"], told["faults"]) == ("map", [])
    assert told["facts"]["box_angstrom"] == 6.0
    assert told["facts"]["size_xyz_angstrom"] == [6.0] * 3
    assert (told["facts"]["minimum"], told["facts"]["maximum"]) == (0.0, 26.0)
    write_map(tmp_path / "flat.mrc", np.ones((3, 3, 3), np.float32), 2.0)
    assert "all voxels are equal" in describe(tmp_path / "flat.mrc")["faults"][0]
    images = np.random.default_rng(0).normal(size=(5, 4, 4)).astype(np.float16)
    mrcfile.write(tmp_path / "a.mrcs", images)
    told = describe(tmp_path / "a.mrcs")
    assert told["kind"] == "image stack"
    assert (told["facts"]["images"], told["facts"]["mode"]) == (5, 12)
    assert told["faults"] == []


def test_a_packed_map_is_no_stack_whatever_its_shape(tmp_path: Path) -> None:
    values = np.arange(80, dtype=np.float32).reshape(5, 4, 4)
    mrcfile.write(tmp_path / "a.map", values, voxel_size=2.0)
    (tmp_path / "a.map.gz").write_bytes(gzip.compress((tmp_path / "a.map").read_bytes()))
    told = describe(tmp_path / "a.map.gz")
    assert (told["kind"], told["facts"]["size_xyz"]) == ("map", [4, 4, 5])
    assert told["facts"]["maximum"] == 79.0
    # A packed stack is named as what it is, with the fault that keeps it from being read.
    (tmp_path / "a.mrcs").write_bytes((tmp_path / "a.map.gz").read_bytes())
    told = describe(tmp_path / "a.mrcs")
    assert told["kind"] == "image stack"
    (fault,) = told["faults"]
    assert "gzip" in fault


def test_maps_of_any_shape_and_cell_are_described(shared_data: Path) -> None:
    told = describe(shared_data / "maps/EMD-3001.map.bz2")
    facts = told["facts"]
    assert (told["kind"], facts["size_xyz"], facts["axis_order"]) == (
        "map",
        [43, 25, 73],
        [3, 1, 2],
    )
    assert facts["start_xyz"] == [-21, -12, 0]  # 0, -21, -12 along the file's axes 3, 1, 2
    assert facts["cell_angles_deg"] == [90.0, pytest.approx(94.326, abs=1e-3), 90.0]
    with mrcfile.open(shared_data / "maps/EMD-3001.map.bz2") as handle:
        assert facts["maximum"] == handle.data.max()
        assert facts["mean"] == pytest.approx(handle.data.mean(dtype=np.float64))
    assert "the cell is not rectangular" in told["faults"][0]
    assert json.loads(json.dumps(told)) == told
    told = describe(shared_data / "maps/emd20026_prot.mrc")
    assert told["facts"]["corner_angstrom"] == pytest.approx([117.0, 65.65, 101.4], abs=1e-3)
    assert told["facts"]["size_xyz_angstrom"] == pytest.approx([61.1, 67.6, 72.8], abs=1e-3)
    assert "box_angstrom" not in told["facts"]  # of a cube only
    (fault,) = told["faults"]
    assert "is not cubic: 94 x 104 x 112" in fault


def test_files_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "model.star").write_text("data_model\n_rlnCurrentResolution 3.4\n")
    told = describe(tmp_path / "model.star")
    assert (told["kind"], told["faults"]) == ("STAR", [])
    (tmp_path / "a.mrc").write_bytes(b"nothing")
    told = describe(tmp_path / "a.mrc")
    assert told["kind"] == "unknown"
    assert "less than an MRC header" in told["faults"][0]
    (tmp_path / "a.cs").write_bytes(b"\x93NUMPY")
    assert "is damaged or cut off" in describe(tmp_path / "a.cs")["faults"][0]
    with pytest.raises(InputError, match="no such file"):
        describe(tmp_path / "absent.mrc")


def test_every_real_file_is_described(shared_data: Path) -> None:
    files = [
        path
        for folder in ("star", "particles", "maps", "masks")
        for path in sorted((shared_data / folder).rglob("*"))
        if path.suffix in (".star", ".mrc", ".mrcs", ".map", ".cs", ".ccp4", ".gz", ".bz2")
    ]
    assert len(files) > 80
    kinds = {str(path.relative_to(shared_data)): describe(path)["kind"] for path in files}
    assert kinds["particles/relion31_microtubule_5/relion31.star"] == "particles"
    assert kinds["particles/empiar10076_7/empiar_10076_7.mrc"] == "image stack"
    assert kinds["maps/emd_1155.ccp4"] == "map"
    unknown = {name for name, kind in kinds.items() if kind == "unknown"}
    assert not unknown


def test_particles_of_cryosparc(cs_recipe) -> None:
    told = describe(cs_recipe.write())
    assert (told["kind"], told["faults"]) == ("particles", [])
    facts = told["facts"]
    assert facts["format"] == "cryoSPARC"
    assert facts["half_sets"] == [3, 3]
    assert (facts["box_px"], facts["pixel_size_angstrom"]) == (16, 2.5)
    assert facts["voltage_kv"] == [200.0, 300.0]
    assert (facts["optics_groups"], facts["zernike_terms"]) == (2, [6, 9])
    assert json.loads(json.dumps(told)) == told
    del cs_recipe.fields["alignments3D/pose"], cs_recipe.fields["ctf/cs_mm"]
    cs_recipe.fields["alignments3D/split"][:] = 1
    cs_recipe.fields["blob/psize_A"][2] = 3
    faults = " ".join(describe(cs_recipe.write())["faults"])
    for part in ("no poses", "no field ctf/cs_mm", "in half-set 1", "more than one pixel size"):
        assert part in faults
