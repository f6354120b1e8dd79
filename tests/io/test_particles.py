"""Particle tables: what RELION wrote is understood, and comes back as it was."""

import os
import subprocess
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from locref_widgets.io.particles import read_particles
from locref_widgets.io.star import read_star


def test_relion_3_1(recipe) -> None:
    particles = read_particles(recipe.write())
    assert len(particles) == 6
    assert (particles.box_px, particles.pixel_size_angstrom) == (16, 2.5)
    assert particles.half_sets.tolist() == [1, 2, 1, 2, 2, 1]
    assert particles.optics_group.tolist() == [1] * 6
    np.testing.assert_array_equal(particles.images(np.array([4, 0])), recipe.images[[4, 0]])
    np.testing.assert_allclose(particles.origins_angstrom[1], [-24.21545, -25.71701], atol=0)
    expected = Rotation.from_euler("ZYZ", [-128.10516, 37.068920, -82.17809], degrees=True).inv()
    np.testing.assert_allclose(particles.rotations[0], expected.as_matrix(), atol=1e-12)
    assert particles.ctf.voltage_kv.tolist() == [300.0] * 6
    np.testing.assert_allclose(particles.ctf.defocus_u_angstrom[2], 10020.25)
    np.testing.assert_allclose(particles.ctf.defocus_v_angstrom[2], 9920.5)
    np.testing.assert_allclose(particles.ctf.defocus_angle_deg, -45.1)
    assert particles.ctf.scale.tolist() == [1.0] * 6
    assert particles.ctf.odd_zernike.shape == (6, 0)
    np.testing.assert_array_equal(particles.ctf.magnification, [np.eye(2)] * 6)


def test_relion_3_0_is_the_same_set(recipe) -> None:
    new = read_particles(recipe.write())
    old = read_particles(recipe.to_relion_3_0().write())
    assert old.pixel_size_angstrom == pytest.approx(2.5)
    np.testing.assert_array_equal(old.rotations, new.rotations)
    # The recipe keeps the numbers of the origins, which 3.0 reads as pixels.
    np.testing.assert_allclose(old.origins_angstrom, 2.5 * new.origins_angstrom)
    np.testing.assert_array_equal(old.ctf.voltage_kv, new.ctf.voltage_kv)
    np.testing.assert_array_equal(old.half_sets, new.half_sets)


def test_the_particles_may_stand_before_the_optics(recipe) -> None:
    first = read_particles(recipe.write())
    recipe.optics_last = True
    last = read_particles(recipe.write())
    assert list(last.blocks) == ["particles", "optics"]
    np.testing.assert_array_equal(first.ctf.voltage_kv, last.ctf.voltage_kv)


def test_pixel_size_from_the_header_when_the_table_has_none(recipe) -> None:
    del recipe.optics["rlnImagePixelSize"]
    assert read_particles(recipe.write()).pixel_size_angstrom == pytest.approx(2.5)


