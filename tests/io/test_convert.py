"""STAR to .cs and back: what both can say comes back the same, the rest is listed."""

from dataclasses import replace
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from cryosparc.dataset import Dataset

from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.errors import InputError
from locref_widgets.io.convert import convert_particles
from locref_widgets.io.cs import read_cs
from locref_widgets.io.cs_particles import read_cs_poses
from locref_widgets.io.not_carried import NotCarried, describe_not_carried
from locref_widgets.io.optics import find_optics, read_ctf
from locref_widgets.io.particles import Particles, read_particles
from locref_widgets.io.poses import read_poses
from locref_widgets.io.star import read_star
from tests.io.cs_files import (
    COUNT,
    LOCATION,
    CsRecipe,
    angle_between,
    assert_same_ctf,
)

SIX_GROUPS = "particles/relion31_microtubule_5/relion31.6opticsgroups.star"


def evaluate(ctf: CTFParameters) -> tuple[np.ndarray, np.ndarray]:
    """CTF and antisymmetric phase of every particle at frequencies up to 1/3 Å."""
    import jax

    from locref_widgets.engine.ctf import evaluate_antisymmetric_phase, evaluate_ctf

    # One shape for all tables: it is compiled once.
    odd, even = (np.zeros((len(ctf), count), np.float32) for count in (6, 9))
    odd[:, : ctf.odd_zernike.shape[1]] = ctf.odd_zernike
    even[:, : ctf.even_zernike.shape[1]] = ctf.even_zernike
    ctf = replace(ctf, odd_zernike=odd, even_zernike=even)
    k = np.stack(np.meshgrid(*[np.linspace(-0.24, 0.23, 12)] * 2), axis=-1).reshape(-1, 2)
    over = [jax.jit(jax.vmap(f, (0, None))) for f in (evaluate_ctf, evaluate_antisymmetric_phase)]
    return np.asarray(over[0](ctf, k)), np.asarray(over[1](ctf, k))


def assert_same_poses(one: Particles, other: Particles) -> None:
    """To 1e-6 rad and 1e-4 px: a float32 holds 3e-7 of a rotation vector and of a shift."""
    assert angle_between(one.rotations, other.rotations) < 1e-6
    shift_px = np.abs(one.origins_angstrom - other.origins_angstrom) / one.pixel_size_angstrom
    assert shift_px.max() < 1e-4
    np.testing.assert_array_equal(one.half_sets, other.half_sets)
    np.testing.assert_array_equal(one.image_source.number, other.image_source.number)
    assert [s.path for s in one.image_source.stacks] == [s.path for s in other.image_source.stacks]


def test_cs_to_star_to_cs(cs_recipe: CsRecipe) -> None:
    cs_recipe.fields |= LOCATION
    path = cs_recipe.write()
    star, back = path.with_name("out.star"), path.with_name("back.cs")
    left = {entry.name for entry in convert_particles(path, star).not_carried}
    assert left == {"blob/import_sig", "ctf/type", "ctf/scale_const", "alignments3D/alpha"}
    convert_particles(star, back)
    given, middle, again = (read_particles(p) for p in (path, star, back))
    assert_same_poses(given, again)
    assert_same_poses(given, middle)
    assert_same_ctf(given, middle)
    np.testing.assert_array_equal(given.optics_group, middle.optics_group)
    result = read_cs(back).columns
    for name, values in cs_recipe.fields.items():
        exact = name.startswith("ctf/") and name != "ctf/type"
        if exact or name in ("uid", "blob/idx", "blob/sign", "blob/shape", "blob/psize_A"):
            assert result[name].dtype == values.dtype, name
            np.testing.assert_array_equal(result[name], values, err_msg=name)
    np.testing.assert_array_equal(
        result["location/micrograph_path"], LOCATION["location/micrograph_path"]
    )
    table = read_star(star)["particles"]
    # The upper edge of the micrograph is where RELION counts from.
    assert table.floats("rlnCoordinateX")[0] == pytest.approx(383.8, rel=1e-6)
    assert table.floats("rlnCoordinateY")[0] == pytest.approx(0.8 * 3710, rel=1e-6)


