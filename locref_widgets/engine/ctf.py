"""Contrast transfer function with everything that RELION 3.1 stores.

The image of a particle with projection ``P(k)`` (Fourier transform, ``exp(-2 pi i k r)`` forward)
is

    X(k) = CTF(k) exp(i phi(k)) P(M k)

- ``CTF = scale exp(-B |q|^2 / 4) sin(-gamma)`` at ``q = M k``, with
  ``gamma = -pi lambda (U a^2 + V b^2) + pi/2 Cs lambda^3 |q|^4 - phase shift - asin(w) + even``,
  ``(a, b)`` the components of ``q`` along and across the direction of the defocus angle (measured
  from +x towards +y), ``U, V`` positive in underfocus, ``w`` the amplitude contrast, ``even`` the
  sum of even Zernike terms. Without phase shift it is ``w`` at zero frequency.
- ``phi`` is the antisymmetric aberration at ``q``: odd Zernike terms and beam tilt.
- ``M`` is the magnification matrix ``rlnMagMat00 .. rlnMagMat11``: it acts on every frequency,
  those of the slice included.

Zernike terms are RELION's: ``R_n^|m|(|q|)`` times ``cos(m angle)`` for m >= 0 and
``sin(|m| angle)`` for m < 0, ``|q|`` in 1/Å, without normalisation, ordered by n and then by
m = -n, -n + 2 ... n; even lists hold n = 0, 2, 4 ..., odd lists n = 1, 3, 5 ... Beam tilt adds
``-2 pi Cs lambda^2 |q|^2 (tilt . q)``. RELION expresses it by the odd terms of coma (the fourth and
fifth of the list), where its files hold zeros when they hold beam tilt.

Sources: Rohou & Grigorieff (2015) J. Struct. Biol. 192, 216; Zivanov, Nakane & Scheres (2020)
IUCrJ 7, 253. tests/engine/test_ctf.py holds it against RELION 3.1.3's own programs.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.phases import cosine_and_sine

RealArray = Array | np.ndarray

_ANGSTROM_PER_MM = 1e7
_RAD_PER_MRAD = 1e-3


class CTFParameters(eqx.Module):
    """Optical parameters of particles; all fields share a leading batch shape, ``(n,)`` or none.

    Lists of Zernike coefficients may be empty; beam tilt is zero and magnification the identity
    when absent.
    """

    voltage_kv: Float[RealArray, "*n"]
    spherical_aberration_mm: Float[RealArray, "*n"]
    amplitude_contrast: Float[RealArray, "*n"]
    defocus_u_angstrom: Float[RealArray, "*n"]
    defocus_v_angstrom: Float[RealArray, "*n"]
    defocus_angle_deg: Float[RealArray, "*n"]
    phase_shift_deg: Float[RealArray, "*n"]
    bfactor_angstrom2: Float[RealArray, "*n"]
    scale: Float[RealArray, "*n"]
    beam_tilt_mrad: Float[RealArray, "*n 2"]
    odd_zernike: Float[RealArray, "*n n_odd"]
    even_zernike: Float[RealArray, "*n n_even"]
    magnification: Float[RealArray, "*n 2 2"]

    def __getitem__(self, indices: Any) -> "CTFParameters":
        """Select particles by anything that indexes an array's first axis."""
        return jax.tree.map(lambda field: _select(field, indices), self)

    def __len__(self) -> int:
        """Return the number of particles."""
        return self.voltage_kv.shape[0]


def _select(field: RealArray, indices: Any) -> RealArray:
    # A numpy array yields a scalar, no array, where one particle is selected.
    selected = field[indices]
    return selected if isinstance(selected, jax.Array) else np.asarray(selected)


def make_ctf_parameters(
    n: int,
    *,
    voltage_kv: Any,
    spherical_aberration_mm: Any,
    amplitude_contrast: Any,
    defocus_u_angstrom: Any,
    defocus_v_angstrom: Any,
    defocus_angle_deg: Any = 0.0,
    phase_shift_deg: Any = 0.0,
    bfactor_angstrom2: Any = 0.0,
    scale: Any = 1.0,
    beam_tilt_mrad: Any = (0.0, 0.0),
    odd_zernike: Any = (),
    even_zernike: Any = (),
    magnification: Any = ((1.0, 0.0), (0.0, 1.0)),
) -> CTFParameters:
    """Make the parameters of ``n`` particles, numpy float32, from values for all or for each.

    Units as in the names; defocus is positive in underfocus. ``odd_zernike`` and ``even_zernike``
    are ``(terms,)`` or ``(n, terms)``, ``magnification`` is ``(2, 2)`` or ``(n, 2, 2)``.
    """

    def spread(value: Any, item_dims: int = 0) -> np.ndarray:
        array = np.asarray(value, dtype=np.float32)
        item = array.shape[array.ndim - item_dims :]
        return np.array(np.broadcast_to(array, (n, *item)))

    return CTFParameters(
        voltage_kv=spread(voltage_kv),
        spherical_aberration_mm=spread(spherical_aberration_mm),
        amplitude_contrast=spread(amplitude_contrast),
        defocus_u_angstrom=spread(defocus_u_angstrom),
        defocus_v_angstrom=spread(defocus_v_angstrom),
        defocus_angle_deg=spread(defocus_angle_deg),
        phase_shift_deg=spread(phase_shift_deg),
        bfactor_angstrom2=spread(bfactor_angstrom2),
        scale=spread(scale),
        beam_tilt_mrad=spread(beam_tilt_mrad, 1),
        odd_zernike=spread(odd_zernike, 1),
        even_zernike=spread(even_zernike, 1),
        magnification=spread(magnification, 2),
    )


