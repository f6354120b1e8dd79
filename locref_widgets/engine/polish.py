"""Continuous refinement of a pose: Levenberg-Marquardt on the log-likelihood.

The unknowns are the rotation about the fulcrum (3) and the shift (2). With the template's
derivatives ``J`` and the weights ``Q = w |C|^2``, the Fisher information is ``J' Q J`` and the
gradient ``J' (w Z - Q T)``; a Gaussian prior adds its precision to the one and its pull to the
other. The inverse of the information at the optimum is the covariance of the pose (Cramér-Rao).

Pixels are worked on in blocks whose number is a run-time value: one compiled program serves
references of every resolution.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.grids import Disc, pixels_within
from locref_widgets.engine.likelihood import Prior
from locref_widgets.engine.phases import cosine_and_sine
from locref_widgets.engine.region_images import RegionImages
from locref_widgets.engine.rotations import exp_rotation, log_rotation
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Projector, interpolate_with_gradient, slice_points

BLOCK = 512
"""Pixels whose template and derivatives are computed together."""
_FIRST_DAMPING = 0.1
_SERVED, _LESS_DAMPING = 0.75, 10.0
"""A step that brings at least this share of what it promised divides the damping by so much."""
_FAILED, _MORE_DAMPING, _LEAST_RAISED = 0.25, 4.0, 0.5
"""One that brings less than this share multiplies it, and raises it to the last at least: with less
the next step would be nearly the same. (Shares as in Nocedal & Wright, Numerical Optimization,
algorithm 4.1. Measured on three batches: a tenth to a quarter less work than where only steps that
lowered the score raised the damping, tenfold from wherever it was; the same summits.)"""
_ON_RIM = 1.0 - 1e-5
_MOST_STEPS = 20
"""Steps after which a climb ends anyway: on the rim of the extents the model is less good."""
_HOPE, _SLACK = 2.0, 1.0
"""A climb may still rise by so many times what its model promises, and by so much more."""
_TOLERANCE, _SHARE = 0.02, 2e-4
"""A climb ends when a further step promises less than this in log-likelihood, or less than this
share of what the template explains: the kinks of the trilinear interpolant leave gradients
uncertain by about so much. An optimum missed by ``t`` lies ``sqrt(2 t)`` standard errors away."""
_EMPTY = 5.0
"""Where a step that promised up to so many times that much does not bring it, the kinks hide what
is left, and a climb ends, too: more damping would take many steps for a few hundredths."""
_NOTHING = float(np.finfo(np.float32).min)
"""Score before a climb begins: finite, so that differences of it are too."""


class LocalModel(eqx.Module):
    """The log-posterior about a pose to second order.

    ``gradient`` and ``information`` are for small rotations *after* the pose's own about the
    image's x, y and z axes through the fulcrum (in units of 1 px of arc at the region's edge) and
    shifts (pixels). ``power`` is half the template's weighted power, what it explains of an image.
    """

    score: Float[Array, "*b"]
    power: Float[Array, "*b"]
    gradient: Float[Array, "*b 5"]
    information: Float[Array, "*b 5 5"]


class BlockedImage(eqx.Module):
    """One particle's pixels in blocks, weighted; padding has no weight."""

    real: Float[Array, "*b blocks k"]
    imaginary: Float[Array, "*b blocks k"]
    power_weights: Float[Array, "*b blocks k"]
    coordinates: Float[Array, "*b blocks k 2"]
    rotation: Float[Array, "*b 3 3"]
    lever_px: Float[Array, "*b 3"]
    offset_px: Float[Array, "*b 2"]


