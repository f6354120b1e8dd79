"""A Wiener filter that follows the density: its limits, and what it gains."""

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.filters import radius_fourier_px
from locref_widgets.engine.fsc import fourier_shell_correlation
from locref_widgets.engine.local_wiener import local_wiener, signal_profile
from tests.engine.objects import compact_blobs

BOX = 40


def _mask():
    x = np.arange(BOX) - BOX // 2
    r = np.sqrt(x[:, None, None] ** 2 + x[None, :, None] ** 2 + x**2)
    return np.clip((16 - r) / 4, 0, 1).astype(np.float32)


def _half_maps(rng, noise=1.0):
    """A compact object off the centre, twice with noise as strong as its middle shells."""
    blobs = compact_blobs(rng, BOX, radius=0.15, sigmas=(1.0, 1.6))
    truth = np.roll(blobs.volume(BOX, 1.0), (4, -5), axis=(0, 2))
    sd = noise * np.sqrt(np.mean(truth**2)) * 1.5
    return truth, [truth + sd * rng.normal(size=truth.shape).astype(np.float32) for _ in (1, 2)]


def _fsc(halves, mask):
    return np.asarray(fourier_shell_correlation(halves[0] * mask, halves[1] * mask))


def _trusted(fsc):
    """FSC up to where it is noise, as the refinement trusts it."""
    curve = np.clip(fsc, 0, 1)
    last = np.argmax(fsc < 0.143) if np.any(fsc < 0.143) else fsc.size
    curve[last:] = 0
    curve[0] = 1
    return curve.astype(np.float32)


@pytest.fixture
def case(rng):
    truth, halves = _half_maps(rng)
    mask = _mask()
    return truth, halves, mask, _trusted(_fsc(halves, mask))


def test_the_profiles_mean_over_the_mask_is_one(case):
    _, halves, mask, fsc = case
    profile = np.asarray(signal_profile(halves[0], fsc, mask), np.float64)
    # Float32 sums over 64,000 voxels; the floor inside the mask adds at most 0.02 everywhere.
    assert 1 - 1e-4 <= profile.sum() / mask.sum() <= 1.02 + 1e-4
    assert profile.min() >= 0
    assert not np.any(profile[mask == 0])


def test_the_profile_is_where_the_density_is(case):
    truth, halves, mask, fsc = case
    profile = np.asarray(signal_profile(halves[0], fsc, mask))
    dense = truth > 0.2 * truth.max()
    assert profile[dense].mean() > 3 * profile[(mask > 0.9) & ~dense].mean()


def _spectrum(volume):
    radius = np.asarray(radius_fourier_px(BOX))
    return np.fft.rfftn(np.asarray(volume))[radius <= BOX // 2]


@pytest.mark.parametrize("share", [0.2, 0.9])
def test_a_flat_profile_and_one_ratio_scale_every_shell_by_the_wiener_factor(share, case):
    _, halves, _, _ = case
    ratio = jnp.full(BOX // 2 + 1, share / (1 - share))
    found = local_wiener(jnp.asarray(halves[0]), jnp.ones((BOX,) * 3), ratio)
    expected = share * _spectrum(halves[0])
    # Bands overlap to 1 at every frequency: float32 transforms are left.
    assert np.linalg.norm(_spectrum(found) - expected) < 1e-5 * np.linalg.norm(expected)


def test_a_flat_profile_gives_the_plain_wiener_filter(case):
    """``s / (s + 1)``, the FSC, in every shell."""
    _, halves, _, _ = case
    shells = np.arange(BOX // 2 + 1)
    fsc = np.clip(1 - shells / 24, 0.05, 0.98)
    ratio = jnp.asarray(fsc / (1 - fsc), jnp.float32)
    found = local_wiener(jnp.asarray(halves[0]), jnp.ones((BOX,) * 3), ratio)
    radius = np.asarray(radius_fourier_px(BOX))
    expected = _spectrum(halves[0]) * np.interp(radius, shells, fsc)[radius <= BOX // 2]
    # A band has the mean gain of its shells by area: the first that of shell 2 instead of 0, the
    # others that of a shell 0.8 or less beyond their centres. A shell changes this gain by 1/24.
    assert np.linalg.norm(_spectrum(found) - expected) < 2 / 24 * np.linalg.norm(expected)


def test_nothing_passes_where_nothing_is_known(case):
    _, halves, _, _ = case
    ratio = jnp.where(jnp.arange(BOX // 2 + 1) <= 9, 3.0, 0.0)
    found = local_wiener(jnp.asarray(halves[0]), jnp.ones((BOX,) * 3), ratio)
    radius = np.asarray(radius_fourier_px(BOX))
    beyond = np.abs(np.fft.rfftn(np.asarray(found)))[radius > 10]
    assert beyond.max() < 1e-3 * np.abs(np.fft.rfftn(halves[0])).max()


@pytest.mark.parametrize("noise", [0.5, 1.0, 2.0])
def test_it_is_nearer_to_the_truth_than_the_plain_filter(noise, rng):
    truth, halves = _half_maps(rng, noise)
    mask = _mask()
    fsc = _trusted(_fsc(halves, mask))
    ratio = jnp.asarray(fsc / np.maximum(1 - fsc, 1e-3), jnp.float32)
    half = jnp.asarray(halves[0])
    profile = signal_profile(half, fsc, mask)
    local = np.asarray(local_wiener(half, profile, ratio)) * mask
    plain = np.asarray(local_wiener(half, jnp.ones((BOX,) * 3), ratio)) * mask

    def correlation(volume):
        return np.corrcoef(volume[mask > 0], (truth * mask)[mask > 0])[0, 1]

    assert 1 - correlation(local) < 0.7 * (1 - correlation(plain))