@pytest.mark.parametrize(
    "name", ["cs/cryosparc_P12_J24_001_particles.cs", "particles/empiar10076_7/empiar_10076_7.cs"]
)
def test_real_cs_files_come_back(shared_data: Path, tmp_path: Path, name: str) -> None:
    """Every field of ctf/ to the bit, poses to 1e-6 rad, shifts to 1e-4 px, uid and half-set."""
    convert_particles(shared_data / name, tmp_path / "middle.star")
    convert_particles(tmp_path / "middle.star", tmp_path / "back.cs")
    given, back = read_cs(shared_data / name), read_cs(tmp_path / "back.cs")
    for field, values in given.columns.items():
        group, _, end = field.partition("/")
        if (group == "ctf" and end not in ("type", "scale_const")) or end in ("split", "idx", ""):
            np.testing.assert_array_equal(back.columns[field], values, err_msg=field)
    if "alignments3D/pose" in given:
        (one, first), (two, second) = read_cs_poses(given), read_cs_poses(back)
        assert angle_between(one, two) < 1e-6
        assert np.abs(first - second).max() / 2.95 < 1e-4


def test_star_to_cs_to_star(recipe) -> None:
    second = {name: [values[0], values[0]] for name, values in recipe.optics.items()}
    recipe.optics = second | {
        "rlnOpticsGroup": ["1", "2"],
        "rlnBeamTiltX": ["0.5", "-1"],
        "rlnBeamTiltY": ["0", "2"],
        "rlnOddZernike": ["[0,0,31.5,0,0,-12.25]", "[0,0,0,0,0,7]"],
        "rlnEvenZernike": ["[0,0,0,0,22.5,0,0,0,-3.5]", "[0,0,0,0,0,0,0,0,1.5]"],
        "rlnMagMat00": ["1.01", "1"],
        "rlnMagMat01": ["0.02", "0"],
        "rlnMagMat10": ["0.03", "0"],
        "rlnMagMat11": ["0.99", "1"],
    }
    recipe.particles |= {"rlnOpticsGroup": ["1", "2"] * 3, "rlnPhaseShift": ["12.5"] * COUNT}
    recipe.particles |= {"rlnNormCorrection": ["0.8"] * COUNT}
    path = recipe.write()
    middle, back = path.with_name("out.cs"), path.with_name("back.star")
    left = convert_particles(path, middle).not_carried
    assert [(entry.name, entry.reason) for entry in left] == [
        ("rlnNormCorrection", "cryoSPARC has no field for it")
    ]
    convert_particles(middle, back)
    given, through, again = (read_particles(p) for p in (path, middle, back))
    assert_same_poses(given, through)
    assert_same_poses(given, again)
    # Exact where both have the same unit; angles, tilt and Zernike terms pass through a float32
    # of another unit, which moves the last of their own 24 bits.
    for name in ("voltage_kv", "defocus_u_angstrom", "defocus_v_angstrom", "amplitude_contrast"):
        np.testing.assert_array_equal(getattr(given.ctf, name), getattr(again.ctf, name))
    assert_same_ctf(given, again, rtol=2.0**-22)
    np.testing.assert_array_equal(given.optics_group, again.optics_group)


def test_terms_that_cryosparc_has_no_field_for_become_defocus_cs_and_shift(recipe) -> None:
    """Every Zernike term up to the fourth order: the same CTF by other numbers."""
    recipe.optics |= {
        "rlnBeamTiltX": ["0.2"],
        "rlnOddZernike": ["[0.7,-1.1,31.5,20.25,-14.5,-12.25]"],
        "rlnEvenZernike": ["[0.3,-2.5,1.25,3.5,22.5,40.5,-11.5,9.75,-3.5]"],
    }
    path = recipe.write()
    middle, back = path.with_name("out.cs"), path.with_name("back.star")
    assert convert_particles(path, middle).not_carried == []
    convert_particles(middle, back)
    wanted, phase = evaluate(read_particles(path).ctf)
    for name in (middle, back):
        ctf, antisymmetric = evaluate(read_particles(name).ctf)
        # Phases reach 500 rad, of which a float32 holds 3e-5; they are sums of ten terms.
        np.testing.assert_allclose(ctf, wanted, atol=1e-3)
        np.testing.assert_allclose(antisymmetric, phase, atol=2e-4)


def test_a_term_of_the_sixth_order_is_listed(recipe) -> None:
    recipe.optics["rlnEvenZernike"] = ["[" + "0," * 9 + "5]"]
    left = convert_particles(recipe.write(), recipe.folder / "out.cs").not_carried
    assert [entry.name for entry in left] == ["rlnEvenZernike"]
    assert "too high an order" in left[0].reason


