"""Central slices of a volume's Fourier transform, and the exact adjoint of taking them.

The volume is padded in real space, divided by the transfer function of the interpolation (a
sinc squared for trilinear interpolation) and transformed once; a slice is then a trilinear look-up
at the points ``R^T (kx, ky, 0)``. Only the half ``qx >= 0`` is kept: a point with ``qx < 0`` is
looked up at ``-q`` and conjugated. Real and imaginary parts lie side by side as floats: gathers of
single floats vectorise on CPUs and gathers of complex numbers do not (measured: a factor 2), and
one short gather brings both parts of two neighbours where the gradient is wanted too.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from locref_widgets.engine.grids import Disc
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.padding import pad_from_origin

_GROUP = 16
"""Slices looked up together by `slice_many`."""
IMAGES_TOGETHER = 4
"""Images whose slices a loop had better look up together: in programs for one thread XLA's CPU
compiler then merges all look-ups in one pass, which it does not for a single row of points
(measured: 7 ns a sample instead of 40)."""


class Projector(eqx.Module):
    """A volume's padded half spectrum, ready to be sliced.

    Attributes
    ----------
    parts
        Real and imaginary part of the spectrum on the grid
        ``[qz + radius + 1, qy + radius + 1, qx]``, with one guard layer beyond ``radius`` for the
        neighbours of the last points.
    padded_px
        Edge of the padded volume in voxels: ``q`` counts cycles per ``padded_px`` voxels.
    radius
        Largest ``|q|`` that may be asked for; beyond it slices are zero.
    """

    parts: Float[Array, "z y x 2"]
    padded_px: int = eqx.field(static=True)
    radius: int = eqx.field(static=True)


class Accumulator(eqx.Module):
    """Sums of inserted slices: real part, imaginary part and weight of each grid point.

    The grid is that of `Projector`. The three numbers of a grid point lie side by side, so that one
    scatter serves all of them.
    """

    sums: Float[Array, "z y x 3"]
    padded_px: int = eqx.field(static=True)
    radius: int = eqx.field(static=True)


def grid_shape(radius: int) -> tuple[int, int, int]:
    """Shape ``(z, y, x)`` of a half spectrum up to ``radius`` with its guard layer."""
    return 2 * radius + 3, 2 * radius + 3, radius + 2


def spectrum_rows(radius: int, padded_px: int) -> Int[np.ndarray, " r"]:
    """Where rows ``-(radius + 1) .. radius + 1`` of a half spectrum lie in that of a transform."""
    return np.arange(-(radius + 1), radius + 2) % padded_px


def slice_radius(disc_radius_px: int, box_px: int, padded_px: int) -> int:
    """The radius a projector needs for a disc: in cycles per ``padded_px`` voxels, rounded up.

    The outermost pixels of shell ``L`` lie up to half a pixel beyond ``L``.
    """
    return int(np.ceil((disc_radius_px + 0.5) * padded_px / box_px))


def undo_interpolation(volume: Float[Array, "n n n"], padded_px: int) -> Float[Array, "n n n"]:
    """Divide by what trilinear interpolation does in real space: ``sinc^2`` along each axis."""
    box_px = volume.shape[-1]
    x = (np.arange(box_px) - box_px // 2) / padded_px
    # Axis by axis: a whole volume of constants would be part of the compiled program.
    line = (1.0 / np.sinc(x) ** 2).astype(np.float32)
    return volume * line[:, None, None] * line[None, :, None] * line[None, None, :]


@eqx.filter_jit
def make_projector(volume: Float[Array, "n n n"], radius: int, padding: int = 2) -> Projector:
    """Prepare a volume for slicing.

    Parameters
    ----------
    volume
        Real volume ``[z, y, x]``, centre at voxel ``n // 2``.
    radius
        Largest ``|q|`` needed, in cycles per padded box (see `slice_radius`); at most half of it
        less one.
    padding
        Edge of the padded box over that of the volume. Trilinear interpolation needs 2: the error
        of a slice is then about 1 % of its power for an object that fills half the box, and less
        for a compact one.
    """
    n = volume.shape[0]
    padded = n * padding
    if radius > padded // 2 - 1:
        raise ValueError(f"radius {radius} is beyond the padded box of {padded} voxels")
    spectrum = jnp.fft.rfftn(pad_from_origin(undo_interpolation(volume, padded), padded))
    spectrum = spectrum[:, :, : radius + 2]
    rows = spectrum_rows(radius, padded)
    spectrum = spectrum[rows][:, rows]
    parts = jnp.stack([jnp.real(spectrum), jnp.imag(spectrum)], axis=-1)
    return Projector(parts, padded, radius)


def slice_points(
    rotation: Float[Array, "3 3"],
    coordinates: Float[Array, "p 2"],
    padded_px: int,
    box_px: int,
) -> Float[Array, "p 3"]:
    """Points ``R^T (kx, ky, 0)`` of a central slice, in cycles per padded box.

    ``coordinates`` are in cycles per image box of ``box_px`` pixels.
    """
    scale = padded_px / box_px
    return scale * (coordinates[:, :1] * rotation[0] + coordinates[:, 1:] * rotation[1])


def _corner(
    points: Float[Array, "p 3"], radius: int
) -> tuple[Int[Array, "p 3"], Float[Array, "p 3"], Float[Array, " p"], Float[Array, " p"]]:
    """Grid indices of lower corners (x, y, z), offsets from there, signs of qx, inside-ness."""
    sign = jnp.where(points[:, 0] < 0, -1.0, 1.0).astype(points.dtype)
    inside = (jnp.sum(points**2, axis=-1) <= radius**2).astype(points.dtype)
    # Points outside are moved to the origin so that every look-up stays in the array.
    folded = points * (sign * inside)[:, None]
    floor = jnp.floor(folded)
    index = floor.astype(jnp.int32) + jnp.asarray([0, radius + 1, radius + 1], jnp.int32)
    return index, folded - floor, sign, inside


def _flat(corner: Int[Array, "p 3"], radius: int) -> Int[Array, " p"]:
    """Place of grid points in the flattened grid."""
    _, ny, nx = grid_shape(radius)
    return (corner[:, 2] * ny + corner[:, 1]) * nx + corner[:, 0]


def interpolate(
    projector: Projector, points: Float[Array, "p 3"]
) -> tuple[Float[Array, " p"], Float[Array, " p"]]:
    """Real and imaginary part of the spectrum at points ``q = (qx, qy, qz)``; zero outside."""
    corner, fraction, sign, inside = _corner(points, projector.radius)
    base = _flat(corner, projector.radius)
    _, ny, nx = grid_shape(projector.radius)
    fx, fy, fz = fraction[:, 0], fraction[:, 1], fraction[:, 2]
    flat = projector.parts.reshape(-1)

    def look_up(part: int) -> Float[Array, " p"]:
        def line(offset: int) -> Float[Array, " p"]:
            start = 2 * (base + offset) + part
            a = flat.at[start].get(mode="promise_in_bounds")
            b = flat.at[start + 2].get(mode="promise_in_bounds")
            return a + (b - a) * fx

        near, far = line(0), line(ny * nx)
        near = near + (line(nx) - near) * fy
        far = far + (line(ny * nx + nx) - far) * fy
        return near + (far - near) * fz

    return look_up(0) * inside, look_up(1) * (sign * inside)


_CORNERS = jax.lax.GatherDimensionNumbers(
    offset_dims=(1, 2, 3, 4), collapsed_slice_dims=(), start_index_map=(0, 1, 2)
)


def interpolate_with_gradient(
    projector: Projector, points: Float[Array, "p 3"]
) -> tuple[Float[Array, "2 p"], Float[Array, "2 3 p"]]:
    """The spectrum at points and its gradient in ``q``: real part, then imaginary part.

    The gradient is that of the trilinear interpolant: constant along an axis within a cell.
    """
    corner, fraction, sign, inside = _corner(points, projector.radius)
    fx, fy, fz = fraction[:, 0], fraction[:, 1], fraction[:, 2]
    # All eight corners and both parts in one gather: it stands alone in the compiled program, where
    # single ones are repeated for each of their uses (measured: three times slower).
    corners = jax.lax.gather(
        projector.parts, corner[:, ::-1], _CORNERS, (2, 2, 2, 2), mode="promise_in_bounds"
    )
    values, gradients = [], []
    for part in (0, 1):
        low, high = corners[:, :, :, 0, part], corners[:, :, :, 1, part]
        along_x = high - low
        line = low + along_x * fx[:, None, None]
        along_y = line[:, :, 1] - line[:, :, 0]
        plane = line[:, :, 0] + along_y * fy[:, None]
        along_z = plane[:, 1] - plane[:, 0]
        slope_x = along_x[:, :, 0] + (along_x[:, :, 1] - along_x[:, :, 0]) * fy[:, None]
        values.append(plane[:, 0] + along_z * fz)
        gradients.append(
            jnp.stack(
                [
                    slope_x[:, 0] + (slope_x[:, 1] - slope_x[:, 0]) * fz,
                    along_y[:, 0] + (along_y[:, 1] - along_y[:, 0]) * fz,
                    along_z,
                ]
            )
        )
    # Folding q to -q flips the sign of the gradient, conjugation that of the imaginary part.
    value = jnp.stack([values[0], values[1] * sign]) * inside
    gradient = jnp.stack([gradients[0] * sign, gradients[1]]) * inside
    return value, gradient


def slice_volume(
    projector: Projector, rotation: Float[Array, "3 3"], disc: Disc
) -> Complex[Array, " p"]:
    """Fourier coefficients, on a disc, of the projection of a volume.

    Parameters
    ----------
    projector
        See `make_projector`.
    rotation
        Map point -> image frame; the projection runs along its third row.
    disc
        The pixels wanted. Its box must have the voxel size of the volume; the edges may differ.

    Returns
    -------
    Coefficients in the normalisation of `locref_widgets.engine.grids.image_to_disc`.
    """
    points = slice_points(rotation, jnp.asarray(disc.coordinates), projector.padded_px, disc.box_px)
    return jax.lax.complex(*interpolate(projector, points))


def slice_many(
    projector: Projector,
    rotations: Float[Array, "n 3 3"],
    coordinates: Float[Array, "p 2"],
    box_px: int,
) -> tuple[Float[Array, "n p"], Float[Array, "n p"]]:
    """Real and imaginary parts of many slices at the same Fourier coordinates.

    The look-ups run in a loop over small groups of slices and hand on one complex array. Both keep
    XLA's CPU compiler from merging them with what is done to the result, or with each other, by
    computing each of the sixteen gathers in a pass of its own (measured: five times slower).
    """
    n = rotations.shape[0]
    size = min(_GROUP, n)
    groups = -(-n // size)
    missing = jnp.broadcast_to(rotations[:1], (groups * size - n, 3, 3))
    filled = jnp.concatenate([rotations, missing])

    def one(rotation: Float[Array, "3 3"]) -> Complex[Array, " p"]:
        points = slice_points(rotation, coordinates, projector.padded_px, box_px)
        return jax.lax.complex(*interpolate(projector, points))

    slices = jax.lax.map(jax.vmap(one), filled.reshape(groups, size, 3, 3))
    slices = slices.reshape(-1, coordinates.shape[0])[:n]
    return jnp.real(slices), jnp.imag(slices)


def empty_accumulator(padded_px: int, radius: int) -> Accumulator:
    """An accumulator of zeros (float32)."""
    return Accumulator(on_device(np.zeros((*grid_shape(radius), 3), np.float32)), padded_px, radius)


def complete_plane(sums: Float[Array, "z y x 3"]) -> Float[Array, "z y x 3"]:
    """Give the plane qx = 0 of an accumulator's sums the part that fell on its mirror image."""
    mirrored = sums[::-1, ::-1, 0] * jnp.asarray([1.0, -1.0, 1.0], sums.dtype)
    # As a sum, which becomes a part of what follows, instead of a copy with another plane.
    on_plane = jnp.arange(sums.shape[2]) == 0
    return sums + jnp.where(on_plane[:, None], mirrored[:, :, None], 0.0)


