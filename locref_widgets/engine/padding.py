"""Boxes padded and cut for Fourier transforms, which have their origin at voxel 0.

Ours have it at voxel ``n // 2``. Both moves are of the smaller box only: to shift the padded one as
a whole, eight times as many voxels, would take as long as its transform.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from locref_widgets.engine.array_types import AnyArray

_ALL = (-3, -2, -1)


def pad_from_origin(
    volume: Float[AnyArray, "*n"], padded_px: int, axes: tuple[int, ...] = _ALL
) -> Float[Array, "*p"]:
    """A box of zeros of edge ``padded_px`` with the volume about voxel 0, wrapped around."""
    padded = jnp.asarray(volume)
    for axis in axes:
        before, after = jnp.split(padded, [padded.shape[axis] // 2], axis)
        shape = list(padded.shape)
        shape[axis] = padded_px - shape[axis]
        padded = jnp.concatenate([after, jnp.zeros(shape, padded.dtype), before], axis)
    return padded


def cut_about_origin(volume: Float[AnyArray, "p p p"], box_px: int) -> Float[Array, "n n n"]:
    """The box of edge ``box_px`` about voxel 0 of a periodic volume, which comes to ``n // 2``."""
    cut, before = jnp.asarray(volume), box_px // 2
    for axis in _ALL:
        edges = [box_px - before, cut.shape[axis] - before]
        after, _, wrapped = jnp.split(cut, edges, axis)
        cut = jnp.concatenate([wrapped, after], axis)
    return cut
