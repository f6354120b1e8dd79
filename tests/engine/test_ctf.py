"""The CTF against formulas written apart from it, against cryojax, and against RELION 3.1.3."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.engine.ctf import (
    CTFParameters,
    evaluate_antisymmetric_phase,
    evaluate_ctf,
    make_ctf_parameters,
    wavelength_angstrom,
)
from tests.ctf_cases import EVEN, FULL, MAGNIFICATION, ODD, PLAIN, fft_frequencies, one


def even_terms(rho: np.ndarray, phi: np.ndarray) -> list[np.ndarray]:
    """Z_0^0; Z_2^-2, Z_2^0, Z_2^2; Z_4^-4 ... Z_4^4 as textbooks print them."""
    return [
        np.ones_like(rho),
        rho**2 * np.sin(2 * phi),
        2 * rho**2 - 1,
        rho**2 * np.cos(2 * phi),
        rho**4 * np.sin(4 * phi),
        (4 * rho**4 - 3 * rho**2) * np.sin(2 * phi),
        6 * rho**4 - 6 * rho**2 + 1,
        (4 * rho**4 - 3 * rho**2) * np.cos(2 * phi),
        rho**4 * np.cos(4 * phi),
    ]


def odd_terms(rho: np.ndarray, phi: np.ndarray) -> list[np.ndarray]:
    """Z_1^-1, Z_1^1; Z_3^-3, Z_3^-1, Z_3^1, Z_3^3 as textbooks print them."""
    return [
        rho * np.sin(phi),
        rho * np.cos(phi),
        rho**3 * np.sin(3 * phi),
        (3 * rho**3 - 2 * rho) * np.sin(phi),
        (3 * rho**3 - 2 * rho) * np.cos(phi),
        rho**3 * np.cos(3 * phi),
    ]


def reference(frequency: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CTF and antisymmetric phase of FULL in float64, by angles and constants of physics."""
    m = np.array(MAGNIFICATION)
    x = m[0, 0] * frequency[:, 0] + m[0, 1] * frequency[:, 1]
    y = m[1, 0] * frequency[:, 0] + m[1, 1] * frequency[:, 1]
    rho, phi = np.hypot(x, y), np.arctan2(y, x)
    h, mass, charge, light = 6.62607015e-34, 9.1093837015e-31, 1.602176634e-19, 299792458.0
    energy = charge * 300e3
    momentum = np.sqrt(2 * mass * energy * (1 + energy / (2 * mass * light**2)))
    wavelength = 1e10 * h / momentum
    defocus = 10500.0 + 1500.0 * np.cos(2 * (phi - np.deg2rad(33.0)))
    chi = np.pi * wavelength * defocus * rho**2 - 0.5 * np.pi * 2.7e7 * wavelength**3 * rho**4
    chi += np.deg2rad(60.0) + np.arctan(0.1 / np.sqrt(1 - 0.1**2))
    chi -= sum(c * z for c, z in zip(EVEN, even_terms(rho, phi), strict=True))
    ctf = 0.8 * np.exp(-40.0 * rho**2 / 4) * np.sin(chi)
    phase = sum(c * z for c, z in zip(ODD, odd_terms(rho, phi), strict=True))
    phase -= 2 * np.pi * 2.7e7 * wavelength**2 * rho**2 * (0.7e-3 * x - 0.3e-3 * y)
    return ctf, phase


def test_matches_float64_reference() -> None:
    frequency = fft_frequencies(48, 1.5)
    ctf, phase = reference(frequency)
    # gamma and the phase reach some 100 rad: float32 rounds such a number by 4e-6 in each of a
    # dozen operations, and RELION's rounded constants of the wavelength are off by 4e-7.
    np.testing.assert_allclose(evaluate_ctf(one(**FULL), frequency), ctf, atol=3e-4)
    np.testing.assert_allclose(
        evaluate_antisymmetric_phase(one(**FULL), frequency), phase, atol=3e-4
    )


def test_known_values() -> None:
    # 0.0196875 Å is the textbook wavelength at 300 kV, 0.0250793 Å at 200 kV.
    np.testing.assert_allclose(
        wavelength_angstrom(np.array([300.0, 200.0])), [0.0196875, 0.0250793], rtol=1e-5
    )
    origin = np.zeros((1, 2))
    np.testing.assert_allclose(evaluate_ctf(one(**PLAIN), origin), [0.1], rtol=1e-6)
    along = np.array([[np.cos(np.deg2rad(33.0)), np.sin(np.deg2rad(33.0))]]) * 0.05
    only_u = one(**(PLAIN | {"defocus_v_angstrom": 12000.0, "defocus_angle_deg": 0.0}))
    np.testing.assert_allclose(
        evaluate_ctf(one(**PLAIN), along), evaluate_ctf(only_u, along), atol=1e-5
    )


