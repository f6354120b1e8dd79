"""Particle images cut down to the refined region, without losing what they say about it.

An image is multiplied by the complex conjugate of its transfer function ``C`` and moved so that the
region lies at the centre; then a box about the region is cut out. The order matters: multiplication
by ``C*`` brings the signal that defocus had spread over the image back to where it belongs (its
remaining halo is that of ``|C|^2``), so that the product of a template, which is zero outside the
box, with the cut-out ``Z = crop(C* X)`` equals the one with the whole image. The power of a
template, ``sum |C|^2 |T|^2``, is summed over the coarser Fourier grid of the smaller box. With
fewer Fourier pixels everything that follows costs less in proportion.

Noise: a stationary noise of variance ``sigma^2(k)`` per coefficient of a box of ``N`` pixels has
``(m/N)^2 sigma^2(k)`` in a box of ``m``, while the coefficients of the region are the same in both.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from locref_widgets.engine.ctf import CTFParameters, evaluate_ctf
from locref_widgets.engine.grids import Disc, disc_to_image
from locref_widgets.engine.padding import pad_from_origin
from locref_widgets.engine.slicing import grid_shape, spectrum_rows

IMAGE_PADDING = 2


class TurnableSpectrum(eqx.Module):
    """A padded half spectrum of an image that can be looked up between its grid points.

    The image is divided by the envelope of bilinear interpolation first, as a volume is for slices.
    Grid ``[ky + radius + 1, kx]`` in cycles per padded box, one guard layer beyond ``radius``.
    """

    real: Float[Array, "*b y x"]
    imaginary: Float[Array, "*b y x"]


class RegionImages(eqx.Module):
    """A batch of particles as the search sees them, in a box about the region.

    Attributes
    ----------
    values
        ``Z`` on the disc of the region's box, phase origin at the box's centre.
    power
        ``|C|^2`` on the same pixels.
    coordinates
        ``M k`` of the same pixels: Fourier coordinates with anisotropic magnification applied.
    turnable
        The same images for the look-ups of the coarse levels.
    ctf
        Optical parameters, for ``|C|^2`` between the pixels.
    rotation
        The given rotation.
    lever_px
        Vector from the fulcrum to the region's centre in the image frame of the given pose.
    offset_px
        Where the box was centred, relative to where the given pose shows the region's centre.
    """

    values: Complex[Array, "*b p"]
    power: Float[Array, "*b p"]
    coordinates: Float[Array, "*b p 2"]
    turnable: TurnableSpectrum
    ctf: CTFParameters
    rotation: Float[Array, "*b 3 3"]
    lever_px: Float[Array, "*b 3"]
    offset_px: Float[Array, "*b 2"]


def fit_box(images: Float[Array, "*b y x"], box_px: int) -> Float[Array, "*b m m"]:
    """Cut images to a box about pixel ``N // 2``, or fill them up to it with zeros."""
    n = images.shape[-1]
    if box_px <= n:
        low = n // 2 - box_px // 2
        return images[..., low : low + box_px, low : low + box_px]
    low = box_px // 2 - n // 2
    margins = [(0, 0)] * (images.ndim - 2) + [(low, box_px - n - low)] * 2
    return jnp.pad(images, margins)


def make_turnable(images: Float[Array, "*b m m"], radius: int) -> TurnableSpectrum:
    """Prepare images for `look_up_turned`, up to ``radius`` in cycles per padded box."""
    m = images.shape[-1]
    padded = IMAGE_PADDING * m
    line = np.sinc((np.arange(m) - m // 2) / padded) ** 2
    flattened = images / (line[:, None] * line[None, :]).astype(np.float32)
    spectrum = jnp.fft.rfft2(pad_from_origin(flattened, padded, axes=(-2, -1)))[..., : radius + 2]
    spectrum = spectrum[..., spectrum_rows(radius, padded), :]
    return TurnableSpectrum(jnp.real(spectrum), jnp.imag(spectrum))


def look_up_turned(
    spectrum: TurnableSpectrum, points: Float[Array, "p 2"]
) -> tuple[Float[Array, " p"], Float[Array, " p"]]:
    """Coefficients of one image at points ``(kx, ky)`` in cycles per box, by bilinear look-up."""
    padded_points = IMAGE_PADDING * points
    sign = jnp.where(padded_points[:, 0] < 0, -1.0, 1.0).astype(points.dtype)
    folded = padded_points * sign[:, None]
    floor = jnp.floor(folded)
    index = floor.astype(jnp.int32)
    radius = spectrum.real.shape[-1] - 2
    _, _, nx = grid_shape(radius)
    base = (index[:, 1] + radius + 1) * nx + index[:, 0]
    fx, fy = folded[:, 0] - floor[:, 0], folded[:, 1] - floor[:, 1]

    def look_up(part: Float[Array, "y x"]) -> Float[Array, " p"]:
        flat = part.reshape(-1)

        def line(offset: int) -> Float[Array, " p"]:
            a = flat.at[base + offset].get(mode="clip")
            b = flat.at[base + offset + 1].get(mode="clip")
            return a + (b - a) * fx

        near = line(0)
        return near + (line(nx) - near) * fy

    return look_up(spectrum.real), look_up(spectrum.imaginary) * sign


def cut_out(
    premultiplied: Complex[Array, "b p"], image_disc: Disc, box_px: int
) -> Float[Array, "b m m"]:
    """Cut boxes out of images given by their coefficients ``C* X``.

    The phase origin of the coefficients must be where the boxes are to be centred.
    """
    return fit_box(disc_to_image(premultiplied, image_disc), box_px)


def ctf_power(
    ctf: CTFParameters, points: Float[Array, "p 2"], box_angstrom: Float[Array, ""]
) -> Float[Array, " p"]:
    """``|C|^2`` of one particle at image frequencies in cycles per box."""
    return evaluate_ctf(ctf, points / box_angstrom) ** 2


def unmagnified(ctf: CTFParameters, points: Float[Array, "p 2"]) -> Float[Array, "p 2"]:
    """Image frequencies ``M^-1 q`` at which a particle shows the object's frequencies ``q``."""
    a, b = ctf.magnification[0, 0], ctf.magnification[0, 1]
    c, d = ctf.magnification[1, 0], ctf.magnification[1, 1]
    determinant = a * d - b * c
    inverse = jnp.asarray([[d, -b], [-c, a]]) / determinant
    return points @ inverse.T


def noise_in_region_box(
    sigma2: Float[np.ndarray, " shells"], box_px: int, region_disc: Disc
) -> Float[np.ndarray, " region_shells"]:
    """Noise spectrum in the region's box from that of whole images (see the module)."""
    m = region_disc.box_px
    shells = np.arange(region_disc.radius_px + 1) * (box_px / m)
    values = np.interp(shells, np.arange(1, sigma2.size), sigma2[1:])
    return (m / box_px) ** 2 * values


def noise_in_whole_box(
    region_sigma2: Float[np.ndarray, " region_shells"], region_box_px: int, disc: Disc
) -> Float[np.ndarray, " shells"]:
    """Noise spectrum of whole images from that in the region's box."""
    n = disc.box_px
    shells = np.arange(disc.radius_px + 1) * (region_box_px / n)
    values = np.interp(shells, np.arange(1, region_sigma2.size), region_sigma2[1:])
    return (n / region_box_px) ** 2 * values
