"""Images -> accumulator -> half-map.

The accumulator holds, at each point of the padded half spectrum, ``F = sum C* X / sigma^2`` and
``W = sum |C|^2 / sigma^2``; the half-map is the transform of ``F / (W + prior)`` divided by the
envelope of the interpolation.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from locref_widgets.engine.compiling import jit_in_one_thread
from locref_widgets.engine.gridding import gridding_kernel, gridding_weights, spectrum_to_volume
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.slicing import (
    Accumulator,
    complete_plane,
    grid_shape,
    insert_points,
    slice_points,
    undo_interpolation,
)
from locref_widgets.engine.symmetric_sums import symmetrise, symmetry_envelope

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
    padded = accumulator.padded_px

    def add_one(sums: Accumulator, image: tuple) -> tuple[Accumulator, None]:
        rotation, plane, value, weight = image
        points = slice_points(rotation, plane, padded, box_px)
        return insert_points(sums, points, jnp.real(value), jnp.imag(value), weight), None

    # The volume is the carry of a scan: one volume per image would cost 100 times as much.
    return jax.lax.scan(add_one, accumulator, (rotations, coordinates, values, weights))[0]


@jit_in_one_thread
def add_accumulators(first: Accumulator, second: Accumulator) -> Accumulator:
    """Sum of two accumulators of the same grid."""
    return Accumulator(first.sums + second.sums, first.padded_px, first.radius)


def mean_weights(accumulator: Accumulator, box_px: int) -> Float[np.ndarray, " shells"]:
    """Mean weight of each shell ``0, 1, ...`` of the unpadded box, counted on the host.

    A histogram over few shells is what GPUs are slowest at, and it is wanted once per map.
    """
    radius = accumulator.radius
    weights = np.array(_weights(accumulator.sums))
    weights[:, :, 0] += weights[::-1, ::-1, 0].copy()  # as `complete_plane`
    octant = _folded(weights, radius)
    index, counts = _octant_shells(radius, box_px, accumulator.padded_px)
    totals = np.bincount(index, octant.reshape(-1), counts.size)
    # The last one is of the points beyond the radius.
    return (totals / np.maximum(counts, 1))[:-1]


@jax.jit
def _weights(sums: Float[Array, "z y x 3"]) -> Float[Array, "z y x"]:
    return sums[..., 2]


def _folded(values: Float[np.ndarray, "z y x"], radius: int) -> Float[np.ndarray, "r r r"]:
    """Sums over the grid points that differ only in the signs of z and y."""
    for axis in (0, 1):
        values = np.moveaxis(values, axis, 0)
        upper = values[radius + 1 :].copy()
        upper[1:] += values[radius::-1]
        values = np.moveaxis(upper, 0, axis)
    return values


@lru_cache(maxsize=4)
def _octant_shells(
    radius: int, box_px: int, padded_px: int
) -> tuple[Int[np.ndarray, " points"], Float[np.ndarray, " shells"]]:
    """Shell of each grid point of an octant, and how many points of the whole grid each holds."""
    line = np.arange(radius + 2, dtype=np.float32) ** 2
    distance = np.sqrt(line[:, None, None] + line[:, None] + line)
    shells = np.rint(box_px / padded_px * distance).astype(np.int32)
    beyond = radius + 3
    shells[distance > radius] = beyond
    signs = np.where(line > 0, 2.0, 1.0)
    points = np.broadcast_to(signs[:, None, None] * signs[:, None], shells.shape)
    index = shells.reshape(-1)
    return index, np.bincount(index, points.reshape(-1), beyond + 1)


def solve(
    accumulator: Accumulator,
    box_px: int,
    inverse_ssnr: Float[Array | np.ndarray, " shells"] | None = None,
    gridding_iterations: int = 0,
    operators: Float[np.ndarray, "m 3 3"] | None = None,
    support_px: int | None = None,
) -> Float[Array, "n n n"]:
    """Map of an accumulator, inside the sphere inscribed in the box.

    Parameters
    ----------
    accumulator
        Sums over the images of one half-set (or of both).
    box_px
        Edge of the map.
    inverse_ssnr
        Noise over signal power of each shell ``0, 1, ...`` of the unpadded box. The Wiener solution
        divides by ``W + mean W of the shell x inverse_ssnr``. None: unfiltered.
    gridding_iterations
        Iterations of the search for weights that compensate for the uneven sampling of Fourier
        space (see `locref_widgets.engine.gridding`); 0 divides by ``W`` itself, which lets more
        noise through.
    operators
        Rotations of a point group about the map's centre that the map is to have (see
        `locref_widgets.engine.symmetry`); the sums are as they were added up. None: no symmetry.
    support_px
        Edge of the box that what is seen in the images fills; unset: the map's. Only
        gridding weights go by it.

    Returns
    -------
    Real map ``[z, y, x]``; images say nothing about the corners beyond the sphere, which hold
    amplified noise and are cut off with a soft edge.
    """
    if operators is not None and len(operators) > 1:
        symmetric = symmetrise(accumulator, operators)
        volume = solve(symmetric, box_px, inverse_ssnr, gridding_iterations, None, support_px)
        return volume / symmetry_envelope(operators, box_px, accumulator.padded_px)
    mean, prior = _mean_and_prior(accumulator, box_px, inverse_ssnr)
    kernel = None
    if gridding_iterations:
        kernel = on_device(gridding_kernel(accumulator.padded_px, support_px or box_px))
    return _solve(accumulator, mean, prior, kernel, box_px, gridding_iterations)


def _mean_and_prior(
    accumulator: Accumulator,
    box_px: int,
    inverse_ssnr: Float[Array | np.ndarray, " shells"] | None,
) -> tuple[Float[Array, " more_shells"], Float[Array, " more_shells"]]:
    """Mean weight of each shell, and what is added to the weights there."""
    mean = mean_weights(accumulator, box_px)
    prior = _WEIGHT_FLOOR * mean
    if inverse_ssnr is not None:
        shells = np.arange(mean.size)
        noise = np.asarray(inverse_ssnr, np.float64)
        prior = prior + mean * np.interp(shells, np.arange(noise.size), noise)
    return on_device(mean, np.float32), on_device(prior, np.float32)


def solve_and_pull_back(
    accumulator: Accumulator, box_px: int, inverse_ssnr: Float[Array | np.ndarray, " shells"]
) -> tuple[Float[Array, "n n n"], Callable[[Float[Array, "n n n"]], Float[Array, "z y x 3"]]]:
    """Wiener solution of an accumulator, and how what depends on it depends on the sums.

    The function returned turns the gradient of a number with respect to the map into that with
    respect to ``accumulator.sums``; what ``inverse_ssnr`` adds to the weights counts as a constant.
    """
    mean, prior = _mean_and_prior(accumulator, box_px, inverse_ssnr)

    def map_of(sums: Float[Array, "z y x 3"]) -> Float[Array, "n n n"]:
        same_grid = Accumulator(sums, accumulator.padded_px, accumulator.radius)
        return _solve(same_grid, mean, prior, None, box_px, 0)

    volume, pull = jax.vjp(map_of, accumulator.sums)
    return volume, lambda gradient: pull(gradient)[0]


@partial(jax.jit, static_argnames=("box_px", "gridding_iterations"))
def _solve(
    accumulator: Accumulator,
    mean: Float[Array, " shells"],
    prior: Float[Array, " shells"],
    kernel: Float[Array, " taps"] | None,
    box_px: int,
    gridding_iterations: int,
) -> Float[Array, "n n n"]:
    padded, radius = accumulator.padded_px, accumulator.radius
    sums = complete_plane(accumulator.sums)
    z, y, x = (jnp.arange(n, dtype=jnp.float32) for n in grid_shape(radius))
    z, y = z - radius - 1, y - radius - 1
    shells = jnp.sqrt(z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2)
    place = shells * (box_px / padded)
    below = jnp.minimum(place.astype(jnp.int32), prior.size - 2)
    share = place - below

    def at_shells(values: Float[Array, " shells"]) -> Float[Array, "z y x"]:
        return values[below] * (1 - share) + values[below + 1] * share

    divisor = sums[..., 2] + at_shells(prior)
    inside = (shells <= radius) & (divisor > 0)
    if kernel is not None:
        density = jnp.where(inside, divisor, 0)
        shell_mean = at_shells(mean + prior)
        weight = gridding_weights(density, shell_mean, kernel, gridding_iterations)
    else:
        weight = jnp.where(inside, 1.0 / jnp.where(inside, divisor, 1.0), 0.0)
    spectrum = jax.lax.complex(sums[..., 0] * weight, sums[..., 1] * weight)
    volume = spectrum_to_volume(spectrum, padded, box_px)
    return undo_interpolation(volume, padded) * soft_sphere(box_px)


def soft_sphere(box_px: int, edge_px: float = 3.0) -> Float[Array, "z y x"]:
    """1 inside the sphere inscribed in the box, falling to 0 as a cosine over ``edge_px``."""
    line = (jnp.arange(box_px, dtype=jnp.float32) - box_px // 2) ** 2
    r = jnp.sqrt(line[:, None, None] + line[None, :, None] + line[None, None, :])
    outside = jnp.clip((r - box_px / 2) / edge_px, 0.0, 1.0)
    return 0.5 + 0.5 * jnp.cos(jnp.pi * outside)
