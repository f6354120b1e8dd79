"""Any map onto the grid of any other, by interpolation.

``io.placing`` is the strict way, for maps that whole voxels part; this is the mend it advises.
"""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import OFFSET_TOLERANCE_PX, same_size
from locref_widgets.io.mrc import Map
from locref_widgets.masks.resample_axes import apply_weights
from locref_widgets.masks.resample_weights import Order, line_weights

Where = Literal["headers", "centres"]
"""How two boxes lie: as start and origin in their headers say, or centre on centre (N//2)."""

_ORTHOGONAL = 1e-4
"""A rotation written with five digits passes."""

_KINDS = {1: "trilinear", 3: "cubic B-spline"}


def resample_on_grid(
    source: Map,
    reference: Map,
    *,
    order: Order = 1,
    mask: bool = False,
    rotation: Float[np.ndarray, "3 3"] | None = None,
    translation_angstrom: Float[np.ndarray, " 3"] | None = None,
    where: Where | None = None,
) -> Map:
    """Interpolate a map at the voxels of another: its voxel size, box and position; float32.

    Voxels of one size a whole number of voxels apart (within 0.05, which headers round away) are
    copied, so that nothing is blurred that need not be. Else order 1 is trilinear and order 3 a
    cubic B-spline through the values. Outside its box the source is zero: resampling a mask that
    was cut out of a box is the same as resampling it in that box.

    Anti-alias rule: where the reference's voxels are larger than the source's, the kernel is
    stretched to the reference's voxels, and so averages over as many voxels of the source as one of
    the reference covers (``resample_weights``). For a triangle this leaves a mask within 0 and 1,
    and keeps its total. If the grids are turned against each other the source is low-passed to the
    same width first. A source with the larger voxels is interpolated as it is.

    Parameters
    ----------
    source, reference
        Boxes of any sizes. Nothing but the grid of the reference is used.
    order
        1 for masks; 3 for maps, whose fine detail a trilinear interpolation dims.
    mask
        Clip the result to 0 to 1, which order 3 may overshoot.
    rotation, translation_angstrom
        A move of the source: what lies at ``p`` is brought to ``rotation @ p +
        translation_angstrom``, points (x, y, z) in Å in the frame of coordinates that the headers
        speak of (``io.box_position``), as a fit in ChimeraX tells it.
    where
        How the boxes lie before that. None takes the headers' word, except that a source whose
        header says nothing of its place is laid centre on centre (voxel N//2, to which poses
        refer) if the reference's says nothing either, or if both boxes have the same edges in Å.

    Raises
    ------
    InputError
        If the source holds NaN or infinite values, the rotation is none, or nothing of the source
        lies in the reference's box.
    """
    name = str(source.path or "the array given")
    if not np.isfinite(source.data).all():
        raise InputError(
            f"{name}: holds values that are NaN or infinite, which interpolation would spread. "
            "Write the map again with the program that made it."
        )
    turn, move = _checked_move(rotation, translation_angstrom)
    moved = rotation is not None or translation_angstrom is not None
    if where is None:
        where = "headers" if moved or not _by_centres(source, reference) else "centres"
    data, first_px = _cropped(source.data)
    matrix_px, offset_px = _positions(source, reference, turn, move, where)
    offset_px = offset_px - first_px
    whole = np.rint(offset_px)
    same_axes = np.array_equal(turn, np.eye(3))
    is_copy = (
        same_axes
        and matrix_px[0, 0] == 1.0
        and bool(np.all(np.abs(offset_px - whole) <= OFFSET_TOLERANCE_PX))
    )
    shape = reference.data.shape
    if is_copy:
        values = _copied(data, shape, whole.astype(np.int64))
    elif same_axes:
        step = float(matrix_px[0, 0])
        sizes = zip(data.shape, shape, offset_px, strict=True)
        weights = tuple(line_weights(n, new, float(at), step, order) for n, new, at in sizes)
        values = apply_weights(data, weights)  # pyright: ignore[reportArgumentType]
    else:
        # JAX is loaded for turned grids only.
        from locref_widgets.masks.resample_turned import resample_turned

        values = resample_turned(data, shape, matrix_px, offset_px, order)
    if source.data.any() and not values.any():
        raise InputError(_nothing_inside(source, reference, where))
    if mask:
        np.clip(values, 0.0, 1.0, out=values)
    kind = "copied voxel by voxel" if is_copy else f"resampled ({_KINDS[order]})"
    remark = _remark(source, reference, kind, where, moved=moved)
    return replace(
        source,
        data=values,
        voxel_size_angstrom=reference.voxel_size_angstrom,
        position=reference.position,
        remarks=(*source.remarks, remark),
    )


