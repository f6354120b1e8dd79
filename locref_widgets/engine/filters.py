"""Filters of maps in Fourier space: low-pass, per-shell filters, change of box.

All radial filters act on ``rfftn`` half-spectra of cubic maps; radii are in Fourier pixels, so the
frequency of radius k is ``k / (N voxel_size)``.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.array_types import AnyArray, Scalar


def radius_fourier_px(box_px: int) -> Float[Array, "z y half"]:
    """|k| of each coefficient of the half-spectrum of a cubic map, in Fourier pixels."""
    full = jnp.fft.fftfreq(box_px, 1.0 / box_px)
    half = jnp.fft.rfftfreq(box_px, 1.0 / box_px)
    return jnp.sqrt(full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2)


def between_shells(
    values: Float[AnyArray, " shells"],
    radius_px: Float[Array, "..."],
    beyond: float | None = None,
) -> Float[Array, "..."]:
    """Values told at radii 0, 1, 2 ... at other radii: linear between.

    Past the last radius the value is ``beyond``, unset: the last one. As `jax.numpy.interp`, which
    has to search for the place of each radius.
    """
    values, last = jnp.asarray(values), len(values) - 1
    below = jnp.minimum(radius_px.astype(jnp.int32), last)
    above = jnp.minimum(below + 1, last)
    part = jnp.where(below < last, radius_px - below, 0.0)
    between = values[below] * (1.0 - part) + values[above] * part
    return between if beyond is None else jnp.where(radius_px <= last, between, beyond)


def _multiply_spectrum(
    volume: Float[AnyArray, "z y x"], response: Float[AnyArray, "z y half"]
) -> Float[Array, "z y x"]:
    return jnp.fft.irfftn(jnp.fft.rfftn(volume) * response, s=volume.shape)


def butterworth(
    radius_px: Float[AnyArray, "..."] | Scalar,
    cutoff_px: Float[AnyArray, "..."] | Scalar,
    order: Scalar = 8.0,
) -> Float[Array, "..."]:
    """Amplitude ``1 / sqrt(1 + (k / c)^(2 order))`` at radius ``k`` for the cut-off ``c``."""
    ratio = jnp.asarray(radius_px) / cutoff_px
    if isinstance(order, int | float) and float(order).is_integer():
        # A few products instead of a logarithm and an exponential for every voxel.
        return jax.lax.rsqrt(1.0 + jax.lax.integer_pow(ratio, 2 * int(order)))
    return jax.lax.rsqrt(1.0 + ratio ** (2.0 * order))


def gaussian_mean(volume: Float[AnyArray, "z y x"], sigma_px: Scalar) -> Float[Array, "z y x"]:
    """Mean about each voxel, weighted by a Gaussian; the box is taken as periodic."""
    box_px = volume.shape[-1]
    response = jnp.exp(-2.0 * (jnp.pi * radius_fourier_px(box_px) * sigma_px / box_px) ** 2)
    return _multiply_spectrum(volume, response)


@jax.jit
def lowpass(
    volume: Float[AnyArray, "z y x"],
    voxel_size_angstrom: Scalar,
    resolution_angstrom: Scalar,
    order: Scalar = 8.0,
) -> Float[Array, "z y x"]:
    """Butterworth low-pass; the amplitude is 1/sqrt(2) at ``resolution_angstrom``."""
    box_px = volume.shape[-1]
    cutoff_px = box_px * voxel_size_angstrom / resolution_angstrom
    return _multiply_spectrum(volume, butterworth(radius_fourier_px(box_px), cutoff_px, order))


def lowpass_cosine(
    volume: Float[AnyArray, "z y x"],
    voxel_size_angstrom: Scalar,
    resolution_angstrom: Scalar,
    edge_px: Scalar = 2.0,
) -> Float[Array, "z y x"]:
    """Low-pass that falls from 1 to 0 as a cosine over ``edge_px`` Fourier pixels.

    The amplitude is 1/2 at ``resolution_angstrom`` (RELION's low-pass has the same form).
    """
    cutoff_px = volume.shape[-1] * voxel_size_angstrom / resolution_angstrom
    return _lowpass_cosine(volume, np.float32(cutoff_px), np.float32(edge_px))


@jax.jit
def _lowpass_cosine(
    volume: Float[AnyArray, "z y x"], cutoff_px: Scalar, edge_px: Scalar
) -> Float[Array, "z y x"]:
    box_px = volume.shape[-1]
    fall = jnp.clip((radius_fourier_px(box_px) - cutoff_px) / edge_px + 0.5, 0.0, 1.0)
    return _multiply_spectrum(volume, 0.5 + 0.5 * jnp.cos(jnp.pi * fall))


@jax.jit
def apply_shell_filter(
    volume: Float[AnyArray, "z y x"], response: Float[AnyArray, " shells"]
) -> Float[Array, "z y x"]:
    """Multiply the spectrum by a radial response given at radii 0, 1, 2 ... Fourier pixels.

    Linear between the shells; beyond the last shell its value holds.
    """
    radius = radius_fourier_px(volume.shape[-1])
    response = jnp.asarray(response, dtype=volume.dtype)
    return _multiply_spectrum(volume, between_shells(response, radius))


def fourier_crop(volume: Float[AnyArray, "z y x"], box_px: int) -> Float[Array, "m m m"]:
    """Resample to fewer, larger voxels: the frequencies that ``box_px`` voxels can hold.

    Values keep their scale and voxel N//2 stays the centre. The new voxel size is the old one
    times N / ``box_px``.

    Raises
    ------
    ValueError
        if ``box_px`` is larger than the map's box.
    """
    if box_px > volume.shape[-1]:
        raise ValueError(f"cannot crop a box of {volume.shape[-1]} to {box_px}: use fourier_pad")
    return _change_box(volume, box_px)


def fourier_pad(volume: Float[AnyArray, "z y x"], box_px: int) -> Float[Array, "m m m"]:
    """Resample to more, smaller voxels: band-limited interpolation, the new frequencies are 0.

    Values keep their scale and voxel N//2 stays the centre. The new voxel size is the old one
    times N / ``box_px``.

    Raises
    ------
    ValueError
        if ``box_px`` is smaller than the map's box.
    """
    if box_px < volume.shape[-1]:
        raise ValueError(f"cannot pad a box of {volume.shape[-1]} to {box_px}: use fourier_crop")
    return _change_box(volume, box_px)


@partial(jax.jit, static_argnames="box_px")
def _change_box(volume: Float[AnyArray, "z y x"], box_px: int) -> Float[Array, "m m m"]:
    resampled = jnp.asarray(volume)
    for axis in range(3):
        resampled = _resample_axis(resampled, box_px, axis)
    return resampled


def _resample_axis(
    volume: Float[Array, "z y x"], new_px: int, axis: int
) -> Float[Array, "z2 y2 x2"]:
    """Fourier interpolation along one axis about the centre voxel."""
    old_px = volume.shape[axis]
    if new_px == old_px:
        return volume
    lines = jnp.moveaxis(jnp.roll(volume, -(old_px // 2), axis), axis, -1)
    spectrum = jnp.fft.rfft(lines, axis=-1)
    smaller = min(old_px, new_px)
    spectrum = spectrum[..., : smaller // 2 + 1]
    if smaller % 2 == 0:
        # The Nyquist coefficient of an even box stands for +N/2 and -N/2 together: cropping
        # adds the two, padding shares it out between them.
        spectrum = spectrum.at[..., -1].multiply(2.0 if new_px < old_px else 0.5)
    missing = new_px // 2 + 1 - spectrum.shape[-1]
    spectrum = jnp.pad(spectrum, [(0, 0)] * (spectrum.ndim - 1) + [(0, missing)])
    lines = jnp.fft.irfft(spectrum, n=new_px, axis=-1) * (new_px / old_px)
    return jnp.roll(jnp.moveaxis(lines, -1, axis), new_px // 2, axis)
