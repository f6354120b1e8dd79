"""Fourier shell correlation of two half-maps, masked, unmasked and corrected for the mask.

Curves are per shell of |k| (``engine.shells``); the mask's own share is estimated by randomising
phases (Chen et al. 2013, Ultramicroscopy 135, 24-35).
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from locref_widgets.engine.array_types import AnyArray, Scalar
from locref_widgets.engine.shells import shell_indices, shell_sum

# The randomised phases spill into the neighbouring shells through the mask's transform, so the
# correction is meaningless in the first shells (RELION leaves out the same two).
_SHELLS_LEFT_OUT_AFTER_RANDOMISATION = 2
_RANDOMISE_BELOW_FSC = 0.8


__all__ = [
    "FSCCurve",
    "compute_fsc_curve",
    "corrected_fsc",
    "fourier_shell_correlation",
    "fsc_curves",
    "phase_randomised_fsc",
    "randomisation_shell",
    "randomise_phases",
    "shell_indices",
    "spherical_mask",
]


@dataclass(frozen=True)
class FSCCurve:
    """A correlation curve on the host.

    ``frequency_per_angstrom`` and ``values`` are arrays (shells,), shell k being the frequency
    k / (N voxel_size); shell 0 (the mean of the map) takes no part in the resolution.
    """

    frequency_per_angstrom: Float[np.ndarray, " shells"]
    values: Float[np.ndarray, " shells"]

    def resolution_angstrom(self, threshold: float = 0.143) -> float:
        """Resolution at which the curve first falls below ``threshold``.

        Linear in frequency between the two shells. A curve that never falls below has the
        resolution of its last shell (Nyquist); one already below in shell 1 that of shell 1.
        """
        below = ~(self.values[1:] >= threshold)  # a NaN is no correlation
        if not below.any():
            return float(1.0 / self.frequency_per_angstrom[-1])
        last = int(np.argmax(below)) + 1
        if last == 1:
            return float(1.0 / self.frequency_per_angstrom[1])
        (f0, f1), (v0, v1) = (
            np.asarray(a[last - 1 : last + 1], dtype=np.float64)
            for a in (self.frequency_per_angstrom, self.values)
        )
        fall = v0 - v1
        part = (v0 - threshold) / fall if np.isfinite(fall) else 0.0
        return float(1.0 / (f0 + part * (f1 - f0)))


def fourier_shell_correlation(
    map1: Float[AnyArray, "z y x"], map2: Float[AnyArray, "z y x"]
) -> Float[Array, " shells"]:
    """Correlation of the Fourier coefficients of two cubic maps in the shells 0 .. N//2.

    ``sum Re(F1 conj(F2)) / sqrt(sum |F1|^2 sum |F2|^2)``; 0 in a shell where a map has no power.
    """
    cross, power1, power2 = shell_sum(_products(map1, map2))
    scale = jnp.sqrt(power1) * jnp.sqrt(power2)  # not sqrt(p1 p2): that product can overflow
    return jnp.where(scale > 0, cross / jnp.where(scale > 0, scale, 1.0), 0.0)


@jax.jit
def _products(
    map1: Float[AnyArray, "z y x"], map2: Float[AnyArray, "z y x"]
) -> Float[Array, "3 z y half"]:
    f1, f2 = jnp.fft.rfftn(map1), jnp.fft.rfftn(map2)
    cross = f1.real * f2.real + f1.imag * f2.imag
    return jnp.stack([cross, f1.real**2 + f1.imag**2, f2.real**2 + f2.imag**2])


def compute_fsc_curve(
    map1: Float[AnyArray, "z y x"],
    map2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    mask: Float[AnyArray, "z y x"] | None = None,
) -> FSCCurve:
    """FSC of two cubic maps, multiplied by ``mask`` first where one is given."""
    if mask is not None:
        mask = jnp.asarray(mask)
        map1, map2 = map1 * mask, map2 * mask
    values = fourier_shell_correlation(jnp.asarray(map1), jnp.asarray(map2))
    return _curve(values, map1.shape[-1], voxel_size_angstrom)


def _curve(values: Float[AnyArray, " shells"], box_px: int, voxel_size_angstrom: float) -> FSCCurve:
    values = np.asarray(values)
    frequency = np.arange(len(values)) / (box_px * voxel_size_angstrom)
    return FSCCurve(frequency.astype(np.float64), values)


def spherical_mask(box_px: int, inner_fraction: float = 0.85) -> Float[np.ndarray, "z y x"]:
    """Ball of radius N/2 about voxel N//2: 1 up to ``inner_fraction`` of it, cosine edge to 0."""
    axis = np.arange(box_px) - box_px // 2
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    outer = box_px / 2
    inner = inner_fraction * outer
    fall = np.clip((np.sqrt(squared) - inner) / (outer - inner), 0.0, 1.0)
    return (0.5 + 0.5 * np.cos(np.pi * fall)).astype(np.float32)


