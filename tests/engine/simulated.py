"""Particles of a region that moved about a fulcrum, made for the engine and for the oracle.

A particle's image is cut to the region's box already: its coefficients are those of a template at
the true pose, times the transfer function, plus noise of a given spectrum. The truth is sliced from
a projector, so that interpolation does not enter unless a test wants it to.
"""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.engine.ctf import CTFParameters, evaluate_ctf, make_ctf_parameters
from locref_widgets.engine.grids import disc_to_image, make_disc
from locref_widgets.engine.likelihood import make_prior, pixel_weights
from locref_widgets.engine.polish import (
    LocalModel,
    Summit,
    block_count,
    block_image,
    into_blocks,
    local_model,
    polish,
    pose_units,
)
from locref_widgets.engine.region_images import RegionImages, ctf_power, make_turnable
from locref_widgets.engine.search import SearchOutcome, search_particles
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Projector, make_projector, slice_radius
from tests.engine.oracle import Oracle

PIXEL_ANGSTROM = 3.0


def no_ctf(n: int) -> CTFParameters:
    """A transfer function of 1: amplitude contrast alone."""
    return make_ctf_parameters(
        n,
        voltage_kv=300.0,
        spherical_aberration_mm=0.0,
        amplitude_contrast=1.0,
        defocus_u_angstrom=0.0,
        defocus_v_angstrom=0.0,
    )


def real_ctf(rng: np.random.Generator, n: int, **more) -> CTFParameters:
    """Defocus of 0.3 to 0.8 micrometres with astigmatism: its halo fits a box of 100 Å."""
    defocus = rng.uniform(3000, 8000, n)
    return make_ctf_parameters(
        n,
        voltage_kv=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
        defocus_u_angstrom=defocus + 150,
        defocus_v_angstrom=defocus - 150,
        defocus_angle_deg=rng.uniform(0, 180, n),
        **more,
    )


