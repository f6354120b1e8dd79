"""Windows about another centre: where a point is seen, the way back, and the sign of defocus."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.ctf import evaluate_ctf, wavelength_angstrom
from locref_widgets.engine.new_frame import cut_windows, origins_before, place_windows
from tests.ctf_cases import PLAIN, one

N = 7


@pytest.fixture
def poses(rng):
    rotations = Rotation.random(N, random_state=rng).as_matrix()
    return rotations, rng.uniform(-6, 6, (N, 2)), np.eye(2) + rng.uniform(-0.1, 0.1, (N, 2, 2))


def seen_px(rotation, magnification, origin, point):
    """Where a point of the map is seen, from the phase of its slices at ``M k``."""
    k = np.eye(2)
    return (k @ magnification.T) @ (rotation @ point)[:2] - k @ origin


def test_every_point_is_seen_in_the_window_where_it_was_in_the_image(poses, rng):
    rotations, origins, magnifications = poses
    centre = np.array([11.0, -7.0, 4.0])
    windows = place_windows(rotations, origins, magnifications, centre)
    assert np.abs(windows.origins_px).max() <= 0.5
    for i in range(N):
        point = rng.uniform(-20, 20, 3)
        before = seen_px(rotations[i], magnifications[i], origins[i], point)
        after = seen_px(rotations[i], magnifications[i], windows.origins_px[i], point - centre)
        np.testing.assert_allclose(after + windows.shifts_px[i], before, atol=1e-12)
        assert windows.heights_px[i] == pytest.approx(rotations[i, 2] @ centre)


def test_the_way_back_follows_a_turn_about_the_new_centre(poses, rng):
    rotations, origins, magnifications = poses
    centre = np.array([11.0, -7.0, 4.0])
    windows = place_windows(rotations, origins, magnifications, centre)
    centres = np.tile(centre, (N, 1))
    back = origins_before(
        rotations, windows.origins_px, magnifications, windows.shifts_px.astype(float), centres
    )
    np.testing.assert_allclose(back, origins, atol=1e-12)
    # A refinement of the windows turns and moves the particles.
    turned = Rotation.random(N, random_state=rng).as_matrix()
    moved = windows.origins_px + rng.uniform(-2, 2, (N, 2))
    back = origins_before(turned, moved, magnifications, windows.shifts_px.astype(float), centres)
    for i in range(N):
        point = rng.uniform(-20, 20, 3)
        inside = seen_px(turned[i], magnifications[i], moved[i], point - centre)
        whole = seen_px(turned[i], magnifications[i], back[i], point)
        np.testing.assert_allclose(inside + windows.shifts_px[i], whole, atol=1e-12)


@pytest.mark.parametrize(("box_px", "new_px"), [(16, 8), (17, 8), (16, 16), (17, 17)])
def test_windows_are_cut_where_they_are_centred(box_px, new_px, rng):
    images = rng.normal(size=(4, box_px, box_px)).astype(np.float32)
    shifts = np.array([[0, 0], [3, -2], [-7, 5], [box_px, 0]])
    cut = cut_windows(images, shifts, new_px)
    assert cut.shape == (4, new_px, new_px)
    middle, new_middle = box_px // 2, new_px // 2
    for image, window, (x, y) in zip(images, cut, shifts, strict=True):
        rolled = np.roll(image, (-y, -x), axis=(0, 1))
        assert window[new_middle, new_middle] == rolled[middle, middle]
        low = middle - new_middle
        np.testing.assert_array_equal(window, rolled[low : low + new_px, low : low + new_px])


@pytest.mark.parametrize("height_angstrom", [-900.0, 1500.0])
def test_a_scatterer_nearer_to_the_source_has_less_underfocus(height_angstrom):
    """By wave optics: a weak scatterer above the plane to which the defocus refers.

    The lens shows the wave in the plane in focus, which lies in underfocus above the specimen, on
    the source's side. Free space takes the scattered wave there, against the beam, by the angular
    spectrum method (small angles: Goodman, Introduction to Fourier Optics, section 4.2).
    """
    n, pixel, defocus = 256, 2.0, 12000.0
    optics = PLAIN | {"spherical_aberration_mm": 0.0, "amplitude_contrast": 0.0}
    x = (np.arange(n) - n // 2) * pixel
    potential = 1e-4 * np.exp(-(x[:, None] ** 2 + x**2) / (2 * 6.0**2))
    k = np.fft.fftfreq(n, pixel)
    squared = k[:, None] ** 2 + k**2
    wavelength = float(wavelength_angstrom(np.array(300.0)))
    # From the scatterer's plane up to the plane in focus: against the beam.
    along_beam = -(defocus - height_angstrom)
    spread = np.exp(-1j * np.pi * wavelength * along_beam * squared)
    spectrum = np.fft.fft2(np.fft.ifftshift(potential))
    wave = 1.0 + np.fft.ifft2(1j * spectrum * spread)
    # Proteins are darker than their surroundings; images hold them bright.
    contrast = np.fft.fft2(1.0 - np.abs(wave) ** 2) / 2

    frequencies = np.stack(np.meshgrid(k, k), axis=-1).reshape(-1, 2)

    def expected(defocus_angstrom):
        both = {f"defocus_{axis}_angstrom": defocus_angstrom for axis in "uv"}
        ctf = np.asarray(evaluate_ctf(one(**optics | both), frequencies)).reshape(n, n)
        return ctf * spectrum.real

    size = np.abs(contrast).max()
    right = np.abs(contrast - expected(defocus - height_angstrom)).max() / size
    wrong = np.abs(contrast - expected(defocus + height_angstrom)).max() / size
    # What is left is the square of the weak phase and float32 frequencies.
    assert right < 1e-3
    assert wrong > 0.1