def interpolate_sums(
    sums: Float[Array, "z y x 3"], points: Float[Array, "p 3"], radius: int
) -> Float[Array, "p 3"]:
    """Real part, imaginary part and weight at points of completed sums; zero outside."""
    corner, fraction, sign, inside = _corner(points, radius)
    values = jax.lax.gather(sums, corner[:, ::-1], _CORNERS, (2, 2, 2, 3), mode="promise_in_bounds")
    for axis in range(3):
        share = fraction[:, axis].reshape((-1, *[1] * (values.ndim - 2)))
        low, high = values[..., 0, :], values[..., 1, :]
        values = low + (high - low) * share
    signs = jnp.stack([jnp.ones_like(sign), sign, jnp.ones_like(sign)], axis=-1)
    return values * signs * inside[:, None]


def insert_points(
    accumulator: Accumulator,
    points: Float[Array, "p 3"],
    real: Float[Array, " p"],
    imaginary: Float[Array, " p"],
    weights: Float[Array, " p"],
) -> Accumulator:
    """Add values and weights at points: the exact adjoint of `interpolate` in each channel."""
    radius = accumulator.radius
    corner, fraction, sign, inside = _corner(points, radius)
    base = _flat(corner, radius)
    _, ny, nx = grid_shape(radius)
    values = jnp.stack([real, imaginary * sign, weights], axis=-1) * inside[:, None]
    offsets, shares = [], []
    for dz in (0, 1):
        for dy in (0, 1):
            for dx in (0, 1):
                offsets.append((dz * ny + dy) * nx + dx)
                share = jnp.ones_like(base, dtype=values.dtype)
                for axis, step in enumerate((dx, dy, dz)):
                    share = share * (fraction[:, axis] if step else 1.0 - fraction[:, axis])
                shares.append(share)
    index = base[:, None] + jnp.asarray(offsets, jnp.int32)
    spread = jnp.stack(shares, axis=-1)[:, :, None] * values[:, None, :]
    flat = accumulator.sums.reshape(-1, 3)
    flat = flat.at[index.reshape(-1)].add(spread.reshape(-1, 3), mode="promise_in_bounds")
    sums = flat.reshape(accumulator.sums.shape)
    return Accumulator(sums, accumulator.padded_px, radius)