def test_aberrations_of_several_groups(recipe) -> None:
    second = {name: [values[0], values[0]] for name, values in recipe.optics.items()}
    second |= {
        "rlnOpticsGroup": ["7", "3"],
        "rlnVoltage": ["300", "200"],
        "rlnBeamTiltX": ["0.5", "-1"],
        "rlnBeamTiltY": ["0", "2"],
        "rlnOddZernike": ["[1,2,3,4,5,6]", "[7,8]"],
        "rlnEvenZernike": ["[]", "[0.5]"],
        "rlnMagMat00": ["1.01", "1"],
        "rlnMagMat01": ["0.02", "0"],
        "rlnMagMat10": ["0.03", "0"],
        "rlnMagMat11": ["0.99", "1"],
    }
    recipe.optics = second
    recipe.particles |= {
        "rlnOpticsGroup": ["3", "7", "7", "3", "3", "7"],
        "rlnPhaseShift": ["90"] * 6,
        "rlnCtfBfactor": ["20"] * 6,
        "rlnCtfScalefactor": ["0.9"] * 6,
        # A value in the row wins over the group's.
        "rlnSphericalAberration": ["1.4"] * 6,
    }
    ctf = read_particles(recipe.write()).ctf
    assert ctf.voltage_kv.tolist() == [200, 300, 300, 200, 200, 300]
    assert ctf.beam_tilt_mrad[:2].tolist() == [[-1, 2], [0.5, 0]]
    assert ctf.odd_zernike[:2].tolist() == [[7, 8, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6]]
    assert ctf.even_zernike[:2].tolist() == [[0.5], [0]]
    np.testing.assert_allclose(ctf.magnification[1], [[1.01, 0.02], [0.03, 0.99]], rtol=1e-6)
    assert ctf.phase_shift_deg.tolist() == [90] * 6
    assert ctf.bfactor_angstrom2.tolist() == [20] * 6
    np.testing.assert_allclose(ctf.scale, 0.9, rtol=1e-6)
    np.testing.assert_allclose(ctf.spherical_aberration_mm, 1.4, rtol=1e-6)


QUATERNIONS = st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(
    poses=st.lists(
        st.tuples(QUATERNIONS, st.floats(-1000, 1000), st.floats(-1000, 1000)),
        min_size=6,
        max_size=6,
    ),
    old=st.booleans(),
)
@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_poses_survive_the_file(tmp_path: Path, new_recipe, poses: list, old: bool) -> None:
    recipe = new_recipe(tmp_path)
    given_particles = read_particles((recipe.to_relion_3_0() if old else recipe).write())
    rotations = Rotation.from_quat([q for q, _, _ in poses]).as_matrix()
    origins = np.array([[x, y] for _, x, y in poses])
    given_particles.with_poses(rotations, origins).write_star(tmp_path / "out.star")
    back = read_particles(tmp_path / "out.star")
    turn = Rotation.from_matrix(back.rotations) * Rotation.from_matrix(rotations).inv()
    assert turn.magnitude().max() < 1e-6
    assert np.abs(back.origins_angstrom - origins).max() / back.pixel_size_angstrom < 1e-4


@pytest.mark.parametrize("old", [False, True])
def test_every_other_column_passes_through_byte_for_byte(recipe, old: bool) -> None:
    recipe.particles |= {"userNote": ["'x  y'", "1.000", "-0", "1E+03", '""', "007"]}
    path = (recipe.to_relion_3_0() if old else recipe).write()
    particles = read_particles(path)
    moved = particles.with_poses(particles.rotations, particles.origins_angstrom + 1)
    assert moved.write_star(path.with_name("out.star")) == []
    before, after = read_star(path), read_star(path.with_name("out.star"))
    assert list(before) == list(after)
    for name, table in before.items():
        assert after[name].comments == table.comments == ["# version 30001"]
        for label, column in table.columns.items():
            if not label.startswith(("rlnAngle", "rlnOrigin")):
                assert after[name].columns[label].tolist() == column.tolist()
    table = after[particles.table_name]
    assert list(table.columns) == list(before[particles.table_name].columns)
    assert ("rlnOriginX" in table) == old
    assert ("rlnOriginXAngst" in table) != old
    # RELION's own way of reading is by lines; starfile's too.
    theirs = starfile.read(path.with_name("out.star"), always_dict=True)[particles.table_name]
    assert len(theirs) == 6


def test_a_table_without_origins_gets_those_of_its_version(recipe) -> None:
    for name in ("rlnOriginXAngst", "rlnOriginYAngst"):
        del recipe.particles[name]
    particles = read_particles(recipe.write())
    assert not particles.origins_angstrom.any()
    moved = particles.with_poses(particles.rotations, np.full((6, 2), 2.5))
    assert moved.table.floats("rlnOriginXAngst").tolist() == [2.5] * 6
    old = read_particles(recipe.to_relion_3_0().write())
    moved = old.with_poses(old.rotations, np.full((6, 2), 2.5))
    np.testing.assert_allclose(moved.table.floats("rlnOriginX"), 1.0)


