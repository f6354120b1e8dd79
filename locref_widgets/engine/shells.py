"""Shells of equal |k| in the half-spectrum of a cubic map, and sums over them.

Spectra are half-spectra (``rfftn``): a coefficient with 0 < kx < N/2 stands for itself and its
Hermitian mate and counts twice. Sums over shells are two dense reductions through a table of
coefficients sorted by shell, because adding every coefficient into its shell by a scatter makes
thousands of threads queue for a few hundred addresses on a GPU.
"""

from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Real

from locref_widgets.engine.array_types import AnyArray

_BLOCK = 128  # coefficients summed in the first of the two reductions


def shell_indices(box_px: int) -> Int[np.ndarray, "z y half"]:
    """Shell of each coefficient of ``rfftn`` of a cubic map: |k| in Fourier pixels, rounded.

    Indices run past ``box_px // 2`` in the corners of the spectrum.
    """
    full = np.fft.fftfreq(box_px, 1.0 / box_px)
    half = np.fft.rfftfreq(box_px, 1.0 / box_px)
    squared = full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2
    return np.rint(np.sqrt(squared)).astype(np.int32)


class ShellTable(NamedTuple):
    """Where to find the coefficients of each shell; unused slots add nothing."""

    coefficient: np.ndarray  # (blocks, _BLOCK) flat index into the half-spectrum
    weight: np.ndarray  # (blocks, _BLOCK) Hermitian weight 1 or 2; 0 in an unused slot
    block: np.ndarray  # (shells, most blocks in a shell); `blocks` in an unused slot


@lru_cache(maxsize=4)
def shell_table(box_px: int, as_stored: bool) -> ShellTable:
    """The table of a box; ``as_stored`` as for `shell_sum`."""
    shells = box_px // 2 + 1
    shell = shell_indices(box_px)
    weight = np.full(box_px // 2 + 1, 1 if as_stored else 2, np.int8)
    weight[0] = 1
    if box_px % 2 == 0:
        weight[-1] = 1
    weight = np.broadcast_to(weight, shell.shape).ravel()
    shell = shell.ravel()
    kept = np.flatnonzero(shell < shells)
    kept = kept[np.argsort(shell[kept], kind="stable")]

    count = np.bincount(shell[kept], minlength=shells)
    blocks_of_shell = -(-count // _BLOCK)
    first_block = np.concatenate([[0], np.cumsum(blocks_of_shell)])
    rank = np.arange(len(kept)) - np.repeat(np.cumsum(count) - count, count)
    slot = np.repeat(first_block[:-1] * _BLOCK, count) + rank

    coefficient = np.zeros(first_block[-1] * _BLOCK, np.int32)
    slot_weight = np.zeros(first_block[-1] * _BLOCK, np.int8)
    coefficient[slot] = kept
    slot_weight[slot] = weight[kept]

    number = np.arange(blocks_of_shell.max())
    block = np.where(
        number < blocks_of_shell[:, None], first_block[:-1, None] + number, first_block[-1]
    ).astype(np.int32)
    return ShellTable(coefficient.reshape(-1, _BLOCK), slot_weight.reshape(-1, _BLOCK), block)


def shell_counts(box_px: int) -> Int[np.ndarray, " shells"]:
    """Coefficients of the full spectrum in each shell 0 .. N//2 (both Hermitian mates counted)."""
    table = shell_table(box_px, False)
    return _sum_blocks(table.weight.sum(axis=1, dtype=np.int64), table)


@jax.jit
def sum_by_table(
    values: Float[AnyArray, "*batch z y half"],
    coefficient: Int[AnyArray, "blocks size"],
    weight: Int[AnyArray, "blocks size"],
    block: Int[AnyArray, "shells most"],
) -> Float[Array, "*batch shells"]:
    """`shell_sum` for programs, which are told the table: in them it would be a constant."""
    values = jnp.reshape(values, (*values.shape[:-3], -1))
    per_block = jnp.sum(values[..., coefficient] * weight.astype(values.dtype), axis=-1)
    per_block = jnp.pad(per_block, [(0, 0)] * (per_block.ndim - 1) + [(0, 1)])
    return jnp.sum(per_block[..., block], axis=-1)


def shell_sum(
    values: Float[AnyArray, "*batch z y half"], *, as_stored: bool = False
) -> Float[Array, "*batch shells"]:
    """Sum over each shell 0 .. N//2 of the full spectrum of real values on the half-spectrum.

    ``as_stored`` counts each stored coefficient once, as RELION does: in the plane kx = 0, which
    holds both Hermitian mates, every pair then counts twice as much as elsewhere.
    """
    return sum_by_table(values, *shell_table(values.shape[-2], as_stored))


def shell_mean(values: Float[np.ndarray, "z y half"]) -> Float[np.ndarray, " shells"]:
    """Mean over each shell 0 .. N//2 of the full spectrum, on the host.

    ``values`` are real and on the half-spectrum.
    """
    box_px = values.shape[-2]
    table = shell_table(box_px, False)
    weighted = values.reshape(-1)[table.coefficient] * table.weight
    return _sum_blocks(weighted.sum(axis=1, dtype=np.float64), table) / shell_counts(box_px)


def _sum_blocks(
    per_block: Real[np.ndarray, " blocks"], table: ShellTable
) -> Real[np.ndarray, " shells"]:
    return np.append(per_block, 0)[table.block].sum(axis=1)