@pytest.mark.parametrize("target", ["out.cs", "out.star"])
def test_relion_3_0(recipe, target: str) -> None:
    recipe.to_relion_3_0()
    recipe.particles["rlnMagnification"] = ["20000.0"] * COUNT
    path = recipe.write()
    convert_particles(path, path.with_name(target))
    given, again = read_particles(path), read_particles(path.with_name(target))
    assert_same_poses(given, again)
    assert_same_ctf(given, again, rtol=2.0**-22)
    if target == "out.star":
        blocks = read_star(path.with_name(target))
        assert list(blocks) == ["optics", "particles"]
        assert blocks["optics"].floats("rlnImagePixelSize").tolist() == [2.5]
        assert "rlnOriginX" not in blocks["particles"]


def test_the_same_image_gets_the_same_uid_and_copies_their_own(recipe) -> None:
    convert_particles(recipe.write(), recipe.folder / "one.cs")
    names = recipe.particles["rlnImageName"]
    recipe.particles["rlnImageName"] = [*names[:5], names[0]]
    convert_particles(recipe.write(), recipe.folder / "two.cs")
    one, two = (read_cs(recipe.folder / n).columns["uid"] for n in ("one.cs", "two.cs"))
    assert one[:5].tolist() == two[:5].tolist()
    assert len(set(two.tolist())) == COUNT


def test_uids_of_the_table_are_kept_but_for_repeats_and_what_is_none(recipe) -> None:
    given = ["00017", str(2**64 - 1), "17", str(2**64), "x", "5"]
    recipe.particles["cryosparcUid"] = given
    (told,) = convert_particles(recipe.write(), recipe.folder / "out.cs").not_carried
    assert told.name == "cryosparcUid"
    assert told.reason.startswith(f"row 4 has '{2**64}', expected a whole number below 2^64 (2 row")
    uids = read_cs(recipe.folder / "out.cs").columns["uid"].tolist()
    assert [uids[row] for row in (0, 1, 5)] == [17, 2**64 - 1, 5]
    del recipe.particles["cryosparcUid"]
    convert_particles(recipe.write(), recipe.folder / "anew.cs")
    anew = read_cs(recipe.folder / "anew.cs").columns["uid"].tolist()
    assert uids[2:5] == anew[2:5]
    # One that is held further down is given to no row above.
    recipe.particles["cryosparcUid"] = ["x", *map(str, [*anew[1:5], anew[0]])]
    convert_particles(recipe.write(), recipe.folder / "held.cs")
    held = read_cs(recipe.folder / "held.cs").columns["uid"].tolist()
    assert held[1:] == [*anew[1:5], anew[0]]
    assert len(set(held)) == COUNT


def test_names_as_relion_opens_them(cs_recipe: CsRecipe) -> None:
    path = cs_recipe.write()
    stack = cs_recipe.folder / "J1" / "stack.mrcs"
    stack.rename(stack.with_suffix(".mrc"))
    cs_recipe.fields["blob/path"] = np.array([b">J1/stack.mrc"] * COUNT)
    path = cs_recipe.write()
    stack.unlink()
    plain = convert_particles(path, path.with_name("plain.star"))
    named = convert_particles(path, path.with_name("named.star"), relion_names=True)
    assert [".mrc:mrcs" in note for note in plain.notes] == [False, True]
    assert ["blob/sign = -1" in note for note in named.notes] == [True]
    names = [
        read_star(path.with_name(n))["particles"].strings("rlnImageName")[0]
        for n in ("plain.star", "named.star")
    ]
    assert names == ["000004@J1/stack.mrc", "000004@J1/stack.mrc:mrcs"]
    particles = read_particles(path.with_name("named.star"))
    np.testing.assert_array_equal(
        particles.images(np.arange(COUNT)), read_particles(path).images(np.arange(COUNT))
    )