def test_take_selects_everything(recipe) -> None:
    particles = read_particles(recipe.write())
    some = particles.take(np.array([5, 1]))
    assert len(some) == 2
    assert some.half_sets.tolist() == [1, 2]
    assert some.table.strings("rlnImageName") == ["000006@stack.mrcs", "000002@stack.mrcs"]
    np.testing.assert_array_equal(some.images(np.array([0, 1])), recipe.images[[5, 1]])
    np.testing.assert_array_equal(some.rotations, particles.rotations[[5, 1]])
    np.testing.assert_array_equal(some.ctf.defocus_u_angstrom, [10050.25, 10010.25])


def test_images_of_several_stacks(recipe) -> None:
    recipe.particles["rlnImageName"] = [
        "2@stack.mrcs",
        "1@b/two.mrcs",
        "1@stack.mrcs",
        "000003@b/two.mrcs",
        "2@stack.mrcs",
        "b/one.mrc",
    ]
    (recipe.folder / "b").mkdir()
    two = np.random.default_rng(2).normal(size=(4, 16, 16)).astype("f4")
    mrcfile.write(recipe.folder / "b/two.mrcs", two)
    mrcfile.write(recipe.folder / "b/one.mrc", two[:1] + 5)
    particles = read_particles(recipe.write())
    one = recipe.images
    expected = np.stack([one[1], two[0], one[0], two[2], one[1], two[0] + 5])
    np.testing.assert_array_equal(particles.images(np.arange(6)), expected)
    np.testing.assert_array_equal(particles.images(np.array([5, 3])), expected[[5, 3]])


def test_image_names_stay_when_they_lead_there(recipe) -> None:
    path = recipe.write()
    below = recipe.folder / "Refine3D" / "job001"
    below.mkdir(parents=True)
    read_particles(path).write_star(below / "run_data.star")
    tokens = read_star(below / "run_data.star")["particles"].columns["rlnImageName"].tolist()
    assert tokens == recipe.particles["rlnImageName"]
    read_particles(below / "run_data.star")


