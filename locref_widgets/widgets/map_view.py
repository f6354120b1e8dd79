"""Maps with their surface, a mask and a fulcrum: three linked slices and a surface."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.dynamic import centre_of_mass_angstrom
from locref_widgets.refinement.fulcrum_point import (
    angstrom_to_voxels,
    check_inside_box,
    voxels_to_angstrom,
)
from locref_widgets.widgets.volume_widget import STATIC, MapOrPath, VolumeWidget, as_map

# x, y, z
Point = Sequence[float] | np.ndarray

BUNDLE = STATIC / "map_view.js"


class MapView(VolumeWidget):
    """Three orthogonal slices of a map, its surface, a mask's outline, the fulcrum as a cross.

    Further maps are drawn over the first one by `overlays` or `add_map`; `set_layer` changes how
    each is shown. Traits to read, set and observe: `level`, `cursor`, `layers`, `picked`,
    `fulcrum`. A click on the surface brings the slices there and sets `picked`.

    Parameters
    ----------
    volume
        A map from `read_map`, or the path of one; it need not be cubic.
    mask
        A mask on the same grid.
    fulcrum
        Voxels (x, y, z) from the map's corner, `"box"` for its centre, `"mask"` for the mask's
        centre of mass, or None for no cross.
    fulcrum_angstrom
        The same point in Å from the map's centre; give one of the two.
    level
        Contour level in the map's units; found by Otsu's threshold when not given.
    overlays
        Further maps, on any grid.

    Raises
    ------
    InputError
        Map and mask differ in grid, the fulcrum lies outside the box, or both forms are given.
    """

    fulcrum = traitlets.List(
        traitlets.Float(), help="Voxels (x, y, z) from the corner; empty: none"
    ).tag(sync=True)

    def __init__(
        self,
        volume: MapOrPath,
        mask: MapOrPath | None = None,
        fulcrum: Point | str | None = None,
        *,
        fulcrum_angstrom: Point | None = None,
        level: float | None = None,
        overlays: Iterable[MapOrPath] = (),
    ) -> None:
        volume = as_map(volume)
        mask = None if mask is None else as_map(mask)
        traits: dict[str, Any] = {}
        point = fulcrum_voxels(volume, mask, fulcrum, fulcrum_angstrom)
        if point is not None:
            last = np.array(volume.size_xyz) - 1
            traits["fulcrum"] = [float(value) for value in point]
            traits["cursor"] = [int(value) for value in np.clip(np.rint(point), 0, last)]
        super().__init__(volume, mask, level=level, overlays=overlays, **traits)


def fulcrum_voxels(
    volume: Map,
    mask: Map | None,
    fulcrum: Point | str | None,
    fulcrum_angstrom: Point | None,
) -> Float[np.ndarray, "3"] | None:
    """The fulcrum in any of its forms as voxels (x, y, z) from the corner. Raises `InputError`."""
    if fulcrum is not None and fulcrum_angstrom is not None:
        raise InputError("Give the fulcrum in voxels or in Å, not both.")
    if fulcrum is None and fulcrum_angstrom is None:
        return None
    box_px, voxel_size_angstrom = volume.box_px, volume.voxel_size_angstrom
    if isinstance(fulcrum, np.ndarray):
        fulcrum = fulcrum.tolist()  # an array compared with a word is no truth value
    if fulcrum_angstrom is not None:
        point = _three(fulcrum_angstrom)
    elif fulcrum == "box":
        point = np.zeros(3)
    elif fulcrum == "mask":
        if mask is None:
            raise InputError("The fulcrum 'mask' is the mask's centre of mass: give a mask too.")
        point = centre_of_mass_angstrom(mask.data, voxel_size_angstrom)
    elif isinstance(fulcrum, str):
        raise InputError(f"The fulcrum is {fulcrum!r}; give x, y, z in voxels, 'mask' or 'box'.")
    else:
        point = voxels_to_angstrom(_three(fulcrum), box_px, voxel_size_angstrom)
    check_inside_box(
        point, box_px, voxel_size_angstrom, typed_in_angstrom=fulcrum_angstrom is not None
    )
    return angstrom_to_voxels(point, box_px, voxel_size_angstrom)


def _three(point: Any) -> Float[np.ndarray, "3"]:
    numbers = np.asarray(point, dtype=np.float64)
    if numbers.shape != (3,):
        raise InputError(f"The fulcrum has {numbers.size} numbers; give three: x, y, z.")
    return numbers
