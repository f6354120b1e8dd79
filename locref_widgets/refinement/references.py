"""From half-maps to the templates of the next search: filters, masks, scale."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.filters import apply_shell_filter, lowpass_cosine
from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.slicing import Projector, make_projector, slice_radius
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.step import Region

_PADDING = 2
_MIN_CORRELATION = 0.3
"""Below this the map and the particles' own reconstruction hardly show the same object."""


def shell_of_resolution(resolution_angstrom: float, box_px: int, pixel_size_angstrom: float) -> int:
    """The shell of a resolution, at least 2 and below Nyquist."""
    shell = int(np.floor(box_px * pixel_size_angstrom / resolution_angstrom))
    return int(np.clip(shell, 2, box_px // 2 - 1))


def trusted_fsc(curve: FSCCurve, last_shell: int) -> Float[np.ndarray, " shells"]:
    """FSC as a share of signal, 0 beyond ``last_shell``, where the curve is noise.

    It is also the Wiener filter of one half-map: the signal-to-noise ratio of its shells is
    ``s = FSC / (1 - FSC)``, so ``s / (s + 1)`` is the FSC itself.
    """
    response = np.clip(curve.bridged_values(), 0.0, 1.0)
    response[0] = 1.0
    response[last_shell + 1 :] = 0.0
    return response.astype(np.float32)


def in_region_box(
    response: Float[np.ndarray, " shells"], problem: Problem
) -> Float[np.ndarray, " region_shells"]:
    """A filter of the map's box at the same frequencies of the region's."""
    shells = np.arange(problem.region_box_px // 2 + 1) * (problem.box_px / problem.region_box_px)
    values = np.interp(shells, np.arange(response.size), response, right=0.0)
    return values.astype(np.float32)


@dataclass(frozen=True)
class ScaledMap:
    """A given map on the scale of the images, and how well it agrees with them."""

    data: Float[np.ndarray, "z y x"]
    correlation: float

    @property
    def agrees(self) -> bool:
        """Whether the map plainly shows what the particles show at their poses."""
        return self.correlation >= _MIN_CORRELATION

    @property
    def is_inverted(self) -> bool:
        """Whether it plainly shows the opposite: a map of inverted contrast."""
        return self.correlation <= -_MIN_CORRELATION


def scale_to(
    given: Float[np.ndarray, "z y x"],
    reconstruction: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    resolution_angstrom: float,
) -> ScaledMap:
    """Bring a given map to the scale of a reconstruction by least squares below a resolution.

    The likelihood needs templates on the absolute scale of the images; maps come in any scale.
    """
    a = np.asarray(lowpass_cosine(given, voxel_size_angstrom, resolution_angstrom), np.float64)
    b = np.asarray(
        lowpass_cosine(reconstruction, voxel_size_angstrom, resolution_angstrom), np.float64
    )
    a, b = a - a.mean(), b - b.mean()
    product, power = float(np.sum(a * b)), float(np.sum(a * a))
    correlation = product / max(float(np.sqrt(power * float(np.sum(b * b)))), 1e-30)
    factor = product / max(power, 1e-30)
    return ScaledMap((factor * given).astype(np.float32), correlation)


def cut_region(volume: Float[np.ndarray, "z y x"], problem: Problem) -> Float[np.ndarray, "m m m"]:
    """The cube about the region's centre, zeros where it reaches beyond the map."""
    region = np.zeros((problem.region_box_px,) * 3, np.float32)
    source, target = _overlap(problem)
    region[target] = volume[source]
    return region


def paste_region(
    region: Float[np.ndarray, "m m m"], problem: Problem
) -> Float[np.ndarray, "z y x"]:
    """The map's box with the region's cube in its place and zeros around it."""
    volume = np.zeros((problem.box_px,) * 3, np.float32)
    source, target = _overlap(problem)
    volume[source] = region[target]
    return volume


def _overlap(problem: Problem) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the region's cube lies in the map, and which part of the cube that is."""
    n, m = problem.box_px, problem.region_box_px
    low = problem.region_centre_voxels[::-1] + n // 2 - m // 2
    source = tuple(slice(max(0, a), min(n, a + m)) for a in low)
    target = tuple(slice(s.start - a, s.stop - a) for s, a in zip(source, low, strict=True))
    return source, target


def region_projector(cube: Float[np.ndarray, "m m m"], problem: Problem) -> Projector:
    """A projector of a cube about the region's centre, for the whole disc of its box.

    Its shape does not follow the resolution: nothing is compiled anew as that improves.
    """
    padded = _PADDING * cube.shape[0]
    radius = slice_radius(problem.region_disc.radius_px, problem.region_box_px, padded)
    return make_projector(on_device(cube), min(radius, padded // 2 - 1), _PADDING)


def make_region(cube: Float[np.ndarray, "m m m"], problem: Problem) -> Region:
    """Templates of a filtered, masked cube about the region's centre."""
    return Region(
        projector=region_projector(cube, problem),
        centre_px=on_device(problem.region_centre_voxels, np.float32),
        lever_px=on_device(problem.lever_px(), np.float32),
        spread_px2=on_device(problem.region_spread_px2, np.float32),
    )


def make_whole_projector(volume: Float[np.ndarray, "z y x"], problem: Problem) -> Projector:
    """A map about the centre of its box, for discs up to Nyquist."""
    padded = _PADDING * problem.box_px
    radius = min(slice_radius(problem.disc.radius_px, problem.box_px, padded), padded // 2 - 1)
    return make_projector(on_device(volume), radius, _PADDING)


def filter_half(
    half_map: Float[np.ndarray, "z y x"], curve: FSCCurve, last_shell: int
) -> Float[np.ndarray, "z y x"]:
    """A half-map filtered for use as a reference."""
    return np.asarray(apply_shell_filter(half_map, trusted_fsc(curve, last_shell)))