def _checked_move(
    rotation: Float[np.ndarray, "3 3"] | None, translation_angstrom: Float[np.ndarray, " 3"] | None
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    turn = np.eye(3) if rotation is None else np.asarray(rotation, np.float64)
    move = np.zeros(3)
    if translation_angstrom is not None:
        move = np.asarray(translation_angstrom, np.float64)
    error = np.abs(turn @ turn.T - np.eye(3)).max() if np.isfinite(turn).all() else np.inf
    if not error <= _ORTHOGONAL or np.linalg.det(turn) < 0:
        raise InputError(
            f"the rotation {np.round(turn, 4).tolist()} is none: its rows must be perpendicular "
            "and of length 1, and it must not mirror (determinant 1)."
        )
    if not np.isfinite(move).all():
        raise InputError(f"the translation {move.tolist()} is not finite: expected x, y, z in Å.")
    return turn, move


def _by_centres(source: Map, reference: Map) -> bool:
    """Whether the source's header says nothing that would tell where it lies in the reference."""
    if _states_place(source):
        return False
    if not _states_place(reference):
        return True
    edges = [np.array(m.size_xyz) * m.voxel_size_angstrom for m in (source, reference)]
    coarser = max(source.voxel_size_angstrom, reference.voxel_size_angstrom)
    return bool(np.all(np.abs(edges[0] - edges[1]) < 0.5 * coarser))


def _states_place(volume: Map) -> bool:
    voxel = volume.voxel_size_angstrom
    position = volume.position
    return not (
        position.is_unstated(voxel) or position.names_only_the_centre(volume.size_xyz, voxel)
    )


def _positions(
    source: Map,
    reference: Map,
    turn: Float[np.ndarray, "3 3"],
    move: Float[np.ndarray, " 3"],
    where: Where,
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, " 3"]]:
    """Position in the source of a voxel of the reference: matrix and offset, (z, y, x), voxels."""
    voxel = source.voxel_size_angstrom
    ratio = reference.voxel_size_angstrom / voxel
    if same_size(reference.voxel_size_angstrom, voxel):
        ratio = 1.0  # headers round cells
    if where == "headers":
        here, there = source.corner_angstrom, reference.corner_angstrom
    else:
        here = -(np.array(source.size_xyz) // 2) * voxel
        there = -(np.array(reference.size_xyz) // 2) * ratio * voxel
    matrix_xyz = turn.T * ratio
    offset_xyz = (turn.T @ (there - move) - here) / voxel
    return matrix_xyz[::-1, ::-1].copy(), offset_xyz[::-1].copy()


def _cropped(
    values: Float[np.ndarray, "z y x"],
) -> tuple[Float[np.ndarray, "z2 y2 x2"], Int[np.ndarray, " 3"]]:
    """Leave out what is zero around; also say where the rest begins. float32."""
    values = np.asarray(values, np.float32)
    used = values != 0
    where = [np.flatnonzero(used.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not len(where[0]):
        return values[:1, :1, :1], np.zeros(3, np.int64)
    first = np.array([w[0] for w in where])
    return values[tuple(slice(w[0], w[-1] + 1) for w in where)], first


def _copied(
    values: Float[np.ndarray, "z y x"], shape: tuple[int, ...], offset: Int[np.ndarray, " 3"]
) -> Float[np.ndarray, "newz newy newx"]:
    """Copy the common part; new voxel 0 is voxel ``offset`` of the source."""
    result = np.zeros(shape, np.float32)
    first = np.clip(-offset, 0, shape)
    last = np.clip(np.array(values.shape) - offset, 0, shape)
    if np.all(last > first):
        into = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        out_of = tuple(slice(a, b) for a, b in zip(first + offset, last + offset, strict=True))
        result[into] = values[out_of]
    return result


def _remark(source: Map, reference: Map, kind: str, where: Where, *, moved: bool) -> str:
    lies = {
        "headers": "where start and origin in the headers say it lies",
        "centres": "centre on centre, for its header says nothing of its place",
    }[where]
    coarser = reference.voxel_size_angstrom > source.voxel_size_angstrom and not same_size(
        reference.voxel_size_angstrom, source.voxel_size_angstrom
    )
    return (
        f"{source.path or 'the array given'} ({_grid(source)}) was {kind} on the grid of "
        f"{reference.path or 'the array given'} ({_grid(reference)}), {lies}"
        + (", after the move given" if moved else "")
        + (", averaged to the larger voxels" if coarser else "")
        + "."
    )


def _nothing_inside(source: Map, reference: Map, where: Where) -> str:
    corner = ", ".join(f"{value:.1f}" for value in source.corner_angstrom)
    other = ", ".join(f"{value:.1f}" for value in reference.corner_angstrom)
    advice = (
        "If a header is wrong, lay the boxes centre on centre instead, or mend the header."
        if where == "headers"
        else "Check the move that was given."
    )
    return (
        f"{source.path or 'the array given'}: nothing of it lies in the box of "
        f"{reference.path or 'the array given'}. By start and origin in the headers their first "
        f"voxels are at ({corner}) and ({other}) Å (x, y, z). {advice}"
    )


def _grid(volume: Map) -> str:
    sizes = volume.size_xyz
    box = str(sizes[0]) if len(set(sizes)) == 1 else " x ".join(map(str, sizes))
    return f"{box} voxels of {volume.voxel_size_angstrom:.4g} Å"
