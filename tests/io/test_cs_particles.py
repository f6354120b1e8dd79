"""Particles of cryoSPARC: what a .cs file holds is understood, and comes back as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryosparc.dataset import CSDAT_FORMAT, Dataset

from locref_widgets.errors import InputError
from locref_widgets.io.cs import read_cs
from locref_widgets.io.particles import Particles, read_particles
from tests.io.cs_files import COUNT, LOCATION, CsRecipe, angle_between, assert_same_ctf, save


def test_a_cs_file(cs_recipe: CsRecipe) -> None:
    particles = read_particles(cs_recipe.write())
    fields = cs_recipe.fields
    assert (len(particles), particles.box_px, particles.pixel_size_angstrom) == (6, 16, 2.5)
    assert particles.half_sets is not None
    assert particles.half_sets.tolist() == [1, 2, 2, 1, 1, 2]
    # Exposure groups 40 and 7 become optics groups in the order of their numbers.
    assert particles.optics_group.tolist() == [2, 1] * 3
    for row in range(COUNT):
        # Rodrigues: cryoSPARC's vector takes the image frame to the map, R the map to the image.
        vector = fields["alignments3D/pose"][row].astype(np.float64)
        angle = np.linalg.norm(vector)
        x, y, z = vector / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        to_map = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
        np.testing.assert_allclose(particles.rotations[row], to_map.T, atol=1e-12)
    np.testing.assert_allclose(particles.origins_angstrom, 2.5 * fields["alignments3D/shift"])
    ctf = particles.ctf
    np.testing.assert_array_equal(ctf.voltage_kv, fields["ctf/accel_kv"])
    np.testing.assert_array_equal(ctf.defocus_u_angstrom, fields["ctf/df1_A"])
    np.testing.assert_allclose(np.deg2rad(ctf.phase_shift_deg), fields["ctf/phase_shift_rad"])
    # A tilt of 1 mrad at Cs 2.7 mm is a length of 27,000 Å.
    np.testing.assert_allclose(ctf.beam_tilt_mrad[0], [2710.5 / 27000, -955.3 / 27000], rtol=1e-6)
    np.testing.assert_allclose(ctf.magnification[0], [[1.011, -0.0023], [0.0017, 0.991]], rtol=1e-6)
    # The images show the particle dark, so that their CTF has the other sign.
    np.testing.assert_array_equal(ctf.scale, -fields["ctf/scale"])


def test_images_are_found_from_the_project_and_from_the_file(cs_recipe: CsRecipe) -> None:
    path = cs_recipe.write()
    order = cs_recipe.fields["blob/idx"]
    images = np.random.default_rng(1).normal(size=(COUNT, 16, 16)).astype(np.float32)
    for name in (
        b">J1/stack.mrcs",
        b"J1/stack.mrcs",
        str(path.parents[1]).encode() + b"/J1/stack.mrcs",
    ):
        cs_recipe.fields["blob/path"] = np.array([name] * COUNT)
        particles = read_particles(cs_recipe.write())
        np.testing.assert_array_equal(particles.images(np.array([4, 0])), images[order[[4, 0]]])


def test_shifts_are_in_the_pixels_of_the_alignment(cs_recipe: CsRecipe) -> None:
    """Images that were binned after the refinement keep its shifts and its pixel size."""
    cs_recipe.fields["alignments3D/psize_A"] = np.full(COUNT, 1.25, np.float32)
    particles = read_particles(cs_recipe.write())
    np.testing.assert_allclose(
        particles.origins_angstrom, 1.25 * cs_recipe.fields["alignments3D/shift"]
    )
    assert particles.pixel_size_angstrom == 2.5
    particles.write_cs(cs_recipe.folder / "out.cs")
    again = read_particles(cs_recipe.folder / "out.cs")
    np.testing.assert_array_equal(again.origins_angstrom, particles.origins_angstrom)


def test_shifts_that_a_field_cannot_hold_are_refused(cs_recipe: CsRecipe) -> None:
    particles = read_particles(cs_recipe.write())
    origins = particles.origins_angstrom.copy()
    origins[[2, 4]] = 1e39
    with pytest.raises(
        InputError,
        match=r"row 3 has a shift of .*alignments3D/shift holds.*\(2 rows likewise\)\. Mend",
    ):
        particles.with_poses(particles.rotations, origins)


@pytest.mark.parametrize("how", ["take", "poses"])
def test_every_field_passes_through(cs_recipe: CsRecipe, how: str) -> None:
    particles = read_particles(cs_recipe.write())
    rows = np.array([4, 1, 2])
    if how == "take":
        moved = particles.take(rows)
    else:
        moved = particles.take(rows).with_poses(
            particles.rotations[rows][:, ::-1] * [1, 1, -1],
            particles.origins_angstrom[rows] + 1,
        )
    moved.write_cs(cs_recipe.folder / "J24" / "out.cs")
    dataset = Dataset.load(cs_recipe.folder / "J24" / "out.cs")
    for name, values in cs_recipe.fields.items():
        wanted = values[rows]
        if wanted.dtype.kind == "S":
            wanted = [text.decode() for text in wanted.tolist()]
        if how == "take" or name not in ("alignments3D/pose", "alignments3D/shift"):
            np.testing.assert_array_equal(np.asarray(dataset[name]), wanted, err_msg=name)
    if how == "poses":
        again = read_particles(cs_recipe.folder / "J24" / "out.cs")
        assert angle_between(again.rotations, moved.rotations) < 1e-6
        shift_px = np.abs(again.origins_angstrom - moved.origins_angstrom).max() / 2.5
        assert shift_px < 1e-4


def test_names_of_stacks_follow_the_file(cs_recipe: CsRecipe, tmp_path: Path) -> None:
    particles = read_particles(cs_recipe.write())
    away = tmp_path / "a" / "b"
    away.mkdir(parents=True)
    elsewhere = Path(str(tmp_path) + "_elsewhere")
    elsewhere.mkdir()
    for folder in (away, elsewhere):
        particles.write_cs(folder / "out.cs")
        particles.write_star(folder / "out.star")
        for name in ("out.cs", "out.star"):
            again = read_particles(folder / name)
            np.testing.assert_array_equal(
                again.images(np.arange(COUNT)), particles.images(np.arange(COUNT))
            )


def test_a_field_with_nan_is_the_same_as_itself(cs_recipe: CsRecipe) -> None:
    cs_recipe.fields["ctf/ctf_fit_to_A"] = np.full(COUNT, np.nan, np.float32)
    path = cs_recipe.write()
    one, two = read_cs(path), read_cs(path)
    assert one.same_fields(two)
    changed = np.where(np.arange(COUNT) == 2, 3.5, np.nan).astype(np.float32)
    assert not one.same_fields(two.with_column("ctf/ctf_fit_to_A", changed))
    wide = replace(two, columns=two.columns | {"ctf/ctf_fit_to_A": np.full(COUNT, np.nan)})
    assert not one.same_fields(wide)


def test_the_compressed_form_is_the_same(cs_recipe: CsRecipe) -> None:
    path = cs_recipe.write()
    plain = read_particles(path)
    Dataset.load(path).save(path, format=CSDAT_FORMAT)
    assert path.read_bytes().startswith(b"\x95CSDAT")
    packed = read_particles(path)
    assert plain.cs is not None
    assert packed.cs is not None
    assert plain.cs.same_fields(packed.cs)
    assert_same_ctf(plain, packed)


def split_in_two(recipe: CsRecipe, name: str = "J24_passthrough_particles.cs") -> tuple[Path, Path]:
    """Poses in one file, all else in another with more particles in another order."""
    everything = recipe.fields | LOCATION
    poses = {n: c for n, c in everything.items() if n == "uid" or n.startswith("alignments3D")}
    others = {n: c for n, c in everything.items() if n not in poses or n == "uid"}
    order = np.array([5, 2, 0, 1, 4, 3, 3])
    shuffled = {n: c[order] for n, c in others.items()}
    shuffled["uid"][-1] = 12345
    recipe.fields = poses
    main = recipe.write()
    recipe.fields = everything
    return main, save(main.parent / name, shuffled)


def assert_all_fields(recipe: CsRecipe, particles: Particles) -> None:
    assert particles.cs is not None
    assert particles.cs.columns.keys() == recipe.fields.keys()
    for name, values in recipe.fields.items():
        np.testing.assert_array_equal(particles.cs.columns[name], values, err_msg=name)


@pytest.mark.parametrize(
    ("main", "passthrough"),
    [
        ("J24_003_particles.cs", "J24_passthrough_particles.cs"),
        ("cryosparc_P12_J24_001_particles.cs", "P12_J24_passthrough_particles.cs"),
        ("particles_selected.cs", "J24_passthrough_particles_selected.cs"),
        ("J24_particles_class_0.cs", "J24_passthrough_particles_class_0.cs"),
    ],
)
def test_the_passthrough_file_is_found_by_name(cs_recipe, main: str, passthrough: str) -> None:
    cs_recipe.name = f"J24/{main}"
    path, beside = split_in_two(cs_recipe, passthrough)
    for name in ("J25_passthrough_particles.cs", "J24_passthrough_volume.cs"):
        beside.with_name(name).write_bytes(b"of something else")
    particles = read_particles(path)
    assert_all_fields(cs_recipe, particles)
    assert particles.cs is not None
    assert particles.cs.companions == (beside,)
    assert_same_ctf(particles, read_particles(save(path.with_name("one.cs"), cs_recipe.fields)))


def test_the_passthrough_file_may_be_given(cs_recipe: CsRecipe) -> None:
    path, beside = split_in_two(cs_recipe, "other_name.cs")
    with pytest.raises(InputError, match=r"no field blob/path.*passthrough"):
        read_particles(path)
    assert_all_fields(cs_recipe, read_particles(path, passthrough=[beside]))


def test_a_group_file(cs_recipe: CsRecipe) -> None:
    path, beside = split_in_two(cs_recipe, "other_name.cs")
    entries = {"alignments3D": path.name, "blob": beside.name, "ctf": beside.name}
    text = "created: 2026-01-01 00:00:00\ngroup:\n  name: particles\n  type: particle\nresults:\n"
    for group, name in entries.items():
        text += (
            f"  {group}:\n    metafile: '>{name}'\n    num_items: 6\n    type: particle.{group}\n"
        )
    csg = path.with_name("J24_particles.csg")
    csg.write_text(text + "version: v4.5.3\n")
    particles = read_particles(csg)
    # The group names no location, so that it is left out.
    cs_recipe.fields = {n: c for n, c in cs_recipe.fields.items() if n not in LOCATION}
    assert particles.cs is not None
    assert set(particles.cs.columns) == set(cs_recipe.fields)
    np.testing.assert_array_equal(particles.cs.columns["uid"], cs_recipe.fields["uid"])
    assert_same_ctf(particles, read_particles(save(path.with_name("one.cs"), cs_recipe.fields)))