def test_what_no_refinement_needs_may_be_no_number(recipe, cs_recipe, tmp_path: Path) -> None:
    """Programs write inf, nan and words there; it must not stop a run that writes both formats."""
    recipe.particles |= {
        "rlnCtfMaxResolution": ["inf"] * COUNT,
        "rlnAutopickFigureOfMerit": ["nan"] * COUNT,
        "rlnClassNumber": ["None"] * COUNT,
    }
    path = recipe.write()
    left = convert_particles(path, tmp_path / "out.cs").not_carried
    values = {e.name: e.reason for e in left if "expected a finite number (and 5 more" in e.reason}
    assert values.keys() == {"rlnCtfMaxResolution", "rlnAutopickFigureOfMerit", "rlnClassNumber"}
    assert "row 1 has rlnCtfMaxResolution = inf" in values["rlnCtfMaxResolution"]
    assert "row 1 has rlnClassNumber = None" in values["rlnClassNumber"]
    assert read_particles(path).write_cs(tmp_path / "same.cs") == left
    nothing = np.full(COUNT, np.nan, np.float32)
    spoilt = ("ctf/ctf_fit_to_A", "pick_stats/ncc_score", "location/micrograph_psize_A")
    cs_recipe.fields |= LOCATION | dict.fromkeys(spoilt, nothing)
    cs_recipe.fields |= {"location/center_x_frac": nothing, "alignments3D/class": nothing}
    path = cs_recipe.write()
    left = convert_particles(path, path.with_name("out.star")).not_carried
    told = {entry.name for entry in left if "expected finite numbers" in entry.reason}
    assert told >= {*spoilt, "location/center_x_frac", "alignments3D/class"}
    assert read_particles(path).write_star(path.with_name("same.star")) == left
    assert "rlnCoordinateX" not in read_star(path.with_name("same.star"))["particles"]


def test_numbers_that_cryosparc_cannot_hold(recipe) -> None:
    recipe.particles["rlnDefocusU"] = ["1e39"] * COUNT
    with pytest.raises(InputError, match="row 1 gives ctf/df1_A"):
        convert_particles(recipe.write(), recipe.folder / "out.cs")
    recipe.particles["rlnDefocusU"] = ["1e4"] * COUNT
    recipe.particles["rlnOriginXAngst"] = ["1e40"] * COUNT
    with pytest.raises(InputError, match="row 1 has a shift of"):
        convert_particles(recipe.write(), recipe.folder / "out.cs")
    recipe.optics["rlnVoltage"] = ["-300"]
    with pytest.raises(InputError, match="rlnVoltage = -300, expected a positive"):
        convert_particles(recipe.write(), recipe.folder / "out.cs")


def test_picks_with_their_micrographs(tmp_path: Path) -> None:
    mrcfile.write(tmp_path / "m.mrc", np.zeros((40, 50), np.float32))
    star = tmp_path / "picks.star"
    star.write_text(
        "data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n"
        "m.mrc 5 10\nm.mrc 20 30\n"
    )
    assert convert_particles(star, tmp_path / "out.cs").not_carried == []
    columns = read_cs(tmp_path / "out.cs").columns
    np.testing.assert_allclose(columns["location/center_x_frac"], [0.1, 0.4], rtol=1e-6)
    np.testing.assert_allclose(columns["location/center_y_frac"], [0.75, 0.25], rtol=1e-6)
    convert_particles(tmp_path / "out.cs", tmp_path / "back.star")
    back = read_star(tmp_path / "back.star")["particles"]
    np.testing.assert_allclose(back.floats("rlnCoordinateY"), [10, 30], rtol=1e-6)
    (tmp_path / "m.mrc").unlink()
    left = convert_particles(star, tmp_path / "out.cs").not_carried
    assert [entry.name for entry in left] == ["rlnCoordinateX", "rlnCoordinateY"]
    assert "m.mrc was not found" in left[0].reason
    # As a movie would be, or a micrograph in another format.
    (tmp_path / "m.mrc").write_bytes(b"II*" + bytes(2000))
    left = convert_particles(star, tmp_path / "out.cs").not_carried
    assert [entry.name for entry in left] == ["rlnCoordinateX", "rlnCoordinateY"]


def test_picks_keep_what_no_pixel_size_could_be_made_of(tmp_path: Path) -> None:
    star = tmp_path / "picks.star"
    star.write_text(
        "data_\nloop_\n_rlnMicrographName\n_rlnCoordinateX\n_rlnCoordinateY\n"
        "_rlnMagnification\n_rlnOriginX\nm.mrc 5 10 20000.0 1.5\nm.mrc 20 30 20000.0 -2\n"
    )
    (told,) = convert_particles(star, tmp_path / "out.star").not_carried
    assert told.name == "rlnImagePixelSize"
    table = read_star(tmp_path / "out.star")["particles"]
    assert table.columns["rlnMagnification"].tolist() == ["20000.0"] * 2
    assert table.columns["rlnOriginX"].tolist() == ["1.5", "-2"]


