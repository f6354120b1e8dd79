"""Reconstruction as a job."""

import shutil
from dataclasses import replace

import mrcfile
import numpy as np
import pytest
import starfile

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.fsc_files import read_fsc_json
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.consensus import add_up_halves
from locref_widgets.refinement.reconstruct_job import reconstruct
from locref_widgets.refinement.whole_particle import whole_problem
from tests.interop.relion import stored_correlations


def test_maps_show_the_object_and_the_files_agree(two_bodies, tmp_path):
    result = reconstruct(read_particles(two_bodies.data.star), tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    curve_files = {f"fsc.{ending}" for ending in ("json", "star", "txt", "xml")}
    assert names == curve_files | {"half1.mrc", "half2.mrc", "map.mrc"}
    assert result.n_particles == 240
    maps = {
        name: mrcfile.read(tmp_path / "out" / f"{name}.mrc") for name in ("half1", "half2", "map")
    }
    data = two_bodies.data
    truth = data.blobs.volume(data.box_px, data.pixel_size_angstrom)
    outside = 1.0 - read_map(two_bodies.mask).data
    found = np.sum(maps["map"] * truth * outside) / np.sum(truth**2 * outside)
    # Its own scale; the smeared other body does not reach here. Seen: 0.99.
    assert found == pytest.approx(1.0, abs=0.05)
    curves = read_fsc_json(tmp_path / "out" / "fsc.json")
    theirs = stored_correlations(maps["half1"], maps["half2"])
    np.testing.assert_allclose(curves["no mask"].values[1:], theirs[1:], atol=1e-4)
    assert result.curve == "tight corrected"
    assert result.resolution_angstrom == curves["tight corrected"].resolution_angstrom()
    assert starfile.read(tmp_path / "out" / "fsc.star", always_dict=True)["general"][
        "rlnFinalResolution"
    ] == pytest.approx(result.resolution_angstrom, abs=1e-4)


def test_a_mask_tells_the_resolution_inside(two_bodies, tmp_path):
    mask = read_map(two_bodies.mask)
    particles = read_particles(two_bodies.data.star)
    result = reconstruct(particles, tmp_path / "masked", mask=mask)
    plain = reconstruct(particles, tmp_path / "plain")
    assert result.curve == "user mask corrected"
    ends = ("", " randomised", " corrected")
    expected = {"no mask", "spherical", "loose"}
    expected |= {f"{name}{end}" for name in ("user mask", "tight") for end in ends}
    assert set(result.curves) == expected
    assert result.resolution_angstrom == result.curves["user mask corrected"].resolution_angstrom()
    table = starfile.read(tmp_path / "masked" / "fsc.star", always_dict=True)
    assert "rlnFourierShellCorrelationMaskedMaps" in table["fsc"]
    assert table["general"]["rlnFinalResolution"] == pytest.approx(
        result.resolution_angstrom, abs=1e-4
    )
    # A mask changes the curves, not the maps.
    for name in ("half1", "half2", "map"):
        np.testing.assert_array_equal(
            mrcfile.read(result.folder / f"{name}.mrc"), mrcfile.read(plain.folder / f"{name}.mrc")
        )


def test_bad_images_take_no_part(two_bodies, tmp_path):
    (tmp_path / "bad").mkdir()
    shutil.copy(two_bodies.data.star, tmp_path / "bad")
    images = two_bodies.data.images.copy()
    images[5] = 1.0
    with mrcfile.new(tmp_path / "bad" / "particles.mrcs") as file:
        file.set_data(images)
        file.set_image_stack()
    said = []
    bad = read_particles(tmp_path / "bad" / "particles.star")
    result = reconstruct(bad, tmp_path / "out", warn=said.append)
    assert result.rows_set_aside == (5,)
    assert "rows 6 of" in said[0]
    good = read_particles(two_bodies.data.star).take(np.delete(np.arange(240), 5))
    without = reconstruct(good, tmp_path / "without")
    for name in ("half1", "half2"):
        np.testing.assert_allclose(
            mrcfile.read(result.folder / f"{name}.mrc"),
            mrcfile.read(without.folder / f"{name}.mrc"),
            atol=1e-4 * np.abs(images).max(),
        )


def test_what_cannot_be_reconstructed(two_bodies, tmp_path):
    particles = read_particles(two_bodies.data.star)
    with pytest.raises(InputError, match="D3h"):
        reconstruct(particles, tmp_path / "out", symmetry="D3h")
    star = two_bodies.data.star.with_name("without_halves.star")
    star.write_text(two_bodies.data.star.read_text().replace("_rlnRandomSubset", "_rlnSomething"))
    with pytest.raises(InputError, match="rlnRandomSubset"):
        reconstruct(read_particles(star, need_half_sets=False), tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(InputError, match="is there already"):
        reconstruct(particles, tmp_path / "full")
    assert not (tmp_path / "out").exists()


def test_a_half_set_without_particles_is_told(two_bodies):
    problem = whole_problem(read_particles(two_bodies.data.star))
    problem = replace(problem, half_sets=np.full_like(problem.half_sets, 1))
    with pytest.raises(InputError, match="no particle is in half-set 2"):
        add_up_halves(problem, 8, lambda *_: None)


def test_the_maps_lie_where_the_mask_lies(two_bodies, tmp_path):
    position = BoxPosition(origin_angstrom=(12.0, 12.0, -6.0))
    mask = replace(read_map(two_bodies.mask), position=position)
    reconstruct(read_particles(two_bodies.data.star), tmp_path / "out", mask=mask)
    assert read_map(tmp_path / "out" / "half1.mrc").position == position


def test_copies_go_into_one_half_set(two_bodies, tmp_path):
    particles = read_particles(two_bodies.data.star)
    twice = particles.take(np.repeat(np.arange(len(particles)), 2))
    apart = twice.with_half_sets(1 + np.arange(len(twice)) % 2)
    with pytest.raises(InputError, match="draw the half-sets anew"):
        reconstruct(apart, tmp_path / "out")
    half_sets = np.repeat(particles.half_sets, 2)
    half_sets[1] = 3 - half_sets[0]
    said = []
    reconstruct(twice.with_half_sets(half_sets), tmp_path / "out", warn=said.append)
    assert any("moved to the half-set" in message for message in said)


def test_without_half_sets_copies_stay_together(two_bodies):
    particles = read_particles(two_bodies.data.star)
    twice = particles.take(np.repeat(np.arange(len(particles)), 2))
    problem = whole_problem(replace(twice, half_sets=None))
    np.testing.assert_array_equal(problem.half_sets[::2], problem.half_sets[1::2])
    assert abs(np.sum(problem.half_sets == 1) - len(particles)) <= 2
