"""Images of an object known in closed form, and the motion of a body against moved atoms."""

import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.engine.ctf import CTFParameters, make_ctf_parameters
from locref_widgets.engine.grids import make_disc
from locref_widgets.engine.reconstruction import solve
from locref_widgets.engine.slicing import empty_accumulator, slice_radius
from locref_widgets.simulation.density import density_of_atoms
from locref_widgets.simulation.hinge import Poses, move_body, random_motions, random_poses
from locref_widgets.simulation.imaging import (
    add_to_reconstruction,
    project_images,
    simulation_projector,
)

BOX_PX, PIXEL = 40, 3.0
CENTRES = np.array([[18.0, -9.0, 12.0], [-21.0, 15.0, 3.0], [6.0, 12.0, -24.0]])
SIGMAS = np.array([5.0, 6.0, 7.0])
AMPLITUDES = np.array([1.0, 0.7, 1.3])


def optics(n: int) -> CTFParameters:
    return make_ctf_parameters(
        n,
        voltage_kv=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
        defocus_u_angstrom=np.linspace(9000, 20000, n),
        defocus_v_angstrom=np.linspace(8000, 19500, n),
        defocus_angle_deg=np.linspace(0, 170, n),
        bfactor_angstrom2=50.0,
        beam_tilt_mrad=(0.3, -0.2),
        magnification=((1.01, 0.004), (-0.003, 0.99)),
    )


def transparent(n: int) -> CTFParameters:
    """A transfer function of 1 everywhere."""
    return make_ctf_parameters(
        n,
        voltage_kv=300.0,
        spherical_aberration_mm=0.0,
        amplitude_contrast=1.0,
        defocus_u_angstrom=0.0,
        defocus_v_angstrom=0.0,
    )


