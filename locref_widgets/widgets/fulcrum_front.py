"""The kernel's side of the fulcrum picker's front end: exact picks, quick choices, words."""

from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.fulcrum_choices import interface_with_rest
from locref_widgets.refinement.fulcrum_point import (
    angstrom_to_voxels,
    check_inside_box,
    far_from_mask_warnings,
    voxels_to_angstrom,
)
from locref_widgets.refinement.region_reach import RegionReach, measure_region
from locref_widgets.widgets.volume_widget import VolumeWidget


class FulcrumFront(VolumeWidget):
    """Slices and surface with a fulcrum that is placed; `FulcrumPicker` is made of it."""

    _bundle = "fulcrum_picker.js"

    fulcrum = traitlets.List(
        traitlets.Float(), minlen=3, maxlen=3, help="Voxels (x, y, z) from the corner"
    ).tag(sync=True)
    rotation_extent = traitlets.Float(help="Largest rotation searched, rad").tag(sync=True)
    shift_extent = traitlets.Float(help="Diameter of the disc of shifts, pixels").tag(sync=True)
    choices = traitlets.List(
        traitlets.Dict(), help="Quick choices: id, label, tip, reason (why it cannot be chosen)"
    ).tag(sync=True)
    found = traitlets.Unicode(help="How the point was found, in words").tag(sync=True)
    advice = traitlets.Unicode(help="What may be wrong with it, in words").tag(sync=True)
    run_path = traitlets.Unicode(help="Folder of an earlier run").tag(sync=True)

    def __init__(self, volume: Map, mask: Map | None, **traits: Any) -> None:
        self._box_px = volume.box_px
        self._mask = mask
        self._region: RegionReach | None = None if mask is None else measure_region(mask)
        super().__init__(volume, mask, choices=_choices(mask is not None), **traits)
        self._answers |= {
            "need_region": self._send_region,
            "pick_fulcrum": self._pick_fulcrum,
            "choose": lambda content: self.choose(str(content.get("choice"))),
            "use_run": lambda content: self.use_run(str(content.get("path", ""))),
        }
        self.observe(self._advise, "fulcrum")
        self._advise()

    def choose(self, choice: str) -> None:
        """Take a quick choice: "box", "mask" or "interface". What prevents it is told in words."""
        try:
            point_angstrom, words = self._chosen(choice)
        except InputError as error:
            self.advice = str(error)
            return
        self.place_angstrom(point_angstrom, words)

    def use_run(self, path: str) -> None:
        """Take the fulcrum that an earlier run's pose changes speak for."""
        # With the runs comes JAX, for seconds, and few pickers need them.
        from locref_widgets.runs.folder import RunFolder
        from locref_widgets.runs.fulcrum_estimate import describe_estimate

        self.run_path = path
        try:
            if not path:
                raise InputError("Give the folder of an earlier run, as in runs/a.")
            estimate = RunFolder(path).summary.get("fulcrum_estimate")
            if estimate is None:
                raise InputError(
                    f"{path}: holds no fitted fulcrum; it is fitted when a run has finished."
                )
            found, _ = describe_estimate(estimate)
            if not estimate["is_offered"]:
                raise InputError(f"{path}: {estimate['reason']}.")
            point = np.asarray(estimate["point_angstrom"], dtype=np.float64)
            check_inside_box(point, self._box_px, self.voxel_size_angstrom, typed_in_angstrom=True)
        except InputError as error:
            self.advice = str(error)
            return
        worst = estimate.get("worst_error_angstrom")
        worst = f" At worst ± {worst:.1f} Å, along one direction." if worst else ""
        self.place_angstrom(point, f"From {path}: {found}{worst}")

    def place_angstrom(self, point_angstrom: Float[np.ndarray, "3"], words: str) -> None:
        """Put the fulcrum at a point in Å from the centre, found as the words say."""
        voxels = angstrom_to_voxels(point_angstrom, self._box_px, self.voxel_size_angstrom)
        self.found = words
        self.fulcrum = [float(value) for value in voxels]
        self._advise()

    @traitlets.validate("fulcrum")
    def _inside(self, proposal: dict[str, Any]) -> list[float]:
        point = np.asarray(proposal["value"], dtype=np.float64)
        size = float(self.voxel_size_angstrom) or 1.0
        if not np.isfinite(point).all():
            raise InputError(f"the fulcrum {proposal['value']} is no place; give three numbers.")
        check_inside_box(
            voxels_to_angstrom(point, self._box_px, size),
            self._box_px,
            size,
            typed_in_angstrom=False,
        )
        return [float(value) for value in point]

    def _chosen(self, choice: str) -> tuple[Float[np.ndarray, "3"], str]:
        if choice == "box":
            return np.zeros(3), "The centre of the box."
        if self._mask is None or self._region is None:
            raise InputError("There is no mask, so this choice is not there.")
        if choice == "mask":
            return self._region.centre_angstrom, "The mask's centre of mass."
        if choice != "interface":
            raise InputError(f"There is no choice {choice!r}.")
        found = interface_with_rest(
            self._mask.data, self.map.data, self.level, float(self.voxel_size_angstrom)
        )
        if not found.contacts:
            words = (
                f"Half-way between the masked density and the rest, which are"
                f" {found.gap_angstrom:.1f} Å apart at the contour level {self.level:.4g}."
            )
        else:
            others = f", the largest of {found.patches} joints" if found.patches > 1 else ""
            words = (
                f"The middle of the interface between the masked density and the rest at the"
                f" contour level {self.level:.4g}: {found.contacts} faces{others}."
            )
        return found.point_angstrom, words

    def _advise(self, _change: Any = None) -> None:
        told: list[str] = []
        if self._region is not None and len(self.fulcrum) == 3:
            size = float(self.voxel_size_angstrom)
            told = far_from_mask_warnings(
                voxels_to_angstrom(np.asarray(self.fulcrum), self._box_px, size),
                self._box_px,
                size,
                self._region.centre_angstrom,
                self._region.radius_angstrom,
                typed_in_angstrom=False,
            )
        self.advice = " ".join(text[0].upper() + text[1:] for text in told)

    def _send_region(self, _content: dict[str, Any]) -> None:
        if self._region is None:
            return
        size, box = float(self.voxel_size_angstrom), self._box_px
        corners = self._region.corners_angstrom / size + box // 2
        centre = angstrom_to_voxels(self._region.centre_angstrom, box, size)
        self.send(
            {"kind": "region", "centre": [float(value) for value in centre]},
            [np.ascontiguousarray(corners, np.float32).tobytes()],
        )

    def _pick_fulcrum(self, content: dict[str, Any]) -> None:
        self._pick(content)
        if self.picked:
            name = next(
                (item["name"] for item in self.layers if item["id"] == self.picked["layer"]), "map"
            )
            self.found = f"Clicked on the surface of {name}."
            self.fulcrum = self.picked["voxel"]


def _choices(has_mask: bool) -> list[dict[str, str]]:
    without = "" if has_mask else "There is no mask"
    return [
        {
            "id": "box",
            "label": "Box centre",
            "tip": "The centre of rotation of the box, voxel N // 2",
            "reason": "",
        },
        {
            "id": "mask",
            "label": "Mask's centre",
            "tip": "The mask's centre of mass: for a region that turns in place",
            "reason": without,
        },
        {
            "id": "interface",
            "label": "Interface with the rest",
            "tip": "The middle of where density over the contour level inside the mask meets that "
            "outside of it: a first guess of a hinge",
            "reason": without,
        },
    ]