def test_particles_are_written_with_all_that_a_conversion_keeps(recipe) -> None:
    recipe.particles |= {
        "rlnCoordinateX": [f"{5 + i}" for i in range(COUNT)],
        "rlnCoordinateY": ["10"] * COUNT,
        "rlnNormCorrection": ["0.8"] * COUNT,
    }
    path = recipe.write()
    mrcfile.write(path.with_name("a micrograph.mrc"), np.zeros((40, 50), np.float32))
    converted = convert_particles(path, path.with_name("converted.cs"))
    left = read_particles(path).write_cs(path.with_name("written.cs"))
    one, two = (read_cs(path.with_name(f"{name}.cs")) for name in ("converted", "written"))
    assert one.same_fields(two)
    assert two.columns["location/micrograph_shape"].tolist() == [[40, 50]] * COUNT
    assert left == converted.not_carried
    assert [entry.name for entry in left] == ["rlnNormCorrection"]
    assert describe_not_carried(
        [*left, NotCarried("b", left[0].reason), NotCarried("c", "d.")]
    ) == ("rlnNormCorrection, b (cryoSPARC has no field for it); c (d)")


def test_what_cannot_be_converted(recipe, cs_recipe, tmp_path: Path) -> None:
    path = recipe.write()
    for source, target, said in (
        (path, tmp_path / "out.txt", "name it so"),
        (path, path, "is the file to be read"),
        (tmp_path / "none.star", tmp_path / "out.cs", "no such file"),
        (tmp_path / "none.cs", tmp_path / "out.star", "no such file"),
        (tmp_path / "stack.mrcs", tmp_path / "out.star", r"expected a \.star"),
    ):
        with pytest.raises(InputError, match=said):
            convert_particles(source, target)
    cs_recipe.fields = {n: c for n, c in cs_recipe.fields.items() if not n.startswith("blob")}
    with pytest.raises(InputError, match=r"neither images \(blob/path\) nor places"):
        convert_particles(cs_recipe.write(), tmp_path / "out.star")
    assert not (tmp_path / "out.star").exists()


def test_real_tables_of_every_version(shared_data: Path, tmp_path: Path) -> None:
    """Real files without their stacks, there and back: poses, shifts and CTF of every row."""
    for number, name in enumerate(
        (
            "star/cryodrgn_toy_projections.star",
            "star/iospi_test.star",
            "star/scipion_relion31_nonumbers.star",
            "star/relion31_emtools_refine3d/run_it016_data.star",
            "star/isecc_test_magmat_zernike.star",
            SIX_GROUPS,
            "particles/empiar10076_7/empiar_10076_7.star",
        )
    ):
        middle, back = tmp_path / f"{number}.cs", tmp_path / f"{number}.star"
        convert_particles(shared_data / name, middle)
        rows = len(Dataset.load(middle))
        convert_particles(middle, back)
        tables = [read_star(path) for path in (shared_data / name, back)]
        old, new = (
            find_optics(
                next(t for t in blocks.values() if "rlnImageName" in t), blocks.get("optics")
            )
            for blocks in tables
        )
        assert len(old.particles) == rows == len(new.particles)
        some = np.linspace(0, rows - 1, COUNT).astype(int)
        wanted, got = (evaluate(read_ctf(optics)[some]) for optics in (old, new))
        # gamma reaches some 1,000 rad at 3 Å, and a float32 of that is right to 1e-4.
        np.testing.assert_allclose(got[0], wanted[0], atol=2e-3, err_msg=name)
        np.testing.assert_allclose(got[1], wanted[1], atol=2e-4, err_msg=name)
        if "rlnAngleRot" in old and "rlnImagePixelSize" in new:
            pixel = new.floats("rlnImagePixelSize")[:, None]
            in_pixels = "rlnOriginX" in old.particles
            poses = read_poses(old.particles, float(pixel[0, 0]) if in_pixels else 1.0)
            again = read_poses(new.particles, 1.0)
            assert angle_between(poses[0], again[0]) < 1e-6
            assert np.abs((poses[1] - again[1]) / pixel).max() < 1e-4
