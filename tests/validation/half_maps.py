"""Half-maps of a textured ball whose resolution inside it is known."""

import numpy as np

from locref_widgets.engine.fsc_curve import FSCCurve, make_curve
from locref_widgets.io.mrc import Map

BOX, VOXEL, NOISE = 64, 2.5, 0.4
_ORDER = 8
_CUTOFF_ANGSTROM = 9.0


def _distance_angstrom() -> np.ndarray:
    axis = (np.arange(BOX) - BOX // 2) * VOXEL
    return np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)


def ball(radius_angstrom: float) -> np.ndarray:
    return _distance_angstrom() <= radius_angstrom


def make_halves(seed: int = 7) -> tuple[Map, Map]:
    """Texture in a soft ball of 30 Å, amplitudes 1/(1 + (9 Å/d)^8), and white noise."""
    rng = np.random.default_rng(seed)
    signal = _signal(rng)
    first, second = (
        Map((signal + NOISE * rng.normal(size=signal.shape)).astype(np.float32), VOXEL)
        for _ in range(2)
    )
    return first, second


def expected_fsc(mask: np.ndarray, seed: int = 7) -> FSCCurve:
    """Share of the signal, which is known, in the power that each shell has inside a mask."""
    shell = np.rint(np.sqrt(sum(k**2 for k in np.meshgrid(*[np.fft.fftfreq(BOX, 1 / BOX)] * 3))))
    power = np.abs(np.fft.fftn(_signal(np.random.default_rng(seed)) * mask)) ** 2
    of_shell = np.bincount(shell.astype(int).ravel(), power.ravel())[: BOX // 2 + 1]
    of_shell /= np.bincount(shell.astype(int).ravel())[: BOX // 2 + 1]
    # White noise times a mask has the same expected power everywhere.
    noise = NOISE**2 * np.sum(mask.astype(float) ** 2)
    return make_curve(of_shell / (of_shell + noise), BOX, VOXEL)


def _signal(rng: np.random.Generator) -> np.ndarray:
    k = np.fft.fftfreq(BOX, VOXEL)
    s = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    texture = np.fft.fftn(rng.normal(size=(BOX,) * 3)) / (1 + (s * _CUTOFF_ANGSTROM) ** _ORDER)
    texture = np.fft.ifftn(texture).real
    envelope = 0.5 - 0.5 * np.tanh((_distance_angstrom() - 30.0) / 5.0)
    return envelope * (1.0 + texture)
