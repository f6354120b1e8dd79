"""Fourier pixels as lists: the half disc of an image, ordered by shell.

The engine works on lists of Fourier pixels rather than on 2-D images. A list holds each
independent coefficient of a real image once (the half plane ``kx >= 0``), and it is ordered by
shell, so that "all pixels up to shell L" is a prefix of the list.
"""

from functools import lru_cache

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from locref_widgets.engine.array_types import AnyArray


class Disc(eqx.Module):
    """Fourier pixels of an image up to a radius, ordered by shell.

    Attributes
    ----------
    coordinates
        ``(kx, ky)`` of each pixel in Fourier pixels (cycles per box).
    shells
        ``round(|k|)`` of each pixel, non-decreasing.
    flat_indices
        Position of each pixel in the flattened ``rfft2`` of an image ``[y, x]``.
    weights
        1 for each independent complex coefficient, 1/2 for the origin, which is real.
    box_px
        Edge of the image in pixels.
    radius_px
        Largest shell in the list.
    """

    coordinates: Float[np.ndarray, "p 2"] = eqx.field(converter=np.asarray)
    shells: Int[np.ndarray, " p"] = eqx.field(converter=np.asarray)
    flat_indices: Int[np.ndarray, " p"] = eqx.field(converter=np.asarray)
    weights: Float[np.ndarray, " p"] = eqx.field(converter=np.asarray)
    box_px: int = eqx.field(static=True)
    radius_px: int = eqx.field(static=True)


@lru_cache(maxsize=64)
def make_disc(box_px: int, radius_px: int | None = None) -> Disc:
    """Half disc of Fourier pixels of a ``box_px`` image up to shell ``radius_px``.

    Parameters
    ----------
    box_px
        Edge of the image in pixels.
    radius_px
        Largest shell, at most ``box_px // 2 - 1`` (the default): the Nyquist ring is left out, for
        its coefficients are their own mirror images in an even box.

    Raises
    ------
    ValueError
        If the radius lies outside ``1 .. box_px // 2 - 1``.
    """
    largest = box_px // 2 - 1
    radius = largest if radius_px is None else int(radius_px)
    if not 1 <= radius <= largest:
        raise ValueError(
            f"a disc of radius {radius} does not fit a box of {box_px} px (1 to {largest})"
        )
    kx = np.arange(box_px // 2 + 1)
    ky = np.rint(np.fft.fftfreq(box_px) * box_px).astype(int)
    grid_y, grid_x = np.meshgrid(ky, kx, indexing="ij")
    shells = np.rint(np.hypot(grid_x, grid_y)).astype(np.int32)
    # On the line kx = 0 both k and -k are in the half plane: keep one of them.
    keep = (shells <= radius) & ~((grid_x == 0) & (grid_y < 0))
    flat = np.flatnonzero(keep.ravel())
    order = np.argsort(shells.ravel()[flat], kind="stable")
    flat = flat[order]
    coordinates = np.stack([grid_x.ravel()[flat], grid_y.ravel()[flat]], axis=-1)
    weights = np.ones(flat.size, np.float32)
    weights[0] = 0.5
    return Disc(
        coordinates=coordinates.astype(np.float32),
        shells=shells.ravel()[flat],
        flat_indices=flat.astype(np.int32),
        weights=weights,
        box_px=box_px,
        radius_px=radius,
    )


def pixels_within(disc: Disc, radius_px: int) -> int:
    """Number of pixels of ``disc`` in shells up to ``radius_px``: the length of that prefix."""
    return int(np.searchsorted(disc.shells, radius_px, side="right"))


def image_to_disc(images: Float[Array, "*batch y x"], disc: Disc) -> Complex[Array, "*batch p"]:
    """Fourier coefficients of images on a disc, with the phase origin at pixel ``N // 2``.

    The transform is the plain sum ``sum_x f(x) exp(-2 pi i k (x - N//2) / N)``, so that the
    coefficients of a projection equal those of the volume on the central slice.
    """
    spectrum = jnp.fft.rfft2(jnp.fft.ifftshift(images, axes=(-2, -1)))
    flat = spectrum.reshape(*images.shape[:-2], -1)
    return flat[..., disc.flat_indices]


def disc_to_image(
    coefficients: Complex[Array, "*batch p"], disc: Disc
) -> Float[Array, "*batch y x"]:
    """Real images whose Fourier coefficients are given on a disc and zero elsewhere.

    Inverse of `image_to_disc` for images without coefficients outside the disc.
    """
    n = disc.box_px
    batch = coefficients.shape[:-1]
    half = n // 2 + 1
    flat = jnp.zeros((*batch, n * half), coefficients.dtype)
    flat = flat.at[..., disc.flat_indices].set(coefficients)
    # irfft2 ignores the half of the line kx = 0 that the list leaves out only if it is filled in.
    ky, kx = np.divmod(disc.flat_indices, half)
    on_axis = np.flatnonzero((kx == 0) & (ky > 0))
    mirrored = ((n - ky[on_axis]) % n) * half
    flat = flat.at[..., mirrored].set(jnp.conj(coefficients[..., on_axis]))
    spectrum = flat.reshape(*batch, n, half)
    return jnp.fft.fftshift(jnp.fft.irfft2(spectrum, s=(n, n)), axes=(-2, -1))


def shell_sums(values: Float[Array, "*batch p"], disc: Disc) -> Float[Array, "*batch shells"]:
    """Sum of a list of values over each shell ``0 .. radius_px`` of the disc.

    Programs must make the disc themselves: its tables are wanted as numbers.

    The list is ordered by shell, so the sums are differences of a cumulative sum: no contended
    scatter, and the same order of summation on every device. The cumulative sum is taken on values
    centred by their mean, which keeps its rounding error at that of one shell.
    """
    edges = _shell_edges(disc)
    centre = jnp.mean(values, axis=-1, keepdims=True)
    sums = jnp.cumsum(values - centre, axis=-1)
    sums = jnp.concatenate([jnp.zeros_like(sums[..., :1]), sums], axis=-1)
    return sums[..., edges[1:]] - sums[..., edges[:-1]] + centre * np.diff(edges)


def shell_means(
    values: Float[AnyArray, "*batch p"], disc: Disc
) -> Float[np.ndarray, "*batch shells"]:
    """Mean of a list of values over each shell ``0 .. radius_px`` of the disc, on the host."""
    edges = _shell_edges(disc)
    sums = np.add.reduceat(np.asarray(values), edges[:-1], axis=-1, dtype=np.float64)
    return sums / np.diff(edges)


def _shell_edges(disc: Disc) -> Int[np.ndarray, " more_shells"]:
    """Where each shell begins in the list, and where the last one ends."""
    return np.searchsorted(disc.shells, np.arange(disc.radius_px + 2))


def convenient_box(least_px: float) -> int:
    """The smallest even box of at least so many pixels whose transforms are fast.

    Its edge has no prime factor beyond 5; the smallest is 16.
    """
    box = max(16, 2 * int(np.ceil(least_px / 2)))
    while True:
        rest = box
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return box
        box += 2
