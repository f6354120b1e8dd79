"""What can be chosen about a subtraction, and what cannot be done."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.half_maps import check_half_maps
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.io.particles import Particles, check_particles_match_map
from locref_widgets.io.placing import place_on_grid
from locref_widgets.masks.checks import check_mask, check_mask_alone, covers_the_box
from locref_widgets.masks.dynamic import centre_of_mass_angstrom, radius_angstrom

SCALES = ("particle", "shared", "none")

_SMALLEST_CROP_PX = 16


@dataclass(frozen=True)
class SubtractOptions:
    """How to subtract.

    Attributes
    ----------
    scale
        "particle": the map is brought to the scale of the images, and each image's own scale is
        fitted; "shared": only the former; "none": the map is taken as it is.
    recenter
        Centre the boxes on the centre of mass of what is kept.
    centre_voxels
        Or on this point ``(x, y, z)`` of the map, in voxels from its corner. Either is taken to
        the nearest whole voxel, so that maps can follow without interpolation.
    crop_px
        Edge of the boxes written; None: as they are.
    adjust_defocus
        Correct each particle's defocus for the height of the new centre in it.
    float16
        Write half as many bytes (MRC mode 12).
    """

    scale: str = "particle"
    recenter: bool = False
    centre_voxels: tuple[float, float, float] | None = None
    crop_px: int | None = None
    adjust_defocus: bool = True
    float16: bool = False

    @property
    def moves_boxes(self) -> bool:
        """Whether the images written have another frame than those read."""
        return self.recenter or self.centre_voxels is not None or self.crop_px is not None


def check_subtraction(
    particles: Particles,
    keep: Map,
    volume: Map | None,
    half_maps: tuple[Map, Map] | None,
    options: SubtractOptions,
) -> list[str]:
    """Check that files and options of a subtraction belong together; return warnings.

    ``keep`` is the mask as `placed_mask` returned it.

    Raises
    ------
    InputError
        If they do not.
    """
    maps = [m for m in (volume, *(half_maps or ())) if m is not None]
    if not maps:
        check_particles_match_map(particles, keep)
    if options.scale not in SCALES:
        raise InputError(f"--scale {options.scale}: expected particle, shared or none.")
    if options.scale == "none" and not maps:
        raise InputError("without a map there is nothing to take as it is: give --map.")
    if particles.half_sets is None and (half_maps is not None or not maps):
        raise InputError(
            f"{particles.path}: there is no column rlnRandomSubset, so no half-set can be rid of"
            " its own half-map. Give one map for all (--map), or the table of a refinement with"
            " half-sets."
        )
    if options.recenter and options.centre_voxels is not None:
        raise InputError("give either --recenter (on the mask) or --center, not both.")
    crop = options.crop_px
    if crop is not None and not (_SMALLEST_CROP_PX <= crop <= particles.box_px and crop % 2 == 0):
        raise InputError(
            f"--crop is {crop}: expected an even number of pixels from {_SMALLEST_CROP_PX} to the"
            f" box of {particles.box_px} px."
        )
    warnings = check_mask(keep, maps[0]) if maps else check_mask_alone(keep)
    if covers_the_box(keep.data):
        raise InputError(
            f"{keep.path or 'the mask given'}: the mask covers the whole box, so nothing lies"
            " outside it to be subtracted. Give a mask around the part that is to be kept."
        )
    return warnings


def placed_mask(
    particles: Particles, keep: Map, volume: Map | None, half_maps: tuple[Map, Map] | None
) -> Map:
    """The mask in the box of the maps, once these fit the images and lie in one place.

    Raises
    ------
    InputError
        If a map does not fit the images, a half-map lies elsewhere, or the mask cannot be placed
        by whole voxels.
    """
    maps = [m for m in (volume, *(half_maps or ())) if m is not None]
    for map_ in maps:
        check_particles_match_map(particles, map_)
    if not maps:
        return keep
    for other in maps[1:]:
        check_same_grid(maps[0], other, "the half-map")
    if half_maps is not None:
        check_half_maps(*half_maps)
    return place_on_grid(maps[0], keep, "the mask")


def position_of_window(keep: Map, centre_px: Int[np.ndarray, " 3"], box_px: int) -> BoxPosition:
    """Where a window of the mask's box lies; zero for one that was moved out of a box at zero.

    ``centre_px`` (x, y, z) counts from voxel N // 2.
    """
    corner = centre_px + keep.box_px // 2 - box_px // 2
    if not np.any(corner) or keep.position == AT_ZERO:
        return keep.position
    first = keep.position.corner_angstrom(keep.voxel_size_angstrom)
    x, y, z = (float(v) for v in first + corner * keep.voxel_size_angstrom)
    return BoxPosition(origin_angstrom=(x, y, z))


def new_centre(keep: Map, options: SubtractOptions) -> Int[np.ndarray, " 3"]:
    """Whole voxel, relative to ``N // 2``, on which the new boxes are centred.

    Raises
    ------
    InputError
        If it lies outside the map.
    """
    middle = keep.box_px // 2
    if options.centre_voxels is not None:
        corner = np.rint(options.centre_voxels).astype(int)
        if np.any(corner < 0) or np.any(corner >= keep.box_px):
            raise InputError(
                f"--center {','.join(f'{v:g}' for v in options.centre_voxels)} lies outside the"
                f" box of {keep.box_px} voxels. It is counted in voxels from the map's corner;"
                " are these Å?"
            )
        return corner - middle
    if options.recenter:
        return np.rint(centre_of_mass_angstrom(keep.data, 1.0)).astype(int)
    return np.zeros(3, int)


def room_warning(keep: Map, centre_voxels: Int[np.ndarray, " 3"], box_px: int) -> str | None:
    """Warn where the region reaches beyond a box about a voxel (relative to ``N // 2``)."""
    reach = radius_angstrom(keep.data, 1.0, centre_voxels.astype(float))
    if reach <= box_px / 2:
        return None
    return (
        f"the region reaches {reach:.0f} px from the new centre, and a box of {box_px} px only"
        f" {box_px // 2}: some views show less of it. Recenter on the region, or crop less."
    )
