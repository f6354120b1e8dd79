"""Sets of search settings that fit common cases, each with its reason."""

import math
from dataclasses import dataclass
from typing import Any

from locref_widgets.refinement.settings import RefinementSettings

_SEARCH = (
    "rotation_extent",
    "shift_extent",
    "initial_lowpass",
    "prior_rotation",
    "prior_shift",
    "recenter_rotations",
    "recenter_shifts",
    "shrink_extents",
)
_LEAST_SHIFT_EXTENT_PX = 2.0


@dataclass(frozen=True)
class Preset:
    """Values of the search; everything else (fulcrum, mask, job) stays as it is.

    `shift_extent_angstrom` is the diameter of the disc of shifts where it is a length rather than a
    number of pixels; `shift_extent` in `values` serves where the pixel size is unknown.
    """

    name: str
    reason: str
    values: dict[str, Any]
    shift_extent_angstrom: float | None = None

    def apply(
        self, settings: RefinementSettings, pixel_size_angstrom: float | None = None
    ) -> RefinementSettings:
        """Put the preset's values in place; search settings that it leaves out go to defaults."""
        search = {name: RefinementSettings.model_fields[name].default for name in _SEARCH}
        search |= self.values
        if self.shift_extent_angstrom is not None and pixel_size_angstrom is not None:
            extent_px = self.shift_extent_angstrom / pixel_size_angstrom
            search["shift_extent"] = max(_LEAST_SHIFT_EXTENT_PX, round(extent_px, 1))
        return RefinementSettings(**(settings.model_dump() | search))


PRESETS = (
    Preset(
        "Usual search",
        "20° and a disc of 10 px: wide enough for most hinges, and what people know from other"
        " programs. How far particles turn is learned on the way. If they pile up at the limits of"
        " the histograms, go wider.",
        {},
    ),
    Preset(
        "Small domain",
        "A small region gives each image little signal, so its pose follows noise unless it is"
        " held: priors of 3° and 1 Å, as is usual below about 50 kDa, and a search of three"
        " standard deviations (9°, 3 Å each way), which holds 97 % and 99 % of them. Priors that"
        " are too narrow show as a histogram that ends at a few degrees: then double them.",
        {
            "rotation_extent": round(math.radians(9.0), 3),
            "shift_extent": 6.0,
            "prior_rotation": 3.0,
            "prior_shift": 1.0,
        },
        shift_extent_angstrom=6.0,
    ),
    Preset(
        "Large swing",
        "40° and a disc of 20 px for a region that swings far. In the starting map it is smeared"
        " over its whole way, so only its coarse shape is true: low-passed to 20 Å. The search is"
        " about 2³ × 2² = 32 times as large; it is centred on the poses found, and its extents are"
        " halved each time that the resolution has doubled: only the first iterations pay for it.",
        {
            "rotation_extent": 0.7,
            "shift_extent": 20.0,
            "initial_lowpass": 20.0,
            "recenter_rotations": True,
            "recenter_shifts": True,
            "shrink_extents": True,
        },
    ),
    Preset(
        "Fine polish",
        "Poses that are already good to a few degrees: 5° and a disc of 4 px, a small search that"
        " cannot lose them. The starting map is sharp by then and is used to 8 Å; beyond that the"
        " half-sets should find their detail on their own.",
        {
            "rotation_extent": round(math.radians(5.0), 3),
            "shift_extent": 4.0,
            "initial_lowpass": 8.0,
        },
    ),
)
