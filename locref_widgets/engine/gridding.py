"""Weights for unevenly sampled Fourier space, and transforms of padded half spectra.

Dividing the sums ``F`` by the weights ``W`` point by point treats neighbouring grid points as if
they were independent. The method of Pipe & Menon (1999, Magn. Reson. Med. 41:179), which RELION
uses (Scheres 2012, J. Struct. Biol. 180:519), instead looks for weights ``w`` such that ``w W``,
convolved with a kernel as wide as the particle's support allows, is flat:
``w <- w / |kernel * (w W)|``.

The kernel is a Kaiser-Bessel blob of order 0 (Lewitt 1990, J. Opt. Soc. Am. A 7:1834). It is
applied in real space, as a product with its transform.

Grid points within the kernel tell nearly the same of so small a particle, so what counts is the
weight of all of them. Here the search starts from one over the mean weight of each shell, not from
1, so that the first iteration divides by just that, whatever the CTF and the number of slices
do from shell to shell. The further ones make the density flatter at every single point, which gives
points that hardly any slice has reached, and their noise, the same say as the others.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, Int, Shaped

from locref_widgets.engine.padding import cut_about_origin
from locref_widgets.engine.slicing import spectrum_rows

USUAL_ITERATIONS = 1
"""Measured on 2,000 particles of the 30S head: FSC 0.5 to the true map at 5.17 Å without any, 5.13
after one and 5.15 after ten, which RELION takes; of the halves at 6.06, 5.97 and 6.02 Å."""
_BLOB_RADIUS = 1.9
"""Radius of the blob in Fourier pixels of a box that the particle fills."""
_BLOB_ALPHA = 15.0


def _full(spectrum: Shaped[Array, "z y x"], padded_px: int) -> Shaped[Array, "p p h"]:
    """A half spectrum on the grid of `Projector`, in the layout of a transform."""
    radius = spectrum.shape[2] - 2
    rows = spectrum_rows(radius, padded_px)
    full = jnp.zeros((padded_px, padded_px, padded_px // 2 + 1), spectrum.dtype)
    return full.at[rows[:, None], rows[None, :], : radius + 2].set(spectrum)


def spectrum_to_volume(
    spectrum: Complex[Array, "z y x"], padded_px: int, box_px: int
) -> Float[Array, "n n n"]:
    """Transform a half spectrum on the grid of `Projector`; the middle of that padded box."""
    padded = jnp.fft.irfftn(_full(spectrum, padded_px), s=(padded_px,) * 3)
    return cut_about_origin(padded, box_px)


def blob_transform(padded_px: int, support_px: int) -> Float[np.ndarray, " r2"]:
    """Transform of the blob by the square of the distance from the centre, 1 at the centre.

    The squares are ``0, 1, 2, ...`` voxels^2: all there are in the padded box, so that nothing is
    left to interpolate.

    ``support_px`` is the edge of the box that the particle fills: the blob is as much wider as that
    is smaller.

    For order 0 in three dimensions it is ``(s cosh s - sinh s) / s^3`` up to a factor, with
    ``s^2 = alpha^2 - (2 pi a r / padded)^2`` and ``a`` the radius in padded Fourier pixels.
    """
    distance2 = np.arange(3 * (padded_px // 2) ** 2 + 1)
    radius = _BLOB_RADIUS * padded_px / support_px
    s2 = _BLOB_ALPHA**2 - (2 * np.pi * radius / padded_px) ** 2 * distance2
    s = np.sqrt(np.abs(s2))
    real = (s * np.cosh(s) - np.sinh(s)) / s**3
    oscillating = (np.sin(s) - s * np.cos(s)) / s**3
    at_centre = (_BLOB_ALPHA * np.cosh(_BLOB_ALPHA) - np.sinh(_BLOB_ALPHA)) / _BLOB_ALPHA**3
    return (np.where(s2 > 0, real, oscillating) / at_centre).astype(np.float32)


def gridding_weights(
    density: Float[Array, "z y x"],
    mean: Float[Array, "z y x"],
    blob: Float[Array, " r2"],
    padded_px: int,
    iterations: int,
) -> Float[Array, "z y x"]:
    """Weights that make the weighted sampling density flat under the blob.

    Parameters
    ----------
    density
        ``W`` plus the prior on the grid of `Accumulator`; 0 where there is nothing.
    mean
        Its mean over the shell of each grid point.
    blob
        See `blob_transform`; not made here, so that one program serves boxes filled more or less.
    padded_px
        Edge of the padded box.
    iterations
        Each costs two transforms of the padded box.

    Returns
    -------
    What to multiply ``F`` by.
    """
    radius = density.shape[2] - 2
    # Distances from voxel 0, where transforms have their origin: nothing needs to be shifted.
    line = jnp.minimum(jnp.arange(padded_px), padded_px - jnp.arange(padded_px)) ** 2
    envelope = blob[line[:, None, None] + line[None, :, None] + line[None, None, :]]
    share = jnp.where(density > 0, density / jnp.maximum(mean, 1e-30), 0.0)
    full = _full(share, padded_px)

    def refine(_: Int[Array, ""], weight: Float[Array, "p p h"]) -> Float[Array, "p p h"]:
        product = (weight * full).astype(jnp.complex64)
        smooth = jnp.fft.rfftn(jnp.fft.irfftn(product, s=(padded_px,) * 3) * envelope)
        return weight / jnp.maximum(jnp.abs(smooth), 1e-6)

    start = jnp.where(full > 0, 1.0, 0.0)
    weight = jax.lax.fori_loop(0, iterations, refine, start)
    rows = spectrum_rows(radius, padded_px)
    return weight[rows[:, None], rows[None, :], : radius + 2] / jnp.maximum(mean, 1e-30)