def blobs() -> np.ndarray:
    """Sum of Gaussian balls on the grid of a map."""
    axis = (np.arange(BOX_PX) - BOX_PX // 2) * PIXEL
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    volume = np.zeros((BOX_PX,) * 3)
    for (cx, cy, cz), sigma, height in zip(CENTRES, SIGMAS, AMPLITUDES, strict=True):
        distance = (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
        volume += height * np.exp(-distance / (2 * sigma**2))
    return volume


def closed_form(poses: Poses, ctf: CTFParameters) -> np.ndarray:
    """Images of the blobs: transforms of Gaussians at ``R^T M k``, in float64."""
    k = np.fft.fftfreq(BOX_PX, PIXEL)
    ky, kx = np.meshgrid(k, k, indexing="ij")
    frequency = np.stack([kx, ky], axis=-1)
    images = []
    for i, (rotation, origin) in enumerate(
        zip(poses.rotations, poses.origins_angstrom, strict=True)
    ):
        q = frequency @ np.asarray(ctf.magnification[i], np.float64).T
        points = q @ rotation[:2]
        spectrum = np.zeros(kx.shape, complex)
        for centre, sigma, height in zip(CENTRES, SIGMAS, AMPLITUDES, strict=True):
            volume = height * (2 * np.pi * sigma**2) ** 1.5 / PIXEL**3
            spectrum += volume * np.exp(
                -2 * np.pi**2 * sigma**2 * (points**2).sum(-1) - 2j * np.pi * points @ centre
            )
        spectrum *= np.exp(2j * np.pi * frequency @ origin)
        spectrum *= transfer(ctf[i], q)
        spectrum[np.rint(np.hypot(kx, ky) * BOX_PX * PIXEL) > BOX_PX // 2 - 1] = 0
        images.append(np.fft.fftshift(np.fft.ifft2(spectrum).real))
    return np.array(images)


def transfer(params: CTFParameters, q: np.ndarray) -> np.ndarray:
    """CTF by angles, and the phase of the beam tilt."""
    wavelength = 0.0196876
    rho, angle = np.hypot(q[..., 0], q[..., 1]), np.arctan2(q[..., 1], q[..., 0])
    u, v = float(params.defocus_u_angstrom), float(params.defocus_v_angstrom)
    azimuth = np.deg2rad(float(params.defocus_angle_deg))
    defocus = (u + v) / 2 + (u - v) / 2 * np.cos(2 * (angle - azimuth))
    cs = float(params.spherical_aberration_mm) * 1e7
    chi = np.pi * wavelength * defocus * rho**2 - np.pi / 2 * cs * wavelength**3 * rho**4
    chi += np.arcsin(float(params.amplitude_contrast))
    tilt = q @ np.asarray(params.beam_tilt_mrad, np.float64) * 1e-3
    phase = -2 * np.pi * cs * wavelength**2 * rho**2 * tilt
    envelope = np.exp(-float(params.bfactor_angstrom2) * rho**2 / 4)
    return envelope * np.sin(chi) * np.exp(1j * phase)


def test_images_of_blobs_match_closed_form(rng: np.random.Generator) -> None:
    n = 6
    poses, ctf = random_poses(rng, n, 6.0), optics(n)
    projector = simulation_projector(blobs(), make_disc(BOX_PX))
    images = project_images(projector, poses.rotations, poses.origins_angstrom, ctf, BOX_PX, PIXEL)
    expected = closed_form(poses, ctf)
    error = np.linalg.norm(np.asarray(images) - expected, axis=(1, 2))
    # Linear interpolation at padding 3 leaves some 0.5 % in the norm of such an object.
    assert (error < 0.01 * np.linalg.norm(expected, axis=(1, 2))).all()


def test_reconstruction_from_images_is_the_object(rng: np.random.Generator) -> None:
    n = 400
    poses, ctf = random_poses(rng, n, 6.0), optics(n)
    images = closed_form(poses, ctf)
    padded = 2 * BOX_PX
    radius = slice_radius(make_disc(BOX_PX).radius_px, BOX_PX, padded)
    accumulator = add_to_reconstruction(
        empty_accumulator(padded, radius),
        images.astype(np.float32),
        poses.rotations,
        poses.origins_angstrom,
        ctf,
        BOX_PX,
        PIXEL,
    )
    volume = np.asarray(solve(accumulator, BOX_PX))
    # 400 views fill Fourier space but for small gaps; a wrong sign anywhere leaves no likeness.
    assert np.corrcoef(volume.ravel(), blobs().ravel())[0, 1] > 0.99


def test_hinge_pose_shows_what_moved_atoms_show(rng: np.random.Generator) -> None:
    box_px, pixel, n = 32, 3.0, 3
    atoms = rng.normal([10.0, -6.0, 4.0], 8.0, (150, 3))
    elements = np.array(["C"] * len(atoms))
    fulcrum = np.array([-6.0, 5.0, -8.0])
    poses = random_poses(rng, n, 5.0)
    motions = Rotation.from_rotvec(rng.normal(0, 0.25, (n, 3))).as_matrix()
    shifts = rng.normal(0.0, 4.0, (n, 2))
    moved = move_body(poses, motions, fulcrum, shifts)
    disc = make_disc(box_px)
    still = simulation_projector(density_of_atoms(atoms, elements, box_px, pixel), disc)
    expected, seen, unshifted = [], [], []
    for i in range(n):
        turned = (atoms - fulcrum) @ motions[i].T + fulcrum
        density = density_of_atoms(turned, elements, box_px, pixel)
        row = slice(i, i + 1)
        expected.append(
            project_images(
                simulation_projector(density, disc),
                poses.rotations[row],
                poses.origins_angstrom[row] + shifts[row],
                transparent(1),
                box_px,
                pixel,
            )
        )
        for origins, images in ((moved, seen), (poses, unshifted)):
            images.append(
                project_images(
                    still,
                    moved.rotations[row],
                    origins.origins_angstrom[row],
                    transparent(1),
                    box_px,
                    pixel,
                )
            )
    for i in range(n):
        truth = jnp.ravel(expected[i])
        # The two differ by interpolation alone; without the lever arm they are far apart.
        assert jnp.corrcoef(truth, jnp.ravel(seen[i]))[0, 1] > 0.999
        assert jnp.corrcoef(truth, jnp.ravel(unshifted[i]))[0, 1] < 0.98


def test_fulcrum_stays_in_its_place(rng: np.random.Generator) -> None:
    n, fulcrum = 20, np.array([12.0, -30.0, 7.0])
    poses, shifts = random_poses(rng, n, 8.0), rng.normal(0, 3, (n, 2))
    moved = move_body(poses, random_motions(rng, n, 20.0), fulcrum, shifts)
    before = (poses.rotations @ fulcrum)[:, :2] - poses.origins_angstrom
    after = (moved.rotations @ fulcrum)[:, :2] - moved.origins_angstrom
    np.testing.assert_allclose(after, before - shifts, atol=1e-10)


def test_motions_are_uniform_in_angle_and_direction(rng: np.random.Generator) -> None:
    vectors = Rotation.from_matrix(random_motions(rng, 4000, 12.0)).as_rotvec(degrees=True)
    angles = np.linalg.norm(vectors, axis=1)
    assert angles.max() <= 12.0
    # Standard errors of 4,000 draws: 0.055 degrees for the mean, 0.009 for an axis's component.
    assert abs(angles.mean() - 6.0) < 0.25
    assert np.abs((vectors / angles[:, None]).mean(axis=0)).max() < 0.045
