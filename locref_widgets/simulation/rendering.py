"""What a simulated data set is made of: the random draws, and the images rendered from them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.engine.grids import make_disc
from locref_widgets.engine.reconstruction import add_accumulators, solve
from locref_widgets.engine.slicing import Projector, empty_accumulator, slice_radius
from locref_widgets.io.stack_file import StackWriter
from locref_widgets.simulation.bodies import Bodies
from locref_widgets.simulation.hinge import (
    Poses,
    disturb,
    move_body,
    random_ctf,
    random_motions,
    random_poses,
)
from locref_widgets.simulation.imaging import (
    add_noise,
    add_to_reconstruction,
    project_images,
    simulation_projector,
)

_BATCH = 100
_SAMPLE_FOR_SNR = 500
_INT8_LARGEST = 127
_NOISE_CUT_SD = 5.0
"""An int8 stack holds the strongest signal and noise of this many sd on top of it."""
_RECONSTRUCTION_PADDING = 2


@dataclass(frozen=True)
class HingeParameters:
    """What a data set is drawn from."""

    n: int
    seed: int
    hinge_deg: float
    shift_px: float
    snr: float
    defocus_range_angstrom: tuple[float, float]
    origin_sd_px: float
    pose_error_deg: float
    pose_error_px: float
    particles_per_micrograph: int
    pixel_type: str
    """float32, float16 or int8."""


@dataclass(frozen=True)
class Truth:
    """Everything of a data set but its noise."""

    still: Poses
    moving: Poses
    consensus: Poses
    motions_deg: Float[np.ndarray, " n"]
    micrograph: Int[np.ndarray, " n"]
    half_sets: Int[np.ndarray, " n"]
    ctf: CTFParameters


def draw(parameters: HingeParameters, bodies: Bodies) -> Truth:
    """Draw poses, motions, half-sets and optics; each from a random stream of its own."""
    streams = np.random.SeedSequence(parameters.seed).spawn(6)
    rng = [np.random.default_rng(stream) for stream in streams]
    n, pixel = parameters.n, bodies.voxel_size_angstrom
    still = random_poses(rng[0], n, parameters.origin_sd_px * pixel)
    motions = random_motions(rng[1], n, parameters.hinge_deg)
    shifts = rng[2].uniform(-1.0, 1.0, (n, 2)) * parameters.shift_px * pixel
    micrograph = np.arange(n) // parameters.particles_per_micrograph
    cosine = np.clip((np.trace(motions, axis1=1, axis2=2) - 1) / 2, -1, 1)
    return Truth(
        still=still,
        moving=move_body(still, motions, bodies.fulcrum_angstrom, shifts),
        consensus=disturb(
            rng[3], still, parameters.pose_error_deg, parameters.pose_error_px * pixel
        ),
        motions_deg=np.rad2deg(np.arccos(cosine)),
        micrograph=micrograph,
        half_sets=rng[4].permutation(np.arange(n) % 2) + 1,
        ctf=random_ctf(rng[5], micrograph, parameters.defocus_range_angstrom),
    )


class Camera:
    """Noise-free images of both bodies, and how they are scaled."""

    def __init__(self, bodies: Bodies, truth: Truth, parameters: HingeParameters) -> None:
        """Find the scale at which the images have the wanted signal/noise ratio."""
        self.truth = truth
        self.box_px = bodies.box_px
        self.pixel_size_angstrom = bodies.voxel_size_angstrom
        disc = make_disc(bodies.box_px)
        self._still = simulation_projector(bodies.still, disc)
        self._moving = simulation_projector(bodies.moving, disc)
        rows = np.unique(np.linspace(0, parameters.n - 1, _SAMPLE_FOR_SNR).astype(int))
        centred = np.arange(bodies.box_px) - bodies.box_px // 2
        circle = np.hypot(centred[:, None], centred) < bodies.box_px / 2 - 1
        both, moving, peak = [], [], 0.0
        for start in range(0, len(rows), _BATCH):
            still_images, moving_images = self._project(rows[start : start + _BATCH])
            images = still_images + moving_images
            peak = max(peak, float(np.abs(images).max()))
            both.append(images[:, circle].var(axis=1))
            moving.append(moving_images[:, circle].var(axis=1))
        variance = float(np.concatenate(both).mean())
        unit_gain = float(np.sqrt(parameters.snr / variance))
        self.noise_sd = 1.0
        if parameters.pixel_type == "int8":
            self.noise_sd = max(1.0, _INT8_LARGEST // (_NOISE_CUT_SD + peak * unit_gain))
        self.gain = self.noise_sd * unit_gain
        self.snr_moving = parameters.snr * float(np.concatenate(moving).mean()) / variance

    def _project(self, rows: Int[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
        """Render the two bodies, unscaled."""
        ctf = self.truth.ctf[rows]

        def render(projector: Projector, poses: Poses) -> np.ndarray:
            rotations, origins = poses.rotations[rows], poses.origins_angstrom[rows]
            pixel = self.pixel_size_angstrom
            return np.asarray(
                project_images(projector, rotations, origins, ctf, self.box_px, pixel)
            )

        return render(self._still, self.truth.still), render(self._moving, self.truth.moving)

    def images(self, rows: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m y x"]:
        """Render noise-free images of the whole complex at the scale of the stack."""
        still, moving = self._project(rows)
        return (still + moving) * np.float32(self.gain)


def write_stack(
    path: Path, camera: Camera, parameters: HingeParameters
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write the images with noise; return the half-maps and the map at the consensus poses."""
    truth, box_px, pixel = camera.truth, camera.box_px, camera.pixel_size_angstrom
    poses = truth.consensus
    padded = box_px * _RECONSTRUCTION_PADDING
    radius = slice_radius(make_disc(box_px).radius_px, box_px, padded)
    sums = [empty_accumulator(padded, radius) for _ in (1, 2)]
    # A stream of its own, so that the noise of a particle does not depend on the batches.
    noise = np.random.default_rng(np.random.SeedSequence([parameters.seed, 1]))
    with StackWriter(path, box_px, pixel, parameters.pixel_type) as stack:
        for start in range(0, parameters.n, _BATCH):
            rows = np.arange(start, min(start + _BATCH, parameters.n))
            images = add_noise(noise, camera.images(rows), camera.noise_sd)
            if parameters.pixel_type == "int8":
                images = np.clip(np.rint(images), -_INT8_LARGEST, _INT8_LARGEST)
            stack.append(images)
            for half in (0, 1):
                chosen = rows[truth.half_sets[rows] == half + 1]
                if chosen.size == 0:
                    continue
                sums[half] = add_to_reconstruction(
                    sums[half],
                    images[chosen - start],
                    poses.rotations[chosen],
                    poses.origins_angstrom[chosen],
                    truth.ctf[chosen],
                    box_px,
                    pixel,
                )
    both = add_accumulators(sums[0], sums[1])
    first, second, whole = (np.asarray(solve(acc, box_px)) for acc in (sums[0], sums[1], both))
    return first, second, whole
