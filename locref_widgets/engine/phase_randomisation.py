"""What a mask adds to an FSC curve, found by randomising phases and taken away again.

Chen et al. 2013, Ultramicroscopy 135, 24-35. Maps whose phases are random from a shell on have
nothing in common there; what their masked FSC still shows is the mask's doing.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int8, Real

from locref_widgets.engine.array_types import AnyArray, Scalar
from locref_widgets.engine.fsc_curve import fourier_shell_correlation
from locref_widgets.engine.on_device import on_device

RANDOMISE_BELOW_FSC = 0.8
"""Phases are randomised from where the unmasked FSC falls below this, as in RELION."""

DRAWS_TO_KEEP = 4
"""Draws of random phases whose mean is the randomised curve, where it is kept: half the scatter of
one."""

SHELLS_LEFT_OUT = 2
"""Shells from the first randomised one on that keep the masked FSC: through the mask's transform
the coefficients below still fill them (RELION leaves out the same two)."""

_NOTCH_AT_MOST = 6
_NOTCH_RANDOMISED = 0.5
"""The notch goes on, up to six shells in all, while the randomised FSC is above this: the
correction then more than doubles what is missing to 1, so it dips where the map has not ended."""


@jax.jit
def randomise_phases(
    volume: Float[AnyArray, "z y x"], from_shell: Scalar, noise: Real[AnyArray, "z y x"]
) -> Float[Array, "z y x"]:
    """Replace the phases of shell ``from_shell`` and beyond by those of real white noise."""
    box_px = volume.shape[-1]
    full = jnp.fft.fftfreq(box_px, 1.0 / box_px)
    half = jnp.fft.rfftfreq(box_px, 1.0 / box_px)
    squared = full[:, None, None] ** 2 + full[None, :, None] ** 2 + half[None, None, :] ** 2
    # Its transform has uniform phases that obey the Hermitian symmetry.
    random = jnp.fft.rfftn(noise.astype(volume.dtype))
    phase_factor = random / jnp.maximum(jnp.abs(random), jnp.finfo(volume.dtype).tiny)
    spectrum = jnp.fft.rfftn(volume)
    beyond = squared > (jnp.asarray(from_shell) - 0.5) ** 2
    return jnp.fft.irfftn(
        jnp.where(beyond, jnp.abs(spectrum) * phase_factor, spectrum), s=volume.shape
    )


def white_noise(shape: tuple[int, ...], rng: np.random.Generator) -> Int8[np.ndarray, "..."]:
    """Random signs: as white as normal noise, and many of them make each Fourier coefficient.

    Drawn on the host, for compiling a generator takes longer than all the draws of a run.
    """
    return 2 * rng.integers(0, 2, shape, np.int8) - np.int8(1)


def phase_randomised_fscs(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    masks: Mapping[str, Float[AnyArray, "z y x"]],
    from_shell: int,
    rng: np.random.Generator,
    *,
    as_stored: bool = False,
) -> dict[str, Float[Array, " shells"]]:
    """FSCs that the masks alone give: phases random from ``from_shell`` on, then masked.

    The two halves get independent phases (Chen et al. 2013), the same for all masks.
    """
    first, second = (
        randomise_phases(on_device(half_map), from_shell, white_noise(half_map.shape, rng))
        for half_map in (half1, half2)
    )
    return {
        name: fourier_shell_correlation(first, second, mask, as_stored=as_stored)
        for name, mask in masks.items()
    }


def randomisation_shell(
    unmasked: Float[np.ndarray, " shells"], threshold: float = RANDOMISE_BELOW_FSC
) -> int:
    """First shell, from 1 on, where the unmasked FSC is below ``threshold``.

    One past the last shell if there is none.
    """
    below = np.flatnonzero(~(np.asarray(unmasked)[1:] >= threshold))
    return int(below[0]) + 1 if len(below) else len(unmasked)


def corrected_fsc(
    masked: Float[np.ndarray, " shells"],
    randomised: Float[np.ndarray, " shells"],
    from_shell: int,
) -> Float[np.ndarray, " shells"]:
    """FSC without the part that the mask brought in (Chen et al. 2013).

    ``(FSC_t - FSC_n) / (1 - FSC_n)``, FSC_t masked, FSC_n masked and randomised; 0 where FSC_n
    exceeds FSC_t. Up to and with the first two shells from ``from_shell`` the masked FSC is kept,
    so the notch of the formula there cannot be taken for the resolution.
    """
    masked = np.asarray(masked)
    kept = np.arange(len(masked)) < from_shell + SHELLS_LEFT_OUT
    corrected = uncut_corrected_fsc(masked, np.asarray(randomised))
    return np.where(kept, masked, corrected).astype(masked.dtype)


def uncut_corrected_fsc(
    masked: Float[np.ndarray, " shells"], randomised: Float[np.ndarray, " shells"]
) -> Float[np.ndarray, " shells"]:
    """Apply the formula of ``corrected_fsc`` in every shell, the meaningless ones included."""
    room = 1.0 - randomised
    usable = (randomised <= masked) & (room > 0)
    return np.where(usable, (masked - randomised) / np.where(room > 0, room, 1.0), 0.0)


def notch_shells(randomised: Float[np.ndarray, " shells"], from_shell: int) -> tuple[int, int]:
    """Shells (first, one past the last) in which the corrected curve says nothing of the map."""
    end = min(from_shell + SHELLS_LEFT_OUT, len(randomised))
    last = min(from_shell + _NOTCH_AT_MOST, len(randomised))
    while end < last and randomised[end] > _NOTCH_RANDOMISED:
        end += 1
    return min(from_shell, len(randomised)), end
