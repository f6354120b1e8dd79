"""Aberrations as cryoSPARC and as RELION write them down, and from one to the other.

cryoSPARC keeps lengths in Å beside the other fields of ``ctf/``; the phase of an image is

- antisymmetric: ``-2 pi s.k - 2 pi L^2 |k|^2 t.k - 2/3 pi L^2 |k|^3 (f0 cos 3a + f1 sin 3a)`` with
  ``s = shift_A``, ``t = tilt_A``, ``f = trefoil_A``, L the wavelength and ``a`` the angle of k
  from +x towards +y;
- symmetric, within gamma of `engine.ctf`: ``2 pi L^3 |k|^4 (q0 cos 2a + q1 sin 2a) + 1/2 pi L^3
  |k|^4 (q2 cos 4a + q3 sin 4a)`` with ``q = tetra_A``.

RELION keeps the beam tilt in mrad, ``tilt_A = Cs tilt``, and lists of Zernike terms (see
`engine.ctf`). ``|k|^4 cos 2a`` is ``(Z_4^2 + 3 Z_2^2) / 4`` in them. What RELION's lists hold up to
the fourth order and cryoSPARC has no field for is defocus, astigmatism, Cs or phase shift by
another name, and is put there. Terms of higher orders have no place in cryoSPARC.

Sources: cryoSPARC states that beam tilt, trefoil and tetrafoil are lengths and that tilt in mrad is
``tilt_A / Cs`` (discuss.cryosparc.com/t/17411); pyem's csparc2star uses the same and the sign; the
factors and axes of trefoil and tetrafoil are those that other readers of .cs files found by
comparison with cryoSPARC's simulator. No file with both was at hand to measure them on.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

ODD_TERMS = 6
EVEN_TERMS = 9
_ANGSTROM_PER_MM = 1e7
_LEAST_CS_MM = 1e-3
"""Below this a beam tilt cannot say what coma there is, and the Zernike terms hold it."""

_ROUNDING = 1e-9
"""Share of the terms that cancel below which their difference is rounding."""


@dataclass(frozen=True)
class CsOptics:
    """Fields of ``ctf/`` in float64, one row each."""

    accel_kv: Float[np.ndarray, " n"]
    cs_mm: Float[np.ndarray, " n"]
    df1_angstrom: Float[np.ndarray, " n"]
    df2_angstrom: Float[np.ndarray, " n"]
    df_angle_rad: Float[np.ndarray, " n"]
    phase_shift_rad: Float[np.ndarray, " n"]
    shift_angstrom: Float[np.ndarray, "n 2"]
    tilt_angstrom: Float[np.ndarray, "n 2"]
    trefoil_angstrom: Float[np.ndarray, "n 2"]
    tetra_angstrom: Float[np.ndarray, "n 4"]


@dataclass(frozen=True)
class ZernikeTerms:
    """The same as RELION writes it: beam tilt and lists of Zernike terms."""

    beam_tilt_mrad: Float[np.ndarray, "n 2"]
    odd: Float[np.ndarray, "n 6"]
    even: Float[np.ndarray, "n 9"]


def _wavelength_angstrom(kv: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    # engine.ctf has the same in float32, which is too coarse for a way there and back.
    volts = kv * 1e3
    return 12.2643247 / np.sqrt(volts * (1.0 + volts * 0.978466e-6))


def zernike_from_cs(
    accel_kv: Float[np.ndarray, " n"],
    cs_mm: Float[np.ndarray, " n"],
    shift_angstrom: Float[np.ndarray, "n 2"],
    tilt_angstrom: Float[np.ndarray, "n 2"],
    trefoil_angstrom: Float[np.ndarray, "n 2"],
    tetra_angstrom: Float[np.ndarray, "n 4"],
) -> ZernikeTerms:
    """Beam tilt and Zernike terms of cryoSPARC's lengths (formulas in the module's text)."""
    n = len(accel_kv)
    wavelength = _wavelength_angstrom(accel_kv)
    has_cs = np.abs(cs_mm) >= _LEAST_CS_MM
    aberration = np.where(has_cs, cs_mm, 1.0) * _ANGSTROM_PER_MM
    odd = np.zeros((n, ODD_TERMS))
    odd[:, [1, 0]] = -2 * np.pi * shift_angstrom
    odd[:, [5, 2]] = -2 / 3 * np.pi * wavelength[:, None] ** 2 * trefoil_angstrom
    # |k|^3 cos a = (Z_3^1 + 2 Z_1^1) / 3, likewise the sine.
    coma = -2 * np.pi * wavelength[:, None] ** 2 * tilt_angstrom * ~has_cs[:, None]
    odd[:, [4, 3]] += coma / 3
    odd[:, [1, 0]] += 2 * coma / 3
    even = np.zeros((n, EVEN_TERMS))
    second = 2 * np.pi * wavelength[:, None] ** 3 * tetra_angstrom[:, :2]
    even[:, [7, 5]] = second / 4
    even[:, [3, 1]] = 3 * second / 4
    even[:, [8, 4]] = np.pi / 2 * wavelength[:, None] ** 3 * tetra_angstrom[:, 2:]
    tilt_mrad = np.where(has_cs[:, None], tilt_angstrom / aberration[:, None] * 1e3, 0.0)
    return ZernikeTerms(tilt_mrad, odd, even)


def cs_from_zernike(optics: CsOptics, terms: ZernikeTerms) -> CsOptics:
    """Put beam tilt and Zernike terms into the fields that cryoSPARC has for them.

    The lengths of ``optics`` are replaced. Its defocus, Cs and phase shift change only where the
    even terms ask for it.
    """
    wavelength = _wavelength_angstrom(optics.accel_kv)
    odd, even = terms.odd, terms.even
    coma = odd[:, [4, 3]]
    square = 2 * np.pi * wavelength[:, None] ** 2
    tilt = optics.cs_mm[:, None] * _ANGSTROM_PER_MM * 1e-3 * terms.beam_tilt_mrad
    cube = np.pi * wavelength**3
    tetra = 2 * even[:, [7, 5, 8, 4]] / cube[:, None]
    return replace(
        _with_low_orders(optics, even, wavelength),
        shift_angstrom=-_difference(odd[:, [1, 0]], 2 * coma) / (2 * np.pi),
        tilt_angstrom=tilt - 3 * coma / square,
        trefoil_angstrom=-3 * odd[:, [5, 2]] / square,
        tetra_angstrom=tetra,
    )


def _with_low_orders(
    optics: CsOptics, even: Float[np.ndarray, "n 9"], wavelength: Float[np.ndarray, " n"]
) -> CsOptics:
    """Fold the even terms that are not tetrafoil into phase shift, defocus and Cs."""
    constant = even[:, 0] - even[:, 2] + even[:, 6]
    square = 2 * even[:, 2] - 6 * even[:, 6]
    fourth = 6 * even[:, 6]
    astigmatism = _difference(even[:, [3, 1]], 3 * even[:, [7, 5]])
    per_square = np.pi * wavelength
    middle = (optics.df1_angstrom + optics.df2_angstrom) / 2 - square / per_square
    half = (optics.df1_angstrom - optics.df2_angstrom) / 2
    angle = optics.df_angle_rad
    arrow = half * np.exp(2j * angle) - (astigmatism @ [1, 1j]) / per_square
    changed = np.any(astigmatism != 0, axis=1)
    half = np.where(changed, np.abs(arrow), half)
    angle = np.where(changed, np.angle(arrow) / 2, angle)
    defocused = changed | (square != 0)
    return replace(
        optics,
        phase_shift_rad=optics.phase_shift_rad - constant,
        cs_mm=optics.cs_mm + 2 * fourth / (np.pi * wavelength**3) / _ANGSTROM_PER_MM,
        df1_angstrom=np.where(defocused, middle + half, optics.df1_angstrom),
        df2_angstrom=np.where(defocused, middle - half, optics.df2_angstrom),
        df_angle_rad=angle,
    )


def _difference(
    first: Float[np.ndarray, "n 2"], second: Float[np.ndarray, "n 2"]
) -> Float[np.ndarray, "n 2"]:
    """Subtract, with zero where all that is left is rounding of numbers that were text."""
    left = first - second
    return np.where(np.abs(left) <= _ROUNDING * np.abs(second), 0.0, left)