def test_image_names_are_made_to_lead_there(recipe, tmp_path_factory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    read_particles(recipe.write()).write_star(elsewhere / "out.star")
    token = read_star(elsewhere / "out.star")["particles"].columns["rlnImageName"][3]
    assert token.startswith("000004@")
    assert (elsewhere / token.partition("@")[2]).samefile(recipe.folder / "stack.mrcs")
    np.testing.assert_array_equal(
        read_particles(elsewhere / "out.star").images(np.arange(6)), recipe.images
    )


def test_a_root_folder_may_be_given(recipe, tmp_path_factory, monkeypatch) -> None:
    path = recipe.write()
    apart = tmp_path_factory.mktemp("apart") / "particles.star"
    path.rename(apart)
    particles = read_particles(apart, root=os.path.relpath(recipe.folder))
    # A job may go on in another folder, where a relative root would lead elsewhere.
    monkeypatch.chdir(apart.parent)
    np.testing.assert_array_equal(particles.images(np.arange(6)), recipe.images)


def test_images_that_cannot_be_used_are_listed(recipe) -> None:
    recipe.images[1, 3, 3] = np.nan
    recipe.images[4] = 2.0
    recipe.images[5, 0, 0] = np.inf
    with pytest.warns(RuntimeWarning):
        path = recipe.write()
    assert read_particles(path).find_bad_images() == [
        (1, "holds NaN or infinite values"),
        (4, "all pixels are equal"),
        (5, "holds NaN or infinite values"),
    ]


def test_relion_reads_what_is_written(recipe, program) -> None:
    # RELION 3.1 knows no quotes, so that a blank in a name would shift its columns.
    recipe.particles["rlnMicrographName"] = ["mic.mrc"] * 6
    particles = read_particles(recipe.write())
    path = recipe.folder / "out.star"
    particles.with_poses(particles.rotations, particles.origins_angstrom).write_star(path)
    labels = ["rlnImageName", "rlnAnglePsi", "rlnOriginYAngst", "rlnRandomSubset"]
    printed = subprocess.run(
        [program("relion_star_printtable"), str(path), "data_particles", *labels],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [line.split() for line in printed.stdout.splitlines() if line.strip()]
    table = particles.table
    assert [row[0] for row in rows] == table.strings("rlnImageName")
    # RELION prints seven digits.
    for column, label in enumerate(labels[1:], 1):
        printed_values = [float(row[column]) for row in rows]
        if label == "rlnAnglePsi":
            # At tilt 0 and 180 only rot and psi together are defined.
            printed_values[1:3] = table.floats(label)[1:3]
        np.testing.assert_allclose(printed_values, table.floats(label), rtol=1e-6, atol=1e-5)


def test_half_sets_may_be_left_out_on_request(recipe) -> None:
    del recipe.particles["rlnRandomSubset"]
    assert read_particles(recipe.write(), need_half_sets=False).half_sets is None


def test_real_single_particles(shared_data: Path) -> None:
    folder = shared_data / "particles/empiar10059_trpv1_10"
    particles = read_particles(folder / "trpv1_small_stack_resolved.star")
    theirs = starfile.read(folder / "trpv1_small_stack_resolved.star")
    assert particles.pixel_size_angstrom == theirs["optics"].rlnImagePixelSize[0]
    assert particles.optics_group.tolist() == [7] * 10
    assert particles.half_sets.tolist() == theirs["particles"].rlnRandomSubset.tolist()
    np.testing.assert_array_equal(
        particles.origins_angstrom, theirs["particles"][["rlnOriginXAngst", "rlnOriginYAngst"]]
    )
    with mrcfile.open(folder / "trpv1_small_stack.mrcs") as handle:
        np.testing.assert_array_equal(particles.images(np.arange(10)), handle.data)


def test_real_particles_before_optics(shared_data: Path) -> None:
    folder = shared_data / "particles/relion31_microtubule_5"
    first = read_star(folder / "relion31.star")
    last = read_star(folder / "relion31.v2.star")
    assert list(last) == list(first)[::-1]
    assert {k: v.tolist() for k, v in last["particles"].columns.items()} == {
        k: v.tolist() for k, v in first["particles"].columns.items()
    }


def test_real_aberrations_of_six_groups(shared_data: Path) -> None:
    from locref_widgets.io.optics import find_optics, read_ctf

    path = shared_data / "particles/relion31_microtubule_5/relion31.6opticsgroups.star"
    blocks = read_star(path)
    optics = find_optics(blocks["particles"], blocks["optics"])
    ctf = read_ctf(optics)
    theirs = starfile.read(path)
    groups = theirs["optics"].set_index("rlnOpticsGroup").loc[theirs["particles"].rlnOpticsGroup]
    np.testing.assert_allclose(ctf.voltage_kv, groups.rlnVoltage)
    tilts = groups[["rlnBeamTiltX", "rlnBeamTiltY"]]
    np.testing.assert_allclose(ctf.beam_tilt_mrad, tilts, rtol=1e-6)
    matrix = groups[[f"rlnMagMat{i}{j}" for i in (0, 1) for j in (0, 1)]].to_numpy()
    np.testing.assert_allclose(ctf.magnification.reshape(-1, 4), matrix, rtol=1e-6)
    odd = [[float(c) for c in text.strip("[]").split(",")] for text in groups.rlnOddZernike]
    np.testing.assert_allclose(ctf.odd_zernike, odd, rtol=1e-6)
    assert ctf.even_zernike.shape == (len(blocks["particles"]), 9)
