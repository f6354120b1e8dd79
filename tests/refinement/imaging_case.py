"""What the adjoint tests of whole images and of the region share."""

import numpy as np

from locref_widgets.engine.ctf import make_ctf_parameters

N_IMAGES, PIXEL_SIZE_ANGSTROM = 6, 3.0
# Sums of some 10^4 float32 products, taken over |Av| |y|: rounding leaves 1e-6 at most, a wrong
# sign of a phase or a forgotten weight changes whole terms.
TOLERANCE = 1e-5


def make_optics(rng, n=N_IMAGES):
    return make_ctf_parameters(
        n,
        voltage_kv=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
        defocus_u_angstrom=rng.uniform(8000, 20000, n),
        defocus_v_angstrom=rng.uniform(8000, 20000, n),
        defocus_angle_deg=rng.uniform(0, 180, n),
        phase_shift_deg=rng.uniform(0, 90, n),
        bfactor_angstrom2=30.0,
        scale=rng.uniform(0.7, 1.3, n),
        beam_tilt_mrad=rng.uniform(-3, 3, (n, 2)),
        odd_zernike=rng.uniform(-50, 50, (n, 6)),
        magnification=np.eye(2) + rng.uniform(-0.05, 0.05, (n, 2, 2)),
    )


def random_complex(rng, shape):
    return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)


def inner(a, b):
    """Real inner product of complex or real arrays in float64."""
    a, b = np.asarray(a), np.asarray(b)
    return float(np.sum(a.real.astype(float) * b.real + a.imag.astype(float) * b.imag))