def project_blobs(blobs, box_px: int, radius_px: int, padding: int = 2) -> Projector:
    """A projector of blobs (1 Å voxels) for discs up to ``radius_px``."""
    padded = padding * box_px
    radius = min(slice_radius(radius_px, box_px, padded), padded // 2 - 1)
    return make_projector(jnp.asarray(blobs.volume(box_px, 1.0)), radius, padding)


def in_ball(rng: np.random.Generator, n: int, radius: float, dimensions: int) -> np.ndarray:
    """Points (n, d) spread evenly over a ball."""
    direction = rng.normal(size=(n, dimensions))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return direction * radius * rng.uniform(0, 1, (n, 1)) ** (1 / dimensions)


@dataclass(frozen=True)
class Simulation:
    """What particles are made of.

    ``snr`` is the variance of the signal, CTF applied, over that of the noise, per pixel of the
    circle inscribed in the box; ``noise_power`` is the noise's spectrum by shell, in any unit.
    The images show ``truth``; ``lever_px`` is in the map's frame.
    """

    plan: SearchPlan
    truth: Projector
    snr: float
    ctf: bool = True
    lever_px: np.ndarray = field(default_factory=lambda: np.array([6.0, -4.0, 5.0]))
    noise_power: np.ndarray | None = None
    offset_px: float = 0.0
    prior_rad: float | None = None
    prior_px: float | None = None
    magnification: np.ndarray | None = None


@dataclass
class Particles:
    """Images as the engine takes them, the same for the oracle, and the true motions."""

    images: RegionImages
    oracles: list[Oracle]
    sigma2: np.ndarray
    turns: np.ndarray
    shifts: np.ndarray
    plan: SearchPlan
    prior: tuple[float | None, float | None]

    def search(self, at_once: int = 4, radius_px: int | None = None) -> SearchOutcome:
        """Search all of them."""
        return search_particles(
            self.oracles[0].projector,
            self.images,
            jnp.asarray(self.sigma2, jnp.float32),
            jnp.asarray(float(self.plan.radius_px if radius_px is None else radius_px)),
            make_prior(*self.prior),
            self.plan,
            jnp.asarray(PIXEL_ANGSTROM),
            at_once,
        )

    def first_image(self) -> RegionImages:
        """The first particle's image alone."""
        return jax.tree.map(lambda a: a[0], self.images)

    def weights(self, radius_px: int | None = None) -> jax.Array:
        """Weights of the disc's pixels."""
        radius = jnp.asarray(float(self.plan.radius_px if radius_px is None else radius_px))
        disc = make_disc(self.plan.box_px, self.plan.radius_px)
        return pixel_weights(jnp.asarray(self.sigma2, jnp.float32), radius, disc)

    def first_model(self, turn: np.ndarray, shift: np.ndarray) -> LocalModel:
        """The local model of the first particle with all pixels."""
        disc = make_disc(self.plan.box_px, self.plan.radius_px)
        return local_model(
            self.oracles[0].projector,
            block_image(self.first_image(), self.weights()),
            into_blocks(jnp.asarray(disc.coordinates)),
            jnp.asarray(block_count(len(disc.shells))),
            make_prior(*self.prior),
            pose_units(self.plan),
            jnp.asarray(np.concatenate([turn, shift]), jnp.float32),
            self.plan.box_px,
        )

    def polish_first(self, start: np.ndarray, floor: float = -np.inf) -> Summit:
        """Climb from a pose of the first particle with all pixels."""
        disc = make_disc(self.plan.box_px, self.plan.radius_px)
        return polish(
            self.oracles[0].projector,
            block_image(self.first_image(), self.weights()),
            disc,
            self.plan,
            make_prior(*self.prior),
            jnp.asarray(start, jnp.float32),
            jnp.asarray(block_count(len(disc.shells))),
            floor,
        )


def motions(
    rng: np.random.Generator, plan: SearchPlan, n: int, prior_rad: float | None, share: float = 0.9
) -> tuple[np.ndarray, np.ndarray]:
    """Random motions within a share of the extents; of normal length if there is a prior."""
    turns = in_ball(rng, n, share * plan.rotation_extent_rad, 3)
    if prior_rad is not None:
        turns = rng.normal(size=(n, 3)) * prior_rad
        length = np.linalg.norm(turns, axis=1, keepdims=True)
        turns *= np.minimum(1.0, share * plan.rotation_extent_rad / length)
    return turns, in_ball(rng, n, share * plan.shift_radius_px, 2)


def simulate(
    rng: np.random.Generator,
    n: int,
    made: Simulation,
    reference: Projector | None = None,
    turns: np.ndarray | None = None,
    shifts: np.ndarray | None = None,
) -> Particles:
    """Make ``n`` particles, to be compared with ``reference`` (unset: the truth itself)."""
    plan = made.plan
    disc = make_disc(plan.box_px, plan.radius_px)
    plain = np.asarray(disc.coordinates, np.float64)
    more = {} if made.magnification is None else {"magnification": made.magnification}
    ctf = jax.tree.map(jnp.asarray, real_ctf(rng, n, **more) if made.ctf else no_ctf(n))
    rotations = Rotation.random(n, random_state=rng).as_matrix()
    drawn = motions(rng, plan, n, made.prior_rad)
    turns = drawn[0] if turns is None else turns
    shifts = drawn[1] if shifts is None else shifts
    offsets = made.offset_px * rng.normal(size=(n, 2))
    frequency = disc.coordinates / np.float32(plan.box_px * PIXEL_ANGSTROM)
    transfers = np.asarray(jax.vmap(lambda c: evaluate_ctf(c, frequency))(ctf), np.float64)
    spectrum = np.ones(plan.radius_px + 1) if made.noise_power is None else made.noise_power
    used = np.asarray(disc.shells) >= 1
    shape = spectrum[disc.shells]
    priors = made.prior_rad, made.prior_px

    def prepare(i: int) -> Oracle:
        m = np.asarray(ctf.magnification[i], np.float64)
        return Oracle(
            projector=made.truth if reference is None else reference,
            box_px=plan.box_px,
            coordinates=plain @ m.T,
            rotation=rotations[i],
            lever_px=rotations[i] @ made.lever_px,
            image=np.zeros(len(plain), complex),
            transfer=transfers[i],
            sigma2=shape,
            used=used,
            plain=plain,
            offset_px=offsets[i],
            precisions=tuple(0.0 if s is None else s**-2 for s in priors),
        )

    oracles = [prepare(i) for i in range(n)]
    posed = zip(oracles, turns, shifts, strict=True)
    clean = np.stack([_seen(oracle, made.truth, turn, shift) for oracle, turn, shift in posed])
    # By Parseval; one noise level for all, as in a data set.
    signal = 2 * np.mean(np.sum(np.abs(clean[:, used]) ** 2, axis=1))
    signal /= np.pi / 4 * plan.box_px**2
    sigma2 = spectrum * signal / made.snr / np.mean(shape[used])
    noise = rng.normal(size=(2, *clean.shape)) * np.sqrt(sigma2[disc.shells] / 2)
    for oracle, image in zip(oracles, clean + noise[0] + 1j * noise[1], strict=True):
        oracle.image = image
        oracle.sigma2 = sigma2[disc.shells]
    return Particles(
        region_images_of(oracles, ctf, plan), oracles, sigma2, turns, shifts, plan, priors
    )


def _seen(oracle: Oracle, truth: Projector, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Coefficients of a clean image: those of the truth, whatever the reference is."""
    return oracle.transfer * replace(oracle, projector=truth).template(turn, shift)


def region_images_of(oracles: list[Oracle], ctf: CTFParameters, plan: SearchPlan) -> RegionImages:
    """The oracles' images as the search takes them."""
    disc = make_disc(plan.box_px, plan.radius_px)
    pixels = jnp.asarray(disc.coordinates)
    values = jnp.asarray(np.stack([np.conj(o.transfer) * o.image for o in oracles]), jnp.complex64)
    box_angstrom = jnp.asarray(plan.box_px * PIXEL_ANGSTROM)

    def stacked(name: str) -> jax.Array:
        return jnp.asarray(np.stack([getattr(o, name) for o in oracles]), jnp.float32)

    return RegionImages(
        values=values,
        power=jax.lax.map(lambda c: ctf_power(c, pixels, box_angstrom), ctf),
        coordinates=stacked("coordinates"),
        turnable=make_turnable(disc_to_image(values, disc), plan.turnable_radius),
        ctf=ctf,
        rotation=stacked("rotation"),
        lever_px=stacked("lever_px"),
        offset_px=stacked("offset_px"),
    )
