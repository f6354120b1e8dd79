"""Optical parameters that the tests of the CTF share."""

import numpy as np

from locref_widgets.engine.ctf import CTFParameters, make_ctf_parameters

ODD = (1.0, 2.0, 3.0, 40.0, 50.0, 60.0)
EVEN = (0.2, 3.0, 4.0, 5.0, 30.0, -40.0, 50.0, 60.0, 70.0)
MAGNIFICATION = ((1.02, 0.01), (-0.005, 0.97))
PLAIN = {
    "voltage_kv": 300.0,
    "spherical_aberration_mm": 2.7,
    "amplitude_contrast": 0.1,
    "defocus_u_angstrom": 12000.0,
    "defocus_v_angstrom": 9000.0,
    "defocus_angle_deg": 33.0,
}
FULL = PLAIN | {
    "phase_shift_deg": 60.0,
    "bfactor_angstrom2": 40.0,
    "scale": 0.8,
    "beam_tilt_mrad": (0.7, -0.3),
    "odd_zernike": ODD,
    "even_zernike": EVEN,
    "magnification": MAGNIFICATION,
}


def one(**values: object) -> CTFParameters:
    return make_ctf_parameters(1, **values)[0]


def fft_frequencies(box_px: int, pixel_size_angstrom: float) -> np.ndarray:
    k = np.fft.fftfreq(box_px, pixel_size_angstrom)
    ky, kx = np.meshgrid(k, k, indexing="ij")
    return np.stack([kx, ky], axis=-1).reshape(-1, 2)
