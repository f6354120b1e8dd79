"""Subtracted sets in another frame: their tables, their maps, and the way back to the originals."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import starfile
from scipy.spatial.transform import Rotation

from locref_widgets.engine.new_frame import cut_windows
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.subtract_job import revert, subtract
from locref_widgets.refinement.subtract_options import SubtractOptions
from tests.blobs import Blobs
from tests.refinement.two_bodies import CENTRE_ANGSTROM, PIXEL_ANGSTROM, TwoBodies, images_of

CROP_PX = 24
VOXELS = np.array([29, 20, 21])
"""The voxel nearest to the mask's centre of mass."""


def table_of(star):
    return starfile.read(star, always_dict=True)["particles"]


def images_in(star):
    particles = read_particles(star)
    return particles.images(np.arange(len(particles)))


@pytest.fixture(scope="module")
def project(two_bodies, tmp_path_factory):
    """A project folder with 60 of the particles, a magnified optics group, and priors of origins.

    Everything as RELION has it: names of images start from the project's folder.
    """
    folder = tmp_path_factory.mktemp("project")
    blocks = starfile.read(two_bodies.data.star, always_dict=True)
    optics, table = blocks["optics"], blocks["particles"].head(60)
    optics = optics.loc[[0, 0]].assign(rlnOpticsGroup=[1, 2], rlnOpticsGroupName=["a", "b"])
    for name, values in {"00": [1.0, 1.02], "01": [0.0, 0.01], "10": [0, -0.02]}.items():
        optics[f"rlnMagMat{name}"] = values
    optics["rlnMagMat11"] = [1.0, 0.97]
    stack = "Extract/particles.mrcs"
    table = table.assign(
        rlnOpticsGroup=1 + (np.arange(60) // 3) % 2,
        rlnImageName=table["rlnImageName"].str.replace("particles.mrcs", stack),
        rlnOriginXPriorAngst=table["rlnOriginXAngst"] + 0.25,
        rlnOriginYPriorAngst=table["rlnOriginYAngst"] - 0.5,
        rlnGroupName="some_group",
    )
    (folder / "Extract").mkdir()
    shutil.copy(two_bodies.data.stack, folder / stack)
    (folder / "Refine3D").mkdir()
    starfile.write({"optics": optics, "particles": table}, folder / "Refine3D" / "run_data.star")
    return folder


def run(project, two_bodies: TwoBodies, out, **options):
    return subtract(
        read_particles(project / "Refine3D" / "run_data.star"),
        read_map(two_bodies.mask),
        project / out,
        volume=read_map(two_bodies.map),
        options=SubtractOptions(scale="none", **options),
    )


@pytest.fixture(scope="module")
def plain(project, two_bodies):
    return run(project, two_bodies, "Subtract/plain")


@pytest.fixture(scope="module")
def moved(project, two_bodies):
    return run(project, two_bodies, "Subtract/moved", recenter=True, crop_px=CROP_PX)


def test_every_column_is_carried_through(project, plain):
    given, found = (
        read_particles(path).table.columns
        for path in (project / "Refine3D" / "run_data.star", plain.star)
    )
    for name, column in given.items():
        if name != "rlnImageName":
            np.testing.assert_array_equal(found[name], column, err_msg=name)
    np.testing.assert_array_equal(found["rlnImageOriginalName"], given["rlnImageName"])
    # Names start from the project's folder, one stack for each optics group, in the table's order.
    numbers = {1: 0, 2: 0}
    for name, group in zip(found["rlnImageName"], found["rlnOpticsGroup"], strict=True):
        numbers[int(group)] += 1
        stack = f"Subtract/plain/subtracted_opticsgroup{int(group)}.mrcs"
        assert name == f"{numbers[int(group)]:06d}@{stack}"


def test_windows_are_cut_from_the_subtracted_images(plain, moved):
    assert moved.centre_voxels == tuple(VOXELS.tolist())
    table = table_of(moved.star)
    shifts = table[["locrefWindowXAngst", "locrefWindowYAngst"]].to_numpy() / PIXEL_ANGSTROM
    np.testing.assert_allclose(shifts, np.rint(shifts), atol=1e-5)
    expected = cut_windows(images_in(plain.star), np.rint(shifts).astype(int), CROP_PX)
    np.testing.assert_array_equal(images_in(moved.star), expected)
    optics = starfile.read(moved.star, always_dict=True)["optics"]
    assert optics["rlnImageSize"].tolist() == [CROP_PX, CROP_PX]
    assert np.abs(table[["rlnOriginXAngst", "rlnOriginYAngst"]]).max().max() <= PIXEL_ANGSTROM / 2


def test_poses_and_maps_are_those_of_the_new_frame(project, two_bodies):
    """Analytic images of the region counted from the new centre are those of the old, displaced."""
    result = run(project, two_bodies, "Subtract/frame", recenter=True, adjust_defocus=False)
    centre = (VOXELS - two_bodies.data.box_px // 2) * PIXEL_ANGSTROM
    body = two_bodies.data.hinge.body
    shifted = Blobs(body.centres_angstrom - centre, body.sigmas_angstrom, body.masses)
    table = table_of(result.star)
    plain = table["rlnOpticsGroup"].to_numpy() == 1  # without magnification, as the oracle is
    origins = table[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy()
    data = replace(
        two_bodies.data,
        table=two_bodies.data.table.head(60)[plain],
        rotations=two_bodies.data.rotations[:60][plain],
        origins_angstrom=two_bodies.data.origins_angstrom[:60][plain],
    )
    windows = table[["locrefWindowXAngst", "locrefWindowYAngst"]].to_numpy()[plain]
    pixels = np.rint(windows / PIXEL_ANGSTROM).astype(int)
    old = cut_windows(images_of(data, body), pixels, data.box_px)
    new = images_of(replace(data, origins_angstrom=origins[plain]), shifted)
    # Six decimals of the table; the Nyquist line has no sign of its phase.
    assert np.abs(new - old).max() < 1e-3 * np.abs(old).max()
    # The mask, and the map of what is left, follow by whole voxels.
    mask, map_ = (read_map(result.star.with_name(f"{name}.mrc")).data for name in ("mask", "map"))
    keep, volume = read_map(two_bodies.mask).data, read_map(two_bodies.map).data
    displacement = data.box_px // 2 - VOXELS[::-1]
    inside = tuple(slice(max(0, d), data.box_px + min(0, d)) for d in displacement)
    for found, old in ((mask, keep), (map_, volume * keep)):
        expected = np.roll(old, displacement, axis=(0, 1, 2))[inside]
        np.testing.assert_allclose(found[inside], expected, atol=1e-6)


def test_defocus_follows_the_height_of_the_region(project, two_bodies, moved):
    given = read_particles(project / "Refine3D" / "run_data.star")
    heights = (given.rotations @ ((VOXELS - two_bodies.data.box_px // 2) * PIXEL_ANGSTROM))[:, 2]
    before, after = given.table, read_particles(moved.star).table
    for name in ("rlnDefocusU", "rlnDefocusV"):
        np.testing.assert_allclose(after.floats(name), before.floats(name) - heights, atol=1e-4)
    assert np.abs(heights).max() > 20  # it matters: the region is 45 Å from the centre


def test_priors_of_origins_move_with_them(moved):
    table = table_of(moved.star)
    np.testing.assert_allclose(
        table["rlnOriginXPriorAngst"] - table["rlnOriginXAngst"], 0.25, atol=1e-5
    )
    np.testing.assert_allclose(
        table["rlnOriginYPriorAngst"] - table["rlnOriginYAngst"], -0.5, atol=1e-5
    )


@pytest.mark.parametrize("which", ["plain", "moved"])
def test_reverting_gives_back_names_and_poses(project, request, which, tmp_path):
    result = request.getfixturevalue(which)
    star = revert(result.star, project / f"reverted_{which}")
    given = read_particles(project / "Refine3D" / "run_data.star")
    back = read_particles(star)
    assert list(given.table.columns) == [
        n for n in back.table.columns if n != "rlnImageOriginalName"
    ]
    np.testing.assert_array_equal(
        back.table.columns["rlnImageName"], given.table.columns["rlnImageName"]
    )
    # Three columns of six decimals each on the way.
    np.testing.assert_allclose(back.origins_angstrom, given.origins_angstrom, atol=3e-6)
    np.testing.assert_array_equal(back.rotations, given.rotations)
    for name in ("rlnDefocusU", "rlnDefocusV", "rlnOriginXPriorAngst"):
        np.testing.assert_allclose(back.table.floats(name), given.table.floats(name), atol=4e-6)
    assert back.box_px == given.box_px
    np.testing.assert_array_equal(images_in(star), given.images(np.arange(len(given))))


def test_reverting_a_refined_subset_written_elsewhere(project, two_bodies, moved, tmp_path, rng):
    """As after ``locref refine`` on the subtracted set: other poses, fewer rows, another folder."""
    subtracted = read_particles(moved.star)
    rows = np.array([7, 3, 50, 22])
    some = subtracted.take(rows)
    turns = Rotation.from_rotvec(rng.normal(0, 0.1, (4, 3)))
    refined = some.with_poses(
        (turns * Rotation.from_matrix(some.rotations)).as_matrix(),
        some.origins_angstrom + rng.uniform(-5, 5, (4, 2)),
    )
    elsewhere = tmp_path / "run" / "final"
    elsewhere.mkdir(parents=True)
    refined.write_star(elsewhere / "particles.star")

    star = revert(elsewhere / "particles.star", tmp_path / "reverted")

    back = read_particles(star, need_half_sets=False)
    given = read_particles(project / "Refine3D" / "run_data.star")
    np.testing.assert_array_equal(back.images(np.arange(4)), given.images(rows))
    np.testing.assert_allclose(back.rotations, refined.rotations, atol=1e-7)
    centre = (VOXELS - two_bodies.data.box_px // 2) * PIXEL_ANGSTROM
    windows = table_of(moved.star)[["locrefWindowXAngst", "locrefWindowYAngst"]].to_numpy()[rows]
    magnification = np.asarray(given.ctf.magnification, float)[rows]
    point = CENTRE_ANGSTROM + np.array([3.0, -8.0, 5.0])
    for i in range(4):
        inside = magnification[i].T @ (refined.rotations[i] @ (point - centre))[:2]
        whole = magnification[i].T @ (back.rotations[i] @ point)[:2]
        np.testing.assert_allclose(
            whole - back.origins_angstrom[i],
            inside - refined.origins_angstrom[i] + windows[i],
            atol=1e-5,
        )


def test_a_set_subtracted_twice_leads_back_to_the_first_originals(project, moved, tmp_path):
    subtracted = read_particles(moved.star)
    folder = moved.star.parent
    mask, volume = read_map(folder / "mask.mrc"), read_map(folder / "map.mrc")
    options = SubtractOptions(scale="none", centre_voxels=(13.0, 11.0, 12.0), crop_px=20)
    twice = subtract(
        subtracted, mask, project / "Subtract" / "twice", volume=volume, options=options
    )
    star = revert(twice.star, project / "reverted_twice")
    given = read_particles(project / "Refine3D" / "run_data.star")
    back = read_particles(star)
    np.testing.assert_array_equal(
        back.table.columns["rlnImageName"], given.table.columns["rlnImageName"]
    )
    np.testing.assert_allclose(back.origins_angstrom, given.origins_angstrom, atol=5e-6)
    np.testing.assert_allclose(
        back.table.floats("rlnDefocusU"), given.table.floats("rlnDefocusU"), atol=5e-6
    )


def test_reverting_what_was_not_subtracted(project, moved, tmp_path):
    with pytest.raises(InputError, match="rlnImageOriginalName"):
        revert(project / "Refine3D" / "run_data.star", tmp_path / "out")
    # RELION's tables name the originals but do not say how the boxes were placed.
    star = tmp_path / "theirs.star"
    lines = (
        moved.star.read_text()
        .replace("_locref", "_theirs")
        .replace("Subtract/", f"{project}/Subtract/")
    )
    star.write_text(lines)
    said = []
    back = revert(star, tmp_path / "out", said.append)
    assert len(said) == 1
    assert "does not say how the boxes were placed" in said[0]
    np.testing.assert_array_equal(
        read_particles(back).origins_angstrom, read_particles(moved.star).origins_angstrom
    )
    gone = (project / "Extract").rename(project / "Gone")
    try:
        with pytest.raises(InputError, match="is not there"):
            revert(moved.star, tmp_path / "gone")
    finally:
        gone.rename(project / "Extract")
    assert not (tmp_path / "gone").exists()


def test_an_output_outside_the_project_names_its_own_files(project, two_bodies, plain, tmp_path):
    result = subtract(
        read_particles(project / "Refine3D" / "run_data.star"),
        read_map(two_bodies.mask),
        tmp_path / "out",
        volume=read_map(two_bodies.map),
        options=SubtractOptions(scale="none", float16=True),
    )
    names = table_of(result.star)["rlnImageName"]
    assert names[0] == "000001@subtracted_opticsgroup1.mrcs"
    back = read_particles(revert(result.star, tmp_path / "back"))
    given = read_particles(project / "Refine3D" / "run_data.star")
    np.testing.assert_array_equal(back.images(np.arange(3)), given.images(np.arange(3)))
    # float16 keeps 11 bits.
    full = images_in(plain.star)
    np.testing.assert_allclose(images_in(result.star), full, atol=np.abs(full).max() / 2**11)
