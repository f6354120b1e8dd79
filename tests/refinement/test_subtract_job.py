"""Signal subtraction as a job, on images of blobs whose noise-free parts are known."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import mrcfile
import numpy as np
import pytest
import starfile

from locref_widgets.engine.ctf import (
    evaluate_antisymmetric_phase,
    evaluate_ctf,
    magnified_coordinates,
)
from locref_widgets.engine.grids import disc_to_image, make_disc
from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.subtract_job import subtract
from locref_widgets.refinement.subtract_options import SubtractOptions
from tests.ctf_cases import EVEN, MAGNIFICATION, ODD
from tests.refinement.two_bodies import (
    CENTRE_ANGSTROM,
    PIXEL_ANGSTROM,
    TwoBodies,
    project_voxels,
    shell_power,
)


def read(case: TwoBodies):
    return read_particles(case.data.star), read_map(case.mask), read_map(case.map)


def images_of_table(star):
    particles = read_particles(star, need_half_sets=False)
    return particles.images(np.arange(len(particles)))


def half_maps_of(volume, seed):
    """Two maps with noise of their own, as halves of a refinement are."""
    rng = np.random.default_rng(seed)
    noise = 0.02 * volume.data.std()
    noisy = [volume.data + noise * rng.normal(size=volume.data.shape) for _ in range(2)]
    return tuple(replace(volume, data=data.astype(np.float32)) for data in noisy)


# What is left beside the region is noise within 5 %. Seen: 1.000 to 1.001 with the true map as it
# is, 0.998 to 1.026 with that map scaled to these few images; 0.955 to 1.018 with maps made of the
# images themselves, which take some of their noise along; 0.999 to 1.045 with noisy half-maps.
@pytest.mark.parametrize(
    ("source", "scale"),
    [("map", "particle"), ("map", "none"), ("own", "particle"), ("halves", "shared")],
)
def test_only_the_region_and_the_noise_are_left(two_bodies, tmp_path, source, scale):
    particles, mask, volume = read(two_bodies)
    given = {
        "map": {"volume": volume},
        "own": {},
        "halves": {"half_maps": half_maps_of(volume, 1)},
    }[source]
    result = subtract(
        particles, mask, tmp_path / "out", options=SubtractOptions(scale=scale), **given
    )

    rest = images_of_table(result.star) - two_bodies.kept_signal
    noise = shell_power(two_bodies.noise)
    ratio = shell_power(rest) / noise
    before = shell_power(two_bodies.data.images - two_bodies.kept_signal) / noise
    assert before[1:12].max() > 1.5
    assert ratio[1:].max() < 1.05
    assert ratio[1:].min() > 0.95


def test_what_is_taken_off_is_the_projection_by_brute_force(tmp_path, two_bodies):
    """Every aberration at once, against a sum over voxels in float64."""
    n, few = two_bodies.data.box_px, 5
    blocks = starfile.read(two_bodies.data.star, always_dict=True)
    optics, table = blocks["optics"], blocks["particles"].head(few)
    optics["rlnBeamTiltX"], optics["rlnBeamTiltY"] = 0.7, -0.3
    optics["rlnOddZernike"] = "[" + ",".join(map(str, ODD)) + "]"
    optics["rlnEvenZernike"] = "[" + ",".join(map(str, EVEN)) + "]"
    for i in range(2):
        for j in range(2):
            optics[f"rlnMagMat{i}{j}"] = MAGNIFICATION[i][j]
    table = table.assign(rlnPhaseShift=60.0, rlnCtfBfactor=30.0, rlnCtfScalefactor=0.8)
    star = two_bodies.data.star.with_name("aberrations.star")
    starfile.write({"optics": optics, "particles": table}, star, overwrite=True)
    particles, (_, mask, volume) = read_particles(star), read(two_bodies)

    options = SubtractOptions(scale="none")
    result = subtract(particles, mask, tmp_path / "out", volume=volume, options=options)
    taken = images_of_table(result.star) - particles.images(np.arange(few))

    disc = make_disc(n)
    frequency = disc.coordinates.astype(float) / (n * PIXEL_ANGSTROM)
    rest = volume.data.astype(float) * (1.0 - mask.data)
    expected, wrong = [], []
    with jax.enable_x64(True):
        for i in range(few):
            ctf = particles.ctf[i]
            coordinates = np.asarray(magnified_coordinates(ctf, disc.coordinates.astype(float)))
            spectrum = project_voxels(rest, particles.rotations[i], coordinates)
            spectrum *= np.asarray(evaluate_ctf(ctf, frequency))
            spectrum *= np.exp(2j * np.pi * frequency @ particles.origins_angstrom[i])
            turn = np.exp(1j * np.asarray(evaluate_antisymmetric_phase(ctf, frequency)))
            for images, phases in ((expected, turn), (wrong, turn.conj())):
                images.append(np.asarray(disc_to_image(jnp.asarray(spectrum * phases), disc)))
    size = np.linalg.norm(expected)
    # The error of trilinear interpolation with padding 2 is about 1 % of the power for an object
    # that fills half the box; here (seen) 2.4 % of the amplitude.
    assert np.linalg.norm(-taken - expected) < 0.03 * size
    assert np.linalg.norm(-taken - wrong) > 0.1 * size


def test_half_sets_are_rid_of_their_own_half_map(two_bodies, tmp_path):
    particles, mask, volume = read(two_bodies)
    next_to_nothing = replace(volume, data=np.float32(1e-6) * half_maps_of(volume, 1)[1].data)
    result = subtract(
        particles,
        mask,
        tmp_path / "out",
        half_maps=(volume, next_to_nothing),
        options=SubtractOptions(scale="none"),
    )
    change = np.abs(images_of_table(result.star) - two_bodies.data.images).max(axis=(1, 2))
    assert change[particles.half_sets == 1].min() > 1e3 * change[particles.half_sets == 2].max()


def test_a_map_of_any_scale_and_filter_takes_off_the_same(two_bodies, tmp_path):
    particles, mask, volume = read(two_bodies)
    k = np.fft.fftfreq(volume.box_px) * volume.box_px
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    sharper = np.fft.ifftn(np.fft.fftn(volume.data) * np.exp(0.08 * radius)).real
    images = []
    for name, data in (("a", volume.data), ("b", (40 * sharper).astype(np.float32))):
        given = replace(volume, data=data)
        images.append(
            images_of_table(subtract(particles, mask, tmp_path / name, volume=given).star)
        )
    taken = two_bodies.data.images - images[0]
    # One factor to each shell, between the shells linear: as smooth a filter as this to 1 % (seen).
    assert np.linalg.norm(images[1] - images[0]) < 0.02 * np.linalg.norm(taken)


def test_each_image_has_its_own_scale(tmp_path, two_bodies, rng):
    """Images whose signal varies by 30 % are rid of it as well as those of one scale."""
    data = two_bodies.data
    factors = rng.choice([0.7, 1.0, 1.3], len(data.images))[:, None, None]
    signal = data.images - two_bodies.noise
    strong = 3 * factors * signal + two_bodies.noise
    folder = tmp_path / "scaled"
    folder.mkdir()
    (folder / "particles.star").write_bytes(data.star.read_bytes())
    with mrcfile.new(folder / "particles.mrcs") as file:
        file.set_data(strong.astype(np.float32))
        file.set_image_stack()
    particles = read_particles(folder / "particles.star")
    _, mask, volume = read(two_bodies)

    ratios = {}
    for scale in ("particle", "shared"):
        options = SubtractOptions(scale=scale)
        result = subtract(particles, mask, tmp_path / scale, volume=volume, options=options)
        rest = images_of_table(result.star) - 3 * factors * two_bodies.kept_signal
        ratios[scale] = (shell_power(rest) / shell_power(two_bodies.noise))[1:12].mean()
        if scale == "particle":
            found = starfile.read(result.star, always_dict=True)["particles"]
            fitted = found["locrefSubtractedScale"].to_numpy()
    # The spread is 0.24; the noise of the fits and the hinge's motion leave errors of 0.03 (seen).
    wanted = factors[:, 0, 0] / factors.mean()
    assert (fitted - wanted).std() < 0.06
    assert abs(ratios["particle"] - 1) < 0.1
    assert ratios["shared"] > ratios["particle"] + 0.1


def test_bad_images_are_set_aside_and_listed(tmp_path, two_bodies):
    data = two_bodies.data
    images = data.images.copy()
    images[3, 5, 5], images[10] = np.nan, 4.0
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "particles.star").write_bytes(data.star.read_bytes())
    with mrcfile.new(folder / "particles.mrcs") as file:
        file.set_data(images)
        file.set_image_stack()
    _, mask, volume = read(two_bodies)
    for scale in ("none", "shared"):
        said = []
        result = subtract(
            read_particles(folder / "particles.star"),
            mask,
            tmp_path / scale,
            volume=volume,
            options=SubtractOptions(scale=scale),
            warn=said.append,
        )
        assert result.rows_set_aside == (3, 10)
        assert any("2 images hold NaN or a constant" in text and "4, 11" in text for text in said)
        left = starfile.read(result.star, always_dict=True)["particles"]
        assert len(left) == result.n_particles == len(images) - 2
        originals = data.table.drop([3, 10])["rlnImageName"].tolist()
        numbers = [name.split("@")[0] for name in left["rlnImageOriginalName"]]
        assert numbers == [name.split("@")[0] for name in originals]
        assert np.isfinite(images_of_table(result.star)).all()
        record = json.loads((tmp_path / scale / "subtract.json").read_text())
        assert record["result"]["rows_set_aside"] == [4, 11]


def test_an_interrupted_job_leaves_nothing(tmp_path, two_bodies):
    particles, mask, volume = read(two_bodies)

    def progress(name):
        def report(done, total):
            if name == "subtracting" and done:
                raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        subtract(particles, mask, tmp_path / "out", volume=volume, progress=progress)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crop_px": 39}, "even number"),
        ({"crop_px": 60}, "even number"),
        ({"scale": "own"}, "particle, shared or none"),
        ({"recenter": True, "centre_voxels": (20.0, 20.0, 20.0)}, "not both"),
        ({"centre_voxels": (45.0, 0.0, 5.0)}, "outside the box of 40"),
    ],
)
def test_wrong_options(tmp_path, two_bodies, options, message):
    particles, mask, volume = read(two_bodies)
    options = SubtractOptions(**{"scale": "none"} | options)
    with pytest.raises(InputError, match=message):
        subtract(particles, mask, tmp_path / "out", volume=volume, options=options)
    assert list(tmp_path.iterdir()) == []


def test_without_half_sets_one_map_serves_all(tmp_path, two_bodies):
    star = two_bodies.data.star.with_name("no_halves.star")
    star.write_text(two_bodies.data.star.read_text().replace("_rlnRandomSubset", "_rlnSomething"))
    particles = read_particles(star, need_half_sets=False)
    _, mask, volume = read(two_bodies)
    subtract(particles, mask, tmp_path / "out", volume=volume)
    for halves in (None, half_maps_of(volume, 1)):
        with pytest.raises(InputError, match="rlnRandomSubset"):
            subtract(particles, mask, tmp_path / "other", half_maps=halves)


def test_centre_of_the_case_is_where_the_mask_is(two_bodies):
    mask = read_map(two_bodies.mask).data
    z, y, x = np.indices(mask.shape) - mask.shape[0] // 2
    centre = [float((mask * a).sum() / mask.sum()) * PIXEL_ANGSTROM for a in (x, y, z)]
    np.testing.assert_allclose(centre, CENTRE_ANGSTROM, atol=0.2)


def test_a_map_of_something_else_is_not_subtracted(tmp_path, two_bodies, rng):
    particles, mask, volume = read(two_bodies)
    other = replace(volume, data=rng.permuted(volume.data, axis=None))
    said = []
    result = subtract(particles, mask, tmp_path / "out", volume=other, warn=said.append)
    assert result.source == "half-maps reconstructed from the particles"
    assert any("correlate only" in text for text in said)
    assert any("own half-maps are subtracted instead" in text for text in said)
    inverted = replace(volume, data=-volume.data)
    with pytest.raises(InputError, match="contrast is inverted"):
        subtract(particles, mask, tmp_path / "inverted", volume=inverted)
    assert not (tmp_path / "inverted").exists()


def test_maps_lie_where_they_were_and_a_cropped_mask_is_placed(two_bodies, tmp_path):
    particles, mask, volume = read(two_bodies)
    position = BoxPosition(origin_angstrom=(10.0, -5.0, 20.0))
    placed, there = replace(mask, position=position), replace(volume, position=position)
    window = np.s_[2:-2, 1:-3, 3:-1]
    first = np.array([3, 1, 2]) * volume.voxel_size_angstrom + position.origin_angstrom
    cropped = replace(
        mask,
        data=mask.data[window],
        position=BoxPosition(origin_angstrom=tuple(float(v) for v in first)),
    )
    for name, keep in {"whole": placed, "cropped": cropped}.items():
        subtract(particles.take(np.arange(20)), keep, tmp_path / name, volume=there)
        written = read_map(tmp_path / name / "mask.mrc")
        assert written.position == position
    expected = np.zeros_like(mask.data)
    expected[window] = mask.data[window]
    np.testing.assert_array_equal(written.data, expected)
    half_maps = (there, replace(there, position=BoxPosition(origin_angstrom=(0.0, 0.0, 40.0))))
    with pytest.raises(InputError, match="the half-map"):
        subtract(particles, placed, tmp_path / "apart", half_maps=half_maps)


def test_the_window_lies_where_it_was_cut_from(two_bodies, tmp_path):
    particles, mask, volume = read(two_bodies)
    position = BoxPosition(origin_angstrom=(10.0, -5.0, 20.0))
    options = SubtractOptions(recenter=True, crop_px=24)
    subtract(
        particles.take(np.arange(20)),
        replace(mask, position=position),
        tmp_path / "sub",
        volume=replace(volume, position=position),
        options=options,
    )
    written = read_map(tmp_path / "sub" / "mask.mrc")
    voxel = mask.voxel_size_angstrom
    x, y, z = 24 + np.rint((written.corner_angstrom - position.origin_angstrom) / voxel).astype(int)
    # Zeros where the window reaches beyond the box.
    around = np.pad(mask.data, 24)
    np.testing.assert_array_equal(written.data, around[z : z + 24, y : y + 24, x : x + 24])
