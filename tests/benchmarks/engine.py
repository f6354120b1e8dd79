"""Speed of the engine's parts against this machine's own rates: ``python -m`` this file.

Runs unchanged on CPUs and GPUs. For each part it prints the figure, a floor and their ratio. The
floor is the larger of the arithmetic over the measured rate of a large matrix product and of the
bytes over the measured rate of a copy. Times are processor time on CPUs (all threads, so that
neighbours on the machine count less), wall time elsewhere; the best of a few repeats. What a search
does is compiled as the search is.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.engine.compiling import jit_in_one_thread
from locref_widgets.engine.ctf import make_ctf_parameters
from locref_widgets.engine.grids import Disc, image_to_disc, make_disc
from locref_widgets.engine.likelihood import make_prior, pixel_weights, score_level
from locref_widgets.engine.polish import BLOCK, block_count
from locref_widgets.engine.reconstruction import add_images
from locref_widgets.engine.region_images import RegionImages, ctf_power, make_turnable
from locref_widgets.engine.search import search_particles
from locref_widgets.engine.search_plan import SearchPlan, plan_search
from locref_widgets.engine.slicing import (
    Projector,
    empty_accumulator,
    make_projector,
    slice_many,
    slice_radius,
)

PIXEL_ANGSTROM = 2.0
_REPEATS = 4
_PRODUCTS, _FACTORS = 256, 3


@dataclass(frozen=True)
class Rates:
    """Arithmetic operations, and bytes read plus written, that this machine does in a second."""

    flops: float
    bytes: float

    def floor_seconds(self, flops: float, moved: float) -> float:
        """The least time for so much work."""
        return max(flops / self.flops, moved / self.bytes)


def seconds(work: Callable[[], object]) -> float:
    """Best time of a few repeats, compilation excluded."""
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    jax.block_until_ready(work())
    best = np.inf
    for _ in range(_REPEATS):
        started = clock()
        jax.block_until_ready(work())
        best = min(best, clock() - started)
    return best


def together() -> int | None:
    """Particles worked on together, as in a search: on a CPU one after the other."""
    return None if jax.default_backend() == "cpu" else 64


def measure_rates() -> Rates:
    """Rates of a matrix product of 2,048 and of a copy of 256 MB."""
    a = jnp.ones((2048, 2048), jnp.float32)
    product = jax.jit(lambda x: jnp.matmul(x, x, precision=jax.lax.Precision.HIGHEST))
    big = jnp.ones(1 << 26, jnp.float32)
    copy = jax.jit(lambda x: x + 1.0)
    return Rates(
        2 * 2048**3 / seconds(lambda: product(a)), 8 * big.size / seconds(lambda: copy(big))
    )


def report(name: str, figure: str, took: float, floor: float) -> None:
    """Print one part."""
    print(f"{name:34s} {figure:38s} floor {1e3 * floor:9.3f} ms  ratio {took / floor:6.1f}")


def make_case(
    box: int, particles: int, extent: float
) -> tuple[Projector, RegionImages, SearchPlan]:
    """Noise about a random map: what is in the arrays does not matter for the time."""
    rng = np.random.default_rng(0)
    disc = make_disc(box)
    plan = plan_search(box, disc.radius_px, 0.42 * box, extent, 0.1 * box, reach_px=0.4 * box)
    volume = jnp.asarray(rng.normal(size=(box,) * 3), jnp.float32)
    radius = min(slice_radius(disc.radius_px, box, 2 * box), box - 1)
    images = jnp.asarray(rng.normal(size=(particles, box, box)), jnp.float32)
    defocus = rng.uniform(8e3, 25e3, particles)
    ctf = make_ctf_parameters(
        particles,
        voltage_kv=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
        defocus_u_angstrom=defocus,
        defocus_v_angstrom=defocus,
    )
    pixels = jnp.asarray(disc.coordinates)
    power = jax.lax.map(lambda c: ctf_power(c, pixels, jnp.asarray(box * PIXEL_ANGSTROM)), ctf)
    rotations = Rotation.random(particles, random_state=1).as_matrix()
    return (
        make_projector(volume, radius),
        RegionImages(
            values=image_to_disc(images, disc),
            power=power,
            coordinates=jnp.broadcast_to(pixels, (particles, *pixels.shape)),
            turnable=make_turnable(images, plan.turnable_radius),
            ctf=jax.tree.map(jnp.asarray, ctf),
            rotation=jnp.asarray(rotations, jnp.float32),
            lever_px=jnp.ones((particles, 3)) * 0.1 * box,
            offset_px=jnp.zeros((particles, 2)),
        ),
        plan,
    )


def bench_slicing(rates: Rates, projector: Projector, disc: Disc) -> None:
    """Slices of all pixels up to Nyquist."""
    rotations = jnp.asarray(Rotation.random(256, random_state=2).as_matrix(), jnp.float32)
    plane = jnp.asarray(disc.coordinates)
    work = jit_in_one_thread(lambda r: slice_many(projector, r, plane, disc.box_px))
    took, samples = seconds(lambda: work(rotations)), 256 * plane.shape[0]
    # Eight neighbours of two floats each; two floats written; seven interpolations of two parts.
    floor = rates.floor_seconds(samples * 14 * 3, samples * (16 + 2) * 4)
    report("slicing", f"{samples / took / 1e6:.1f} M samples/s", took, floor)


def level_shape(plan: SearchPlan, number: int) -> tuple[int, int, int]:
    """Tilts, turns and shifts of a level."""
    if number == 0:
        lists = plan.root_tilts_rad(), plan.root_turns_rad(), plan.root_shifts_px()
        return len(lists[0]), len(lists[1]), len(lists[2])
    before = plan.levels[number - 1]
    return 4 * before.keep_tilts, 2 * before.keep_turns, 4 * before.keep_shifts


def bench_product(rates: Rates, plan: SearchPlan, number: int) -> None:
    """The matrix product of a level alone, its factors in the cache, where a search has them."""
    tilts, turns, shifts = level_shape(plan, number)
    pixels, rng = plan.levels[number].pixels, np.random.default_rng(3)
    a = jnp.asarray(rng.normal(size=(_FACTORS, tilts, 2 * pixels)), jnp.float32)
    b = jnp.asarray(rng.normal(size=(_FACTORS, turns * shifts, 2 * pixels)), jnp.float32)
    order = jnp.arange(_PRODUCTS) % _FACTORS

    def multiply(place: jax.Array) -> jax.Array:
        return jnp.matmul(a[place], b[place].T, precision=jax.lax.Precision.HIGHEST)

    product = jit_in_one_thread(lambda places: jax.lax.map(multiply, places, batch_size=together()))
    took = seconds(lambda: product(order))
    flops = 2.0 * _PRODUCTS * tilts * turns * shifts * 2 * pixels
    share = flops / took / rates.flops
    figure = f"{flops / took / 1e9:.1f} Gflop/s, {100 * share:.0f} % of the rate"
    report(f"scoring: product of level {number + 1}", figure, took, flops / rates.flops)


def bench_scoring(
    rates: Rates, projector: Projector, images: RegionImages, plan: SearchPlan
) -> None:
    """The matrix products, and the last level with its slices and turned images."""
    for number in range(len(plan.levels)):
        bench_product(rates, plan, number)
    level, disc = plan.levels[-1], make_disc(plan.box_px)
    tilts, turns, shifts = level_shape(plan, len(plan.levels) - 1)
    rng = np.random.default_rng(3)
    some = jax.tree.map(lambda x: x[:32], images)
    weights = pixel_weights(jnp.ones(disc.radius_px + 1), jnp.asarray(99.0), disc)
    grid = [jnp.asarray(rng.normal(size=n), jnp.float32) * 0.05 for n in ((tilts, 2), turns)]
    moves = jnp.asarray(rng.normal(size=(shifts, 2)), jnp.float32)

    def score(image: RegionImages) -> jax.Array:
        found = score_level(
            projector,
            image,
            make_prior(None, None),
            grid[0],
            grid[1],
            moves,
            weights[: level.pixels],
            disc.coordinates[: level.pixels],
            plan.box_px,
            jnp.asarray(PIXEL_ANGSTROM),
        )
        return found.scores

    work = jit_in_one_thread(lambda some: jax.lax.map(score, some, batch_size=together()))
    took, n = seconds(lambda: work(some)), some.values.shape[0]
    flops = 2.0 * n * tilts * 2 * level.pixels * turns * shifts
    report(
        "scoring: last level, all of it",
        f"{1e3 * took / n:.2f} ms/particle",
        took,
        rates.floor_seconds(flops, n * tilts * level.pixels * 18 * 4),
    )


def bench_search(
    rates: Rates, projector: Projector, images: RegionImages, plan: SearchPlan
) -> None:
    """The whole search."""
    sigma2 = jnp.ones(plan.radius_px + 1) * plan.box_px**2
    radius, at_once = 0.4 * plan.box_px, together() or 1

    def work() -> object:
        return search_particles(
            projector,
            images,
            sigma2,
            jnp.asarray(radius, jnp.float32),
            make_prior(None, None),
            plan,
            jnp.asarray(PIXEL_ANGSTROM),
            at_once,
        )

    took, n = seconds(work), images.values.shape[0]
    flops, samples = 0.0, 0.0
    for number, level in enumerate(plan.levels):
        tilts, turns, shifts = level_shape(plan, number)
        flops += 2.0 * tilts * 2 * level.pixels * turns * shifts
        samples += tilts * level.pixels
    # Refinement: evaluations of the template with its gradient (about three look-ups' work).
    fine = block_count(round(np.pi / 2 * radius**2)) * BLOCK
    samples += 3 * (4 * fine + 4 * plan.levels[-1].pixels)
    floor = rates.floor_seconds(n * flops, n * samples * 18 * 4)
    report("search", f"{1e3 * took / n:.2f} ms/particle", took, floor)


def bench_back_projection(rates: Rates, projector: Projector, images: RegionImages) -> None:
    """Insertion of all pixels up to Nyquist."""
    empty = empty_accumulator(projector.padded_px, projector.radius)
    box = projector.padded_px // 2
    work = jax.jit(
        lambda i: add_images(empty, i.rotation, i.coordinates, i.values, i.power, box).sums[0, 0]
    )
    took, samples = seconds(lambda: work(images)), images.values.size
    # Eight grid points of three floats each, read and written.
    floor = rates.floor_seconds(samples * 8 * 6, samples * 8 * 3 * 2 * 4)
    report("back-projection", f"{samples / took / 1e6:.1f} M samples/s", took, floor)


def main() -> None:
    """Measure the machine, then each part at the boxes wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--box", type=int, nargs="+", default=[96, 128])
    parser.add_argument("--particles", type=int, default=128)
    parser.add_argument("--extent", type=float, default=0.21, help="rotation extent in rad")
    options = parser.parse_args()
    rates = measure_rates()
    device = jax.devices()[0].device_kind
    print(f"{device}: {rates.flops / 1e9:.0f} Gflop/s, {rates.bytes / 1e9:.1f} GB/s")
    for box in options.box:
        print(f"box {box} px")
        projector, images, plan = make_case(box, options.particles, options.extent)
        bench_slicing(rates, projector, make_disc(box))
        bench_scoring(rates, projector, images, plan)
        bench_search(rates, projector, images, plan)
        bench_back_projection(rates, projector, images)


if __name__ == "__main__":
    main()