def test_matches_cryojax(rng: np.random.Generator) -> None:
    simulator = pytest.importorskip("cryojax.simulator")
    frequency = jnp.asarray(fft_frequencies(32, 2.0).reshape(32, 32, 2), jnp.float32)
    for _ in range(5):
        u, v = rng.uniform(5000, 30000, 2)
        angle, shift = rng.uniform(0, 180, 2)
        voltage, contrast = rng.choice([200.0, 300.0]), rng.uniform(0.05, 0.2)
        theirs = simulator.AstigmaticCTF(
            defocus_in_angstroms=(u + v) / 2,
            astigmatism_in_angstroms=u - v,
            astigmatism_angle=angle,
            spherical_aberration_in_mm=2.7,
        )(
            # cryojax 0.6 takes the azimuth as arctan2 of the first and the second column.
            frequency[..., ::-1],
            wavelength_in_angstroms=float(wavelength_angstrom(np.array(voltage))),
            amplitude_contrast_ratio=contrast,
            phase_shift=shift,
        )
        ours = evaluate_ctf(
            one(
                voltage_kv=voltage,
                spherical_aberration_mm=2.7,
                amplitude_contrast=contrast,
                defocus_u_angstrom=u,
                defocus_v_angstrom=v,
                defocus_angle_deg=angle,
                phase_shift_deg=shift,
            ),
            frequency.reshape(-1, 2),
        )
        # cryojax writes the opposite contrast; both are float32 with gamma up to 150 rad.
        np.testing.assert_allclose(ours, -np.asarray(theirs).ravel(), atol=2e-4)


@pytest.mark.parametrize(
    "field",
    [
        "defocus_u_angstrom",
        "defocus_angle_deg",
        "phase_shift_deg",
        "bfactor_angstrom2",
        "spherical_aberration_mm",
        "even_zernike",
        "magnification",
    ],
)
def test_gradients_match_differences(field: str) -> None:
    with jax.enable_x64(True):
        params = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), one(**FULL))
        # Zero frequency is among them: angles would make the gradient undefined there.
        frequency = jnp.asarray([[0.0, 0.0], [0.03, -0.1], [0.12, 0.05]])

        def total(value: jax.Array) -> jax.Array:
            changed = CTFParameters(**(vars(params) | {field: value}))
            weights = jnp.asarray([0.3, 1.0, -0.7])
            return (evaluate_ctf(changed, frequency) * weights).sum()

        value = getattr(params, field)
        gradient = np.asarray(jax.grad(total)(value)).ravel()
        assert np.isfinite(gradient).all()
        step = 1e-5 * np.maximum(np.abs(np.asarray(value)), 1.0).ravel()
        for index in range(gradient.size):
            change = np.zeros(gradient.size)
            change[index] = step[index]
            change = change.reshape(value.shape)
            difference = (total(value + change) - total(value - change)) / (2 * step[index])
            # Central differences: error ~ step^2 times the third derivative.
            assert gradient[index] == pytest.approx(float(difference), rel=1e-5, abs=1e-8)


def test_gradient_of_phase_in_frequency_is_defined_at_origin() -> None:
    slope = jax.jacobian(lambda k: evaluate_antisymmetric_phase(one(**FULL), k[None])[0])
    at_origin = np.asarray(slope(jnp.zeros(2)))
    # Only Z_1 and the linear part of Z_3 have a slope at 0: (2 - 2 * 50, 1 - 2 * 40), through M.
    expected = np.array(MAGNIFICATION).T @ [2.0 - 100.0, 1.0 - 80.0]
    np.testing.assert_allclose(at_origin, expected, rtol=1e-5)


finite = st.floats(-1.0, 1.0, allow_nan=False, width=32)


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(finite, finite),
    st.lists(finite, min_size=12, max_size=12),
    st.lists(finite, min_size=9, max_size=9),
    st.tuples(finite, finite),
)
def test_even_part_is_symmetric_and_odd_phase_antisymmetric(
    direction: tuple[float, float], odd: list[float], even: list[float], tilt: tuple[float, float]
) -> None:
    params = one(
        **(
            FULL
            | {
                "odd_zernike": np.array(odd) * 20,
                "even_zernike": np.array(even) * 20,
                "beam_tilt_mrad": tilt,
            }
        )
    )
    frequency = np.array([direction], np.float32) * 0.2
    # Changing the sign of x and y changes no rounding: the symmetry is exact in floating point.
    np.testing.assert_array_equal(evaluate_ctf(params, frequency), evaluate_ctf(params, -frequency))
    np.testing.assert_array_equal(
        evaluate_antisymmetric_phase(params, frequency),
        -np.asarray(evaluate_antisymmetric_phase(params, -frequency)),
    )


def test_batches_and_selection() -> None:
    defocus = np.array([8000.0, 12000.0, 20000.0])
    params = make_ctf_parameters(
        3, **(FULL | {"defocus_u_angstrom": defocus, "defocus_v_angstrom": defocus})
    )
    frequency = fft_frequencies(8, 3.0)
    batch = jax.jit(jax.vmap(evaluate_ctf, in_axes=(0, None)))(params, frequency)
    for i in range(3):
        # One compiled program against single operations: roundings of float32 at 100 rad.
        np.testing.assert_allclose(batch[i], evaluate_ctf(params[i], frequency), atol=1e-4)
    assert len(params[np.array([2, 0])]) == 2
    np.testing.assert_array_equal(
        params[np.array([2, 0])].defocus_u_angstrom, defocus[[2, 0]].astype(np.float32)
    )