def block_count(pixels: int) -> int:
    """Number of blocks that hold so many pixels."""
    return -(-pixels // BLOCK)


def blocks_within(disc: Disc, radius_px: Float[Array, ""]) -> Int[Array, ""]:
    """Number of blocks that hold the shells up to a run-time radius."""
    counts = [block_count(pixels_within(disc, r)) for r in range(disc.radius_px + 1)]
    return jnp.asarray(counts)[jnp.clip(radius_px.astype(jnp.int32), 0, disc.radius_px)]


def into_blocks(values: Float[Array, "p ..."]) -> Float[Array, "blocks k ..."]:
    """Cut a list of pixels into blocks, the last one filled up with zeros."""
    blocks = block_count(values.shape[0])
    margins = [(0, blocks * BLOCK - values.shape[0])] + [(0, 0)] * (values.ndim - 1)
    return jnp.pad(values, margins).reshape(blocks, BLOCK, *values.shape[1:])


def block_image(image: RegionImages, weights: Float[Array, " p"]) -> BlockedImage:
    """Weigh one particle and cut its pixels into blocks."""
    return BlockedImage(
        real=into_blocks(jnp.real(image.values) * weights),
        imaginary=into_blocks(jnp.imag(image.values) * weights),
        power_weights=into_blocks(image.power * weights),
        coordinates=into_blocks(image.coordinates),
        rotation=image.rotation,
        lever_px=image.lever_px,
        offset_px=image.offset_px,
    )


class _Tangent(eqx.Module):
    """A template and its derivatives at some pixels, before the phases of its displacement."""

    real: Float[Array, "6 k"]
    imaginary: Float[Array, "6 k"]
    cosine: Float[Array, " k"]
    sine: Float[Array, " k"]


def _tangent(
    projector: Projector,
    image: BlockedImage,
    coordinates: Float[Array, "k 2"],
    plain: Float[Array, "k 2"],
    pose: Float[Array, " 5"],
    box_px: int,
) -> _Tangent:
    turn = exp_rotation(pose[:3])
    rotation, lever = turn @ image.rotation, turn @ image.lever_px
    points = slice_points(rotation, coordinates, projector.padded_px, box_px)
    value, gradient = interpolate_with_gradient(projector, points)
    # The gradient along the image's axes, in cycles per image box.
    scale = projector.padded_px / box_px
    along = [scale * sum(rotation[i, j] * gradient[:, j] for j in range(3)) for i in range(3)]
    kx, ky, per_px = coordinates[:, 0], coordinates[:, 1], 2.0 * jnp.pi / box_px
    # A small rotation w carries the slice's point k to k - w x k: only its components count.
    slopes = [-ky * along[2], kx * along[2], ky * along[0] - kx * along[1]]
    # And it moves the lever's end by w x lever.
    moves = [(0.0, -lever[2]), (lever[2], 0.0), (-lever[1], lever[0])]
    rates = [-per_px * (kx * x + ky * y) for x, y in moves]
    rates += [per_px * plain[:, 0], per_px * plain[:, 1]]
    slopes += [0.0, 0.0]
    real = [value[0]]
    imaginary = [value[1]]
    for slope, rate in zip(slopes, rates, strict=True):
        a, b = (slope[0], slope[1]) if isinstance(slope, Array) else (0.0, 0.0)
        real.append(a - rate * value[1])
        imaginary.append(b + rate * value[0])
    swing, moved = (lever - image.lever_px)[:2], pose[3:] + image.offset_px
    phases = cosine_and_sine((plain @ moved - coordinates @ swing) / box_px)
    return _Tangent(jnp.stack(real), jnp.stack(imaginary), *phases)


def template_and_jacobian(
    projector: Projector,
    image: BlockedImage,
    coordinates: Float[Array, "k 2"],
    plain: Float[Array, "k 2"],
    pose: Float[Array, " 5"],
    box_px: int,
) -> tuple[Float[Array, " q"], Float[Array, "5 q"]]:
    """Template at a pose (rotation vector, shift) and its derivatives, for some pixels.

    Real and imaginary parts one after the other. The first three derivatives are per radian of a
    small rotation after the pose's own about the image's axes; the last two per pixel of shift.
    """
    t = _tangent(projector, image, coordinates, plain, pose, box_px)
    rows = jnp.concatenate(
        [
            t.real * t.cosine - t.imaginary * t.sine,
            t.real * t.sine + t.imaginary * t.cosine,
        ],
        axis=-1,
    )
    return rows[0], rows[1:]


def local_model(
    projector: Projector,
    image: BlockedImage,
    plain: Float[Array, "blocks k 2"],
    blocks: Int[Array, ""],
    prior: Prior,
    units: Float[Array, " 5"],
    pose: Float[Array, " 5"],
    box_px: int,
) -> LocalModel:
    """Score, gradient and information at a pose over the first ``blocks`` blocks of pixels."""

    def add(number: Int[Array, ""], sums: Float[Array, "6 7"]) -> Float[Array, "6 7"]:
        t = _tangent(projector, image, image.coordinates[number], plain[number], pose, box_px)
        # The displacement's phases turn the image back instead of seven rows forward.
        a, b = image.real[number], image.imaginary[number]
        data = jnp.concatenate([a * t.cosine + b * t.sine, b * t.cosine - a * t.sine])
        rows = jnp.concatenate([t.real, t.imaginary], axis=-1)
        weighted = rows * jnp.tile(image.power_weights[number], 2)
        columns = jnp.concatenate([weighted, data[None]])
        return sums + jnp.matmul(rows, columns.T, precision=jax.lax.Precision.HIGHEST)

    sums = jax.lax.fori_loop(0, blocks, add, jnp.zeros((6, 7)))
    scale = jnp.concatenate([jnp.ones(1), units])
    gram, products = sums[:, :6] * scale[:, None] * scale, sums[:, 6] * scale
    precision = jnp.concatenate(
        [jnp.full(3, prior.rotation_precision), jnp.full(2, prior.shift_precision)]
    )
    # The rotation vector is an eigenvector of the exponential map's derivative, eigenvalue 1: the
    # gradient of its squared length along a further small rotation is twice itself.
    return LocalModel(
        score=products[0] - 0.5 * gram[0, 0] - 0.5 * jnp.sum(precision * pose**2),
        power=0.5 * gram[0, 0],
        gradient=products[1:] - gram[0, 1:] - precision * pose * units,
        information=gram[1:, 1:] + jnp.diag(precision * units**2),
    )


def shorten(vectors: Float[Array, "*b d"], radius: float) -> Float[Array, "*b d"]:
    """The nearest vectors within a ball about the origin."""
    length2 = jnp.sum(vectors**2, axis=-1, keepdims=True)
    inside = length2 <= radius**2
    safe = jnp.sqrt(jnp.where(inside, 1.0, length2))
    return vectors * jnp.where(inside, 1.0, radius / safe)


def clamp_pose(pose: Float[Array, " 5"], plan: SearchPlan) -> Float[Array, " 5"]:
    """The nearest pose within the ball of rotations and the disc of shifts."""
    rotation = shorten(pose[:3], plan.rotation_extent_rad)
    return jnp.concatenate([rotation, shorten(pose[3:], plan.shift_radius_px)])


def pose_units(plan: SearchPlan) -> Float[Array, " 5"]:
    """Rotations count by the arc at the region's edge, so that damping treats all five alike."""
    return jnp.asarray([1.0 / plan.region_radius_px] * 3 + [1.0, 1.0])


def along_rim(
    model: LocalModel, pose: Float[Array, " 5"], units: Float[Array, " 5"], plan: SearchPlan
) -> tuple[Float[Array, "5 5"], Float[Array, " 5"]]:
    """Information and gradient of steps that keep to the extents.

    Where a pose lies on the rim of the ball of rotations or the disc of shifts and the gradient
    points out of it, a step may only slide along the rim; bending with it costs the outward part of
    the gradient over the radius. Shortened steps alone come to rest where the rim is met.
    """
    place, slide, bend = pose / units, jnp.eye(5), jnp.zeros(5)
    extents = ((slice(0, 3), plan.rotation_extent_rad), (slice(3, 5), plan.shift_radius_px))
    for part, extent in extents:
        outward = jnp.sum(place[part] * model.gradient[part])
        held = (jnp.sum(pose[part] ** 2) >= (_ON_RIM * extent) ** 2) & (outward > 0)
        squared = jnp.where(held, jnp.sum(place[part] ** 2), 1.0)
        normal = jnp.where(held, place[part], 0.0)
        slide = slide.at[part, part].add(-normal[:, None] * normal / squared)
        bend = bend.at[part].set(jnp.where(held, outward / squared, 0.0))
    information = slide @ (model.information + jnp.diag(bend)) @ slide
    # Without a step there, but not singular.
    information = information + jnp.trace(model.information) * (jnp.eye(5) - slide)
    return information, slide @ model.gradient


class Summit(eqx.Module):
    """Where a climb ended.

    Attributes
    ----------
    pose
        Rotation vector and shift.
    model
        The log-posterior there; its score is most negative where no climb was begun.
    promise
        By how much a further step should raise the score; 0 where no climb was begun, and where the
        last steps have shown that there is nothing in it.
    """

    pose: Float[Array, "*b 5"]
    model: LocalModel
    promise: Float[Array, "*b"]


def not_begun(pose: Float[Array, " 5"]) -> Summit:
    """Where no climb was begun."""
    model = LocalModel(jnp.asarray(_NOTHING), jnp.zeros(()), jnp.zeros(5), jnp.eye(5))
    return Summit(pose, model, jnp.zeros(()))


def polish(
    projector: Projector,
    image: BlockedImage,
    disc: Disc,
    plan: SearchPlan,
    prior: Prior,
    start: Float[Array, " 5"],
    blocks: Int[Array, ""],
    floor: Float[AnyArray, ""] | float = -jnp.inf,
    coarseness: Float[AnyArray, ""] | float = 1.0,
) -> Summit:
    """Refine a pose within the extents over the first ``blocks`` of pixels; the score never falls.

    Parameters
    ----------
    floor
        Score of a better candidate: a climb that cannot reach it is given up, and none is begun
        towards an infinite one.
    coarseness
        By how much more than usual a further step must promise for the climb to go on.
    """
    plain = into_blocks(jnp.asarray(disc.coordinates))
    units = pose_units(plan)

    def evaluate(pose: Float[Array, " 5"]) -> LocalModel:
        return local_model(projector, image, plain, blocks, prior, units, pose, plan.box_px)

    def moved(pose: Float[Array, " 5"], change: Float[Array, " 5"]) -> Float[Array, " 5"]:
        rotation = log_rotation(exp_rotation(change[:3]) @ exp_rotation(pose[:3]))
        return clamp_pose(jnp.concatenate([rotation, pose[3:] + change[3:]]), plan)

    def tolerance(model: LocalModel) -> Float[Array, ""]:
        return jnp.multiply(coarseness, jnp.minimum(_TOLERANCE, _SHARE * model.power))

    def unfinished(state: tuple) -> Bool[Array, ""]:
        number, _, _, model, _, promise, stands = state
        hopeful = model.score + _HOPE * promise + _SLACK > floor
        return (number <= _MOST_STEPS) & (promise > tolerance(model)) & hopeful & ~stands

    def step(state: tuple) -> tuple:
        number, pose, damping, model, proposal, promise, _ = state
        tried = evaluate(proposal)
        enough = tolerance(model)
        gain, first = tried.score - model.score, number == 0
        stands = (promise <= _EMPTY * enough) & (gain < enough)
        better = first | (gain >= 0)
        model = jax.tree.map(lambda a, b: jnp.where(better, a, b), tried, model)
        pose = jnp.where(better, proposal, pose)
        served, failed = gain >= _SERVED * promise, (gain < _FAILED * promise) & ~first
        more = jnp.maximum(damping * _MORE_DAMPING, _LEAST_RAISED)
        damping = jnp.where(served, damping / _LESS_DAMPING, jnp.where(failed, more, damping))
        information, gradient = along_rim(model, pose, units, plan)
        damped = information + jnp.diag(damping * jnp.diag(information) + 1e-12)
        move = jnp.linalg.solve(damped, gradient)
        promise = gradient @ move - 0.5 * move @ (information @ move)
        return number + 1, pose, damping, model, moved(pose, units * move), promise, stands

    pose = clamp_pose(start, plan)
    nothing = not_begun(pose).model
    first_damping, far = jnp.asarray(_FIRST_DAMPING), jnp.asarray(jnp.inf)
    state = (jnp.asarray(0), pose, first_damping, nothing, pose, far, jnp.asarray(False))
    number, pose, _, model, _, promise, stands = jax.lax.while_loop(unfinished, step, state)
    return Summit(pose, model, jnp.where((number > 0) & ~stands, promise, 0.0))


def covariance(model: LocalModel, units: Float[Array, " 5"]) -> Float[Array, "5 5"]:
    """Covariance of a pose in rad and px; infinite where the template carries no information."""
    informed = jnp.trace(model.information) > 0
    safe = jnp.where(informed, model.information, jnp.eye(5))
    inverse = jnp.linalg.inv(safe) * units[:, None] * units[None, :]
    return jnp.where(informed, inverse, jnp.inf)