@jax.jit
def randomise_phases(
    volume: Float[AnyArray, "z y x"], from_shell: Scalar, key: PRNGKeyArray
) -> Float[Array, "z y x"]:
    """Replace the phases of shell ``from_shell`` and beyond by random ones."""
    box_px = volume.shape[-1]
    full = jnp.fft.fftfreq(box_px, 1.0 / box_px)
    half = jnp.fft.rfftfreq(box_px, 1.0 / box_px)
    squared = full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2
    # The transform of real white noise has uniform phases that obey the Hermitian symmetry.
    noise = jnp.fft.rfftn(jax.random.normal(key, volume.shape, volume.dtype))
    phase_factor = noise / jnp.maximum(jnp.abs(noise), jnp.finfo(volume.dtype).tiny)
    spectrum = jnp.fft.rfftn(volume)
    beyond = squared > (jnp.asarray(from_shell) - 0.5) ** 2
    return jnp.fft.irfftn(
        jnp.where(beyond, jnp.abs(spectrum) * phase_factor, spectrum), s=volume.shape
    )


def phase_randomised_fsc(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    mask: Float[AnyArray, "z y x"],
    from_shell: int,
    key: PRNGKeyArray,
) -> Float[Array, " shells"]:
    """FSC that the mask alone gives: phases random from ``from_shell`` on, then masked.

    The two halves get independent phases (Chen et al. 2013).
    """
    key1, key2 = jax.random.split(key)
    mask = jnp.asarray(mask)
    return fourier_shell_correlation(
        randomise_phases(jnp.asarray(half1), from_shell, key1) * mask,
        randomise_phases(jnp.asarray(half2), from_shell, key2) * mask,
    )


def randomisation_shell(unmasked: Float[np.ndarray, " shells"]) -> int:
    """First shell, from 1 on, in which the unmasked FSC is below 0.8; one past the last if none."""
    below = np.flatnonzero(~(np.asarray(unmasked)[1:] >= _RANDOMISE_BELOW_FSC))
    return int(below[0]) + 1 if len(below) else len(unmasked)


def corrected_fsc(
    masked: Float[np.ndarray, " shells"],
    randomised: Float[np.ndarray, " shells"],
    from_shell: int,
) -> Float[np.ndarray, " shells"]:
    """FSC without the part that the mask brought in (Chen et al. 2013).

    ``(FSC_t - FSC_n) / (1 - FSC_n)``, FSC_t masked, FSC_n masked and randomised; 0 where FSC_n
    exceeds FSC_t. Up to and with the first two shells from ``from_shell`` the masked FSC is kept,
    so the notch of the formula there cannot be taken for the resolution.
    """
    masked, randomised = np.asarray(masked), np.asarray(randomised)
    room = 1.0 - randomised
    usable = (randomised <= masked) & (room > 0)
    corrected = np.where(usable, (masked - randomised) / np.where(room > 0, room, 1.0), 0.0)
    kept = np.arange(len(masked)) < from_shell + _SHELLS_LEFT_OUT_AFTER_RANDOMISATION
    return np.where(kept, masked, corrected).astype(masked.dtype)


def fsc_curves(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    masks: dict[str, Float[AnyArray, "z y x"]],
    *,
    corrected: tuple[str, ...] = ("dynamic mask",),
    seed: int = 0,
) -> dict[str, FSCCurve]:
    """Every FSC curve of two unfiltered half-maps.

    Keys: ``"no mask"``, ``"spherical"``, the names in ``masks``; and for each of those named in
    ``corrected``, ``"<name> randomised"`` and ``"<name> corrected"`` (``corrected_fsc``), random
    phases starting where the unmasked FSC first falls below 0.8 and drawn from ``seed``.
    """
    half1, half2 = jnp.asarray(half1), jnp.asarray(half2)
    box_px = half1.shape[-1]
    curve_of = partial(compute_fsc_curve, half1, half2, voxel_size_angstrom)
    curves = {"no mask": curve_of(), "spherical": curve_of(spherical_mask(box_px))}
    curves |= {name: curve_of(mask) for name, mask in masks.items()}

    from_shell = randomisation_shell(curves["no mask"].values)
    for name in corrected:
        if name not in masks:
            continue
        randomised = np.asarray(
            phase_randomised_fsc(half1, half2, masks[name], from_shell, jax.random.key(seed))
        )
        values = corrected_fsc(curves[name].values, randomised, from_shell)
        curves[f"{name} randomised"] = _curve(randomised, box_px, voxel_size_angstrom)
        curves[f"{name} corrected"] = _curve(values, box_px, voxel_size_angstrom)
    return curves