def wavelength_angstrom(voltage_kv: Float[RealArray, "*n"]) -> Float[Array, "*n"]:
    """Return the relativistic electron wavelength in Å, by the constants that RELION uses."""
    volts = jnp.asarray(voltage_kv) * 1e3
    return 12.2643247 / jnp.sqrt(volts * (1.0 + volts * 0.978466e-6))


def magnified_coordinates(
    params: CTFParameters, frequency: Float[RealArray, "p 2"]
) -> Float[Array, "p 2"]:
    """Return ``M k``, where the slice, the CTF and the aberrations of a particle are evaluated.

    ``frequency`` holds ``(kx, ky)`` of the image in any unit; the result is in the same unit.
    RELION slices the map at ``R^T (M k, 0)``, ``R`` the pose and ``M`` the matrix of ``rlnMagMat``.
    """
    return jnp.matmul(frequency, params.magnification.T)


def evaluate_ctf(params: CTFParameters, frequency: Float[RealArray, "p 2"]) -> Float[Array, " p"]:
    """Evaluate the CTF of one particle, B-factor and scale included.

    ``params`` has no batch axis (use ``jax.vmap``); ``frequency`` is ``(kx, ky)`` in 1/Å. The
    formula is in the module's text.
    """
    q = magnified_coordinates(params, frequency)
    x, y = q[:, 0], q[:, 1]
    q_squared = x * x + y * y
    wavelength = wavelength_angstrom(params.voltage_kv)
    aberration = params.spherical_aberration_mm * _ANGSTROM_PER_MM
    angle = jnp.deg2rad(params.defocus_angle_deg)
    along = x * jnp.cos(angle) + y * jnp.sin(angle)
    across = y * jnp.cos(angle) - x * jnp.sin(angle)
    defocus = params.defocus_u_angstrom * along**2 + params.defocus_v_angstrom * across**2
    gamma = (
        -math.pi * wavelength * defocus
        + 0.5 * math.pi * aberration * wavelength**3 * q_squared**2
        - jnp.deg2rad(params.phase_shift_deg)
        - jnp.arcsin(params.amplitude_contrast)
        + _zernike_sum(params.even_zernike, x, y, first_order=0)
    )
    envelope = params.scale * jnp.exp(-0.25 * params.bfactor_angstrom2 * q_squared)
    # Plain arithmetic, which compilers for CPUs vectorise.
    return -cosine_and_sine(gamma / (2.0 * math.pi))[1] * envelope


def evaluate_antisymmetric_phase(
    params: CTFParameters, frequency: Float[RealArray, "p 2"]
) -> Float[Array, " p"]:
    """Evaluate the phase (radians) that beam tilt, trefoil and other odd terms add to one image.

    The image is ``CTF exp(i phase) projection``. ``params`` has no batch axis (use ``jax.vmap``);
    ``frequency`` is ``(kx, ky)`` in 1/Å.
    """
    q = magnified_coordinates(params, frequency)
    x, y = q[:, 0], q[:, 1]
    wavelength = wavelength_angstrom(params.voltage_kv)
    aberration = params.spherical_aberration_mm * _ANGSTROM_PER_MM
    tilt = params.beam_tilt_mrad * _RAD_PER_MRAD
    coma = -2.0 * math.pi * aberration * wavelength**2
    tilt_phase = coma * (x * x + y * y) * (tilt[0] * x + tilt[1] * y)
    return jnp.asarray(tilt_phase) + _zernike_sum(params.odd_zernike, x, y, first_order=1)


def _zernike_sum(
    coefficients: Float[RealArray, " terms"],
    x: Float[Array, " p"],
    y: Float[Array, " p"],
    *,
    first_order: int,
) -> Float[Array, " p"]:
    """Sum the Zernike terms of order ``first_order`` and every second one, as RELION lists them."""
    total = jnp.zeros_like(x)
    orders = _zernike_orders(coefficients.shape[0], first_order)
    for index, (n, m) in enumerate(orders):
        total = total + coefficients[index] * _zernike(n, m, x, y)
    return total


def _zernike_orders(count: int, first_order: int) -> list[tuple[int, int]]:
    """List the first ``count`` pairs (n, m): m = -n, -n + 2 ... n for every second n."""
    orders: list[tuple[int, int]] = []
    n = first_order
    while len(orders) < count:
        orders.extend((n, m) for m in range(-n, n + 1, 2))
        n += 2
    return orders[:count]


def _zernike(n: int, m: int, x: Float[Array, " p"], y: Float[Array, " p"]) -> Float[Array, " p"]:
    """Evaluate a Zernike polynomial in x and y: without an angle its gradient exists at 0."""
    cosine, sine = jnp.ones_like(x), jnp.zeros_like(x)  # rho^|m| cos(|m| phi), rho^|m| sin(|m| phi)
    for _ in range(abs(m)):
        cosine, sine = cosine * x - sine * y, cosine * y + sine * x
    half_difference = (n - abs(m)) // 2
    rho_squared = x * x + y * y
    radial = jnp.zeros_like(x)
    for k in range(half_difference + 1):
        coefficient = (
            (-1) ** k
            * math.factorial(n - k)
            / (
                math.factorial(k)
                * math.factorial((n + abs(m)) // 2 - k)
                * math.factorial(half_difference - k)
            )
        )
        radial = radial + coefficient * rho_squared ** (half_difference - k)
    return radial * (cosine if m >= 0 else sine)
