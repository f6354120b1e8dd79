"""Images -> accumulator -> half-map.

The accumulator holds, at each point of the padded half spectrum, ``F = sum C* X / sigma^2`` and
``W = sum |C|^2 / sigma^2``; the half-map is the transform of ``F / (W + prior)`` divided by the
envelope of the interpolation.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from locref_widgets.engine.slicing import (
    Accumulator,
    grid_shape,
    insert_points,
    interpolation_envelope,
)

_WEIGHT_FLOOR = 1e-3
"""Least weight of a grid point, as a fraction of its shell's mean: keeps gaps from blowing up."""


def add_images(
    accumulator: Accumulator,
    rotations: Float[Array, "n 3 3"],
    coordinates: Float[Array, "n p 2"],
    values: Complex[Array, "n p"],
    weights: Float[Array, "n p"],
    box_px: int,
) -> Accumulator:
    """Insert images one after the other.

    Parameters
    ----------
    rotations
        Map point -> image frame.
    coordinates
        Fourier coordinates of each image's pixels in cycles per ``box_px`` pixels, magnification
        applied.
    values, weights
        ``C* X / sigma^2``, centred on the map's centre, and ``|C|^2 / sigma^2``.
    """
    scale = accumulator.padded_px / box_px

    def add_one(sums: Accumulator, image: tuple) -> tuple[Accumulator, None]:
        rotation, plane, value, weight = image
        points = scale * (plane[:, :1] * rotation[0] + plane[:, 1:] * rotation[1])
        return insert_points(sums, points, jnp.real(value), jnp.imag(value), weight), None

    # The volume is the carry of a scan: one volume per image would cost 100 times as much.
    return jax.lax.scan(add_one, accumulator, (rotations, coordinates, values, weights))[0]


@eqx.filter_jit
def add_accumulators(first: Accumulator, second: Accumulator) -> Accumulator:
    """Sum of two accumulators of the same grid."""
    return Accumulator(first.sums + second.sums, first.padded_px, first.radius)


def _complete_plane(sums: Float[Array, "z y x 3"]) -> Float[Array, "z y x 3"]:
    """Give the plane qx = 0 the part that fell on its mirror image."""
    mirrored = sums[::-1, ::-1, 0] * jnp.asarray([1.0, -1.0, 1.0], sums.dtype)
    return sums.at[:, :, 0].add(mirrored)


def _shells(radius: int, padding: float) -> np.ndarray:
    """Shell of each grid point in units of the unpadded box."""
    z, y, x = (np.arange(n, dtype=np.float32) for n in grid_shape(radius))
    z, y = z - radius - 1, y - radius - 1
    q = np.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    return q / np.float32(padding)


@eqx.filter_jit
def solve(
    accumulator: Accumulator,
    box_px: int,
    inverse_ssnr: Float[Array, " shells"] | None = None,
) -> Float[Array, "n n n"]:
    """Map of an accumulator.

    Parameters
    ----------
    accumulator
        Sums over the images of one half-set (or of both).
    box_px
        Edge of the map.
    inverse_ssnr
        Noise over signal power of each shell ``0, 1, ...`` of the unpadded box. The Wiener solution
        divides by ``W + mean W of the shell x inverse_ssnr``. None: unfiltered.

    Returns
    -------
    Real map ``[z, y, x]``.
    """
    padded, radius = accumulator.padded_px, accumulator.radius
    padding = padded / box_px
    sums = _complete_plane(accumulator.sums)
    shells = _shells(radius, padding)
    nearest = np.minimum(np.rint(shells).astype(np.int32), int(np.ceil(radius / padding)) + 2)
    order = np.argsort(nearest.ravel(), kind="stable")
    edges = np.searchsorted(nearest.ravel()[order], np.arange(nearest.max() + 2))
    weight = sums[..., 2]
    mean = _segment_means(weight.reshape(-1), order, edges)
    floor = jnp.interp(jnp.asarray(shells), jnp.arange(mean.size), mean)
    prior = _WEIGHT_FLOOR * floor
    if inverse_ssnr is not None:
        noise = jnp.interp(jnp.asarray(shells), jnp.arange(inverse_ssnr.size), inverse_ssnr)
        prior = prior + floor * noise
    inside = jnp.asarray(shells * padding <= radius)
    divisor = weight + prior
    gain = jnp.where(inside & (divisor > 0), 1.0 / jnp.where(divisor > 0, divisor, 1.0), 0.0)
    spectrum = jax.lax.complex(sums[..., 0] * gain, sums[..., 1] * gain)
    return _to_map(spectrum, box_px, padded, radius)


def _segment_means(
    values: Float[Array, " n"], order: np.ndarray, edges: np.ndarray
) -> Float[Array, " s"]:
    """Means over runs of a sorted list, by segment sums of sorted indices."""
    counts = np.maximum(np.diff(edges), 1)
    ids = np.repeat(np.arange(counts.size), np.diff(edges))
    sums = jax.ops.segment_sum(
        values[order], ids, num_segments=counts.size, indices_are_sorted=True
    )
    return sums / counts


def _to_map(
    spectrum: Complex[Array, "z y x"], box_px: int, padded_px: int, radius: int
) -> Float[Array, "n n n"]:
    """Transform a half spectrum, crop the map and undo the interpolation's envelope."""
    rows = np.arange(-(radius + 1), radius + 2) % padded_px
    full = jnp.zeros((padded_px, padded_px, padded_px // 2 + 1), spectrum.dtype)
    full = full.at[np.ix_(rows, rows, np.arange(radius + 2))].set(spectrum)
    volume = jnp.fft.fftshift(jnp.fft.irfftn(full, s=(padded_px,) * 3))
    low = padded_px // 2 - box_px // 2
    crop = slice(low, low + box_px)
    return volume[crop, crop, crop] / interpolation_envelope(box_px, padded_px)
