"""Phase factors against NumPy in double precision."""

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.phases import (
    cosine_and_sine,
    phase_ramp,
    rotate_by_few,
    rotate_phases,
)


@pytest.mark.parametrize("reach", [0.5, 3.0, 50.0])
def test_cosine_and_sine_are_those_of_whole_and_part_cycles(reach, rng):
    cycles = rng.uniform(-reach, reach, 20_000).astype(np.float32)
    cosine, sine = cosine_and_sine(jnp.asarray(cycles))
    exact = np.exp(2j * np.pi * cycles.astype(np.float64))
    # The half angle's series has the error of its first term left out, 6e-8, and some six roundings
    # of 6e-8; both are doubled. Whole cycles are taken off without any rounding.
    assert np.abs(cosine - exact.real).max() < 9e-7
    assert np.abs(sine - exact.imag).max() < 9e-7


def test_cosine_and_sine_at_quarters():
    cosine, sine = cosine_and_sine(jnp.asarray([0.0, 0.25, 0.5, 0.75, 1.0, -0.25]))
    np.testing.assert_allclose(cosine, [1, 0, -1, 0, 1, 0], atol=9e-7)
    np.testing.assert_allclose(sine, [0, 1, 0, -1, 0, -1], atol=9e-7)


def test_rotated_parts_are_the_complex_product(rng):
    values = rng.normal(size=(3, 1, 40)) + 1j * rng.normal(size=(3, 1, 40))
    cycles = rng.uniform(-4, 4, (5, 40))
    found = rotate_phases(
        *(jnp.asarray(part, jnp.float32) for part in (values.real, values.imag, cycles))
    )
    exact = values * np.exp(2j * np.pi * cycles)
    assert found.shape == (2, 3, 5, 40)
    # Cycles rounded to float32 as well: 4 x 6e-8 x 2 pi.
    np.testing.assert_allclose(found[0], exact.real, atol=1e-5)
    np.testing.assert_allclose(found[1], exact.imag, atol=1e-5)


def test_many_rotated_by_few_are_each_rotated(rng):
    real, imaginary = jnp.asarray(rng.normal(size=(2, 6, 1, 40)), jnp.float32)
    cycles = jnp.asarray(rng.uniform(-4, 4, (3, 40)), jnp.float32)
    expected = rotate_phases(real, imaginary, cycles)
    # The same products, added up with other roundings.
    np.testing.assert_allclose(rotate_by_few(real, imaginary, cycles), expected, atol=1e-6)


def test_a_ramp_moves_an_image(rng):
    image = rng.normal(size=(16, 16))
    k = np.fft.fftfreq(16) * 16
    coordinates = np.stack(np.meshgrid(k, k), axis=-1).reshape(-1, 2)
    ramp = phase_ramp(jnp.asarray(coordinates, jnp.float32), jnp.asarray([3.0, -2.0]), 16)
    moved = np.fft.ifft2(np.fft.fft2(image) * np.asarray(ramp).reshape(16, 16))
    np.testing.assert_allclose(moved.real, np.roll(image, (-2, 3), axis=(0, 1)), atol=1e-5)
