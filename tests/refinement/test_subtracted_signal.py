"""Scales of images and maps, against NumPy in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.grids import make_disc
from locref_widgets.errors import InputError
from locref_widgets.refinement.subtracted_signal import ScalePopulation, fit_scales

BOX_PX, N = 24, 400


def complex_noise(rng, shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)) / np.sqrt(2)


def test_scales_are_those_of_weighted_least_squares(rng):
    disc = make_disc(BOX_PX)
    shape = (N, len(disc.shells))
    sigma2 = rng.uniform(0.5, 2.0, disc.radius_px + 1)[disc.shells]
    outside, kept = complex_noise(rng, shape), complex_noise(rng, shape)
    kept += 0.5 * outside  # as overlapping regions are
    truth = rng.uniform(0.5, 1.5, N)
    signal = truth[:, None] * outside + 0.3 * kept
    images = signal + np.sqrt(sigma2) * complex_noise(rng, shape)
    images[:, 0] += 1e4  # what the normalisation left at the origin
    found, variances = (
        np.asarray(values, float)
        for values in fit_scales(
            *(jnp.asarray(a, jnp.complex64) for a in (images, outside, kept)),
            jnp.asarray(1 / sigma2, jnp.float32),
            disc,
        )
    )
    root = np.sqrt(1 / sigma2[1:])
    for i in range(20):
        design = np.stack([outside[i, 1:] * root, kept[i, 1:] * root], axis=-1)
        design = np.concatenate([design.real, design.imag])
        data = images[i, 1:] * root
        expected = np.linalg.lstsq(design, np.concatenate([data.real, data.imag]))[0][0]
        assert found[i] == pytest.approx(expected, abs=1e-4)
    # 400 standardised errors: their sd is known to 3.5 %.
    assert np.std((found - truth) / np.sqrt(variances)) == pytest.approx(1.0, abs=0.12)


def test_without_a_map_of_the_region_there_is_one_factor(rng):
    disc = make_disc(BOX_PX)
    outside = jnp.asarray(complex_noise(rng, (3, len(disc.shells))), jnp.complex64)
    weights = jnp.ones(len(disc.shells))
    found, _ = fit_scales(1.7 * outside, outside, 0 * outside, weights, disc)
    np.testing.assert_allclose(found, 1.7, rtol=1e-5)


@pytest.mark.parametrize("spread", [0.0, 0.1, 0.25])
def test_shrunk_scales_are_nearer_to_the_truth_than_fitted_ones(rng, spread):
    truth = 2.0 * (1.0 + spread * rng.normal(size=N))
    variances = rng.uniform(0.03, 0.06, N)
    fitted = truth + np.sqrt(variances) * rng.normal(size=N)
    fitted[:4] = [40.0, -30.0, 25.0, -10.0]  # junk
    population = ScalePopulation.of(fitted, variances)
    used = population.shrink(fitted, variances)
    wanted = truth / 2.0
    assert population.mean == pytest.approx(2.0, abs=0.1)
    assert used.min() >= 0
    # Junk counts at most three standard deviations.
    assert np.abs(used[:4] - 1).max() < 3 * np.hypot(2.2 * spread, 0.25) / 2 + 0.1
    error, raw = (np.std(values[4:] - wanted[4:]) for values in (used, fitted / 2.0))
    assert error < raw
    if spread == 0:
        assert error < 0.25 * raw


def test_images_that_show_the_opposite_are_refused():
    with pytest.raises(InputError, match="do not show the map"):
        ScalePopulation.of(np.full(5, -1.0), np.full(5, 0.1))
