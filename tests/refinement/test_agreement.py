"""Agreement of the half-maps at given poses, and what each particle adds to it."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.agreement import AgreementMeter, agreement
from locref_widgets.refinement.agreement_verdict import compare_settings
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.settings import RefinementSettings
from tests.refinement.following import soft_ball

LOWPASS_ANGSTROM = 30.0


@pytest.fixture(scope="module")
def meter(hinged_blob_set):
    s, a = hinged_blob_set, hinged_blob_set.pixel_size_angstrom
    volume = s.blobs.volume(s.box_px, a) + s.hinge.body.volume(s.box_px, a)
    mask = soft_ball(s.box_px, a, s.hinge.body.centres_angstrom.mean(axis=0))
    inputs = RefinementInput(read_particles(s.star), Map(volume, a), Map(mask, a))
    return AgreementMeter(inputs, RefinementSettings(initial_lowpass=LOWPASS_ANGSTROM))


@pytest.fixture(scope="module")
def band(meter, hinged_blob_set):
    s = hinged_blob_set
    curve = meter.curve(s.hinged_rotations, s.hinged_origins_angstrom)
    return meter.band([LOWPASS_ANGSTROM, 35.0], [curve])


@pytest.fixture(scope="module")
def at_truth(meter, band, hinged_blob_set):
    return meter.measure(
        hinged_blob_set.hinged_rotations, hinged_blob_set.hinged_origins_angstrom, band
    )


def test_the_true_poses_agree_better_than_those_given(meter, band, at_truth, hinged_blob_set):
    s = hinged_blob_set
    given = meter.measure(s.rotations, s.origins_angstrom, band)
    told = compare_settings(
        np.array([given.value, at_truth.value]),
        np.stack([given.influence, at_truth.influence]),
        meter.problem.half_sets,
        meter.problem.particle,
    )
    assert told.best == 1
    assert told.share_best[1] > 0.95
    assert told.sureness == "clear"
    assert told.worth[0] < told.worth[1] == 1.0


def test_the_band_begins_beyond_the_finest_low_pass(meter, band):
    edge_angstrom = meter.problem.region_box_px * meter.problem.pixel_size_angstrom
    assert edge_angstrom / band[0] < LOWPASS_ANGSTROM
    assert band[1] - band[0] >= 3


def test_influences_are_the_slopes_of_the_criterion(meter, band, at_truth, hinged_blob_set):
    """Against half-maps really made with a little more and a little less of some particles."""
    s, rng = hinged_blob_set, np.random.default_rng(3)
    motions = meter._motions(s.hinged_rotations, s.hinged_origins_angstrom)
    whole = meter._sums(motions)
    slopes, predicted, step = [], [], 0.3
    for _ in range(3):
        weights = np.ones(meter.rows.size, np.float32)
        some = rng.choice(meter.rows.size, 8, replace=False)
        weights[some] = 0.0
        rest = meter._sums(motions, weights)

        def value(share, rest=rest):
            cubes = []
            for half in (1, 2):
                mixed = (1 + share) * whole[half].sums - share * rest[half].sums
                cubes.append(meter._solve(replace(whole[half], sums=mixed)))
            return float(agreement(*cubes, meter._mask, band))

        slopes.append((value(step) - value(-step)) / (2 * step))
        predicted.append(at_truth.influence[some].sum())
    # The prior's share is taken to be the same for each particle: measured, 0.045 of
    # the largest.
    np.testing.assert_allclose(predicted, slopes, atol=0.1 * np.abs(slopes).max())


def test_noise_that_the_halves_do_not_share_agrees_with_nothing():
    rng = np.random.default_rng(1)
    mask = jnp.asarray(soft_ball(32, 1.0, np.zeros(3)))
    values = [float(agreement(*noise_maps(rng), mask, (4, 14))) for _ in range(20)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(20)


def noise_maps(rng):
    return [jnp.asarray(rng.normal(size=(32,) * 3), jnp.float32) for _ in range(2)]
