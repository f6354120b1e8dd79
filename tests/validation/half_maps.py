"""Half-maps of a textured ball whose resolution inside it is known."""

import numpy as np

from locref_widgets.io.mrc import Map

BOX, VOXEL = 64, 2.5
_ORDER = 8
_CUTOFF_ANGSTROM = 9.0


def _distance_angstrom() -> np.ndarray:
    axis = (np.arange(BOX) - BOX // 2) * VOXEL
    return np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)


def ball(radius_angstrom: float) -> np.ndarray:
    return _distance_angstrom() <= radius_angstrom


def make_halves(seed: int = 7) -> tuple[Map, Map]:
    """Texture in a soft ball of 30 Å, amplitudes 1/(1 + (9 Å/d)^8), white noise of 0.4.

    FSC 0.143 is where the squared amplitude is 0.167 times the variance of the noise: 0.163 of the
    amplitude at low frequency, which is (1/0.163 - 1)^(1/8) = 1.23 times the frequency of 9 Å,
    7.3 Å; the ball's soft edge, where the texture is weaker, makes it 7.8 Å.
    """
    rng = np.random.default_rng(seed)
    k = np.fft.fftfreq(BOX, VOXEL)
    s = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    texture = np.fft.fftn(rng.normal(size=(BOX,) * 3)) / (1 + (s * _CUTOFF_ANGSTROM) ** _ORDER)
    texture = np.fft.ifftn(texture).real
    envelope = 0.5 - 0.5 * np.tanh((_distance_angstrom() - 30.0) / 5.0)
    signal = envelope * (1.0 + texture)
    first, second = (
        Map((signal + 0.4 * rng.normal(size=signal.shape)).astype(np.float32), VOXEL)
        for _ in range(2)
    )
    return first, second
