"""Regions of the map: cut it up, group, join, split, and take some into the mask."""

from typing import Any

import ipywidgets as widgets

from locref_widgets.errors import InputError
from locref_widgets.masks.level_text import LEVEL_FORMS, find_level
from locref_widgets.masks.recipe_step import with_values
from locref_widgets.masks.smoothing import smooth
from locref_widgets.widgets.mask_studio_state import STALE_REGIONS
from locref_widgets.widgets.region_choice import RegionChoice, segment_map
from locref_widgets.widgets.region_table import LISTED, RegionTable
from locref_widgets.widgets.studio_parts import (
    LABEL_WIDTH,
    Host,
    Task,
    button,
    chosen_how,
    column,
    note,
    row,
    said,
    slider,
    text,
)
from locref_widgets.widgets.studio_view import StudioView

_NO_REGIONS = (
    "Segment the map first. Then click regions in the slices or on the surface: they join the "
    "preview of the mask. Drag from one region to others to merge them, Alt-click to split one."
)


class RegionPanel:
    """Segmentation by watershed and scale space, with the regions chosen by clicks."""

    def __init__(self, host: Host, view: StudioView, how: widgets.ToggleButtons) -> None:
        self._host, self._view, self._how = host, view, how
        self._quiet = False
        self._shown: RegionChoice | None = None
        self._hidden: set[int] = set()
        self.task = Task(host)
        self.level = text("Density from", f"The lowest level of a region: {LEVEL_FORMS}", "auto")
        self.smoothing = slider(
            "Smooth before",
            "Standard deviation in voxels of a Gaussian, for noisy maps: fewer regions",
            0,
            4,
            0.25,
            0,
            "voxels",
        )
        self.steps = widgets.BoundedIntText(
            value=4,
            min=0,
            max=30,
            description="Grouping steps",
            tooltip="Each step smooths by a voxel more and joins regions whose peaks meet",
            style={"description_width": LABEL_WIDTH},
            layout=widgets.Layout(width="190px"),
        )
        self.grouping = slider(
            "Grouping", "How far regions are grouped: 0, every peak is one", 0, 4, 1, 0
        )
        self.grouping.disabled = True
        self.count = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.table = RegionTable(self._on_table)
        self.grouping.observe(self._on_grouping, "value")
        run = button("Segment", "Cut the map into regions", self.segment, primary=True)
        self._buttons = {
            "merge": button("Merge", "Join the chosen regions to one", self._merge),
            "split": button("Split", "Take the chosen region apart", self._split),
            "delete": button("Delete", "Take the chosen regions away; undo has them", self._delete),
            "none": button("Choose none", "Choose no region", self._choose_none),
            "take": button(
                "Take into the mask",
                "Commit the chosen regions, joined as the switch above says",
                self._take,
                primary=True,
            ),
        }
        self.widget = column(
            row(how),
            row(self.smoothing),
            row(self.level, self.steps, run, self.task.widget),
            row(self.grouping, self.count),
            row(*self._buttons.values()),
            self.table,
        )
        view.handlers["regions"] = self.on_places
        self.refresh()

    def segment(self) -> None:
        """Cut the density into regions, in the background."""
        state, density = self._host.state, self._host.state.density
        smoothing, steps = self.smoothing.value, self.steps.value
        made_by = state.density_steps
        try:
            # In the map that is cut up, whose peaks are lower once it has been smoothed.
            cut = with_values(density, smooth(density.data, smoothing)) if smoothing else density
            level, reason = find_level(self.level.value, cut)
        except InputError as error:
            self._host.say(str(error), "error")
            return

        def take(choice: RegionChoice) -> None:
            state.work_on_regions(choice, "segment the map")
            self._view.tool = "regions"
            self._host.say(f"level {level:.4g}: {reason}")

        self.task.run(
            "cutting the map into regions…",
            lambda: segment_map(
                density, level, smoothing_px=smoothing, steps=steps, made_by=made_by
            ),
            take,
        )

    def on_places(self, places: list[dict[str, Any]], split: bool) -> None:
        """Follow the pointer: a click chooses or splits, a stroke over several merges."""
        choice = self._host.state.regions
        if choice is None:
            stale = self._host.state.regions_are_stale
            self._host.say(STALE_REGIONS if stale else _NO_REGIONS)
            return
        found: dict[int, None] = {}
        for place in places:
            voxel, direction = place.get("voxel"), place.get("direction")
            number = None
            if isinstance(voxel, list) and len(voxel) == 3:
                inside = self._inside(voxel)
                number = inside and choice.region_near(inside, direction and tuple(direction))
            if number is not None and number not in self._hidden:
                found[number] = None
        ids = list(found)
        if not ids:
            return
        if split:
            self._change(lambda: choice.split(ids[0]), f"split region {ids[0]}")
        elif len(ids) == 1:
            self._change(lambda: choice.toggle(ids), f"choose region {ids[0]}")
        else:
            self._change(lambda: choice.merge(ids), f"merge {len(ids)} regions")

    def refresh(self) -> None:
        """Show the regions of the state."""
        choice = self._host.state.regions
        self._enable(choice)
        if choice is None:
            stale = self._host.state.regions_are_stale
            self.count.value = said(STALE_REGIONS, "warning") if stale else note(_NO_REGIONS)
        if choice is self._shown:
            return
        before, self._shown = self._shown, choice
        if choice is None:
            self.table.rows, self.table.left_out = [], 0
            self._view.show_regions(None, [])
            return
        regions = choice.tree.regions()
        ids = [region.id for region in regions]
        if before is None or before.tree is not choice.tree:
            self._hidden &= set(ids)
            self._view.show_regions(choice.tree.labels(), ids)
        chosen = set(choice.chosen)
        self.table.rows = [
            {
                "id": region.id,
                "rank": rank,
                "voxels": region.voxels,
                "kda": round(region.mass_kda, 2),
                "contacts": region.contacts,
                "leaves": region.leaves,
                "chosen": region.id in chosen,
                "hidden": region.id in self._hidden,
            }
            for rank, region in enumerate(regions[:LISTED], start=1)
        ]
        self.table.left_out = max(0, len(regions) - LISTED)
        self._mark(ids)
        self._quiet = True
        self.grouping.max = choice.tree.segmentation.hierarchy.n_levels - 1
        self.grouping.value = choice.tree.level
        self._quiet = False
        total = sum(region.mass_kda for region in regions if region.id in chosen)
        self.count.value = note(
            f"{len(regions)} regions; {len(chosen)} chosen"
            + (f", {total:.3g} kDa" if chosen else "")
        )
        self._preview(choice)

    def _preview(self, choice: RegionChoice) -> None:
        if not choice.chosen:
            self._host.preview([], "")
            return
        made = choice.mask(self._host.state.density).data
        count = len(choice.chosen)
        self._view.show_preview(made, f"{count} region{'' if count == 1 else 's'} chosen")

    def _mark(self, ids: list[int]) -> None:
        ranks = {number: rank for rank, number in enumerate(ids, start=1)}
        chosen = [] if self._shown is None else self._shown.chosen
        self._view.chosen_ranks = [ranks[number] for number in chosen if number in ranks]
        self._view.hidden_ranks = [ranks[number] for number in self._hidden if number in ranks]

    def _enable(self, choice: RegionChoice | None) -> None:
        chosen = 0 if choice is None else len(choice.chosen)
        self.grouping.disabled = choice is None
        self._how.disabled = not self._host.state.has_mask
        least = {"merge": 2, "split": 1, "delete": 1, "none": 1, "take": 1}
        for name, made in self._buttons.items():
            made.disabled = chosen < least[name] or (name == "split" and chosen > 1)

    def _inside(self, voxel: list[float]) -> tuple[float, float, float] | None:
        """The place if it is in the box, brought onto its outermost voxels if next to them."""
        limits = [size - 1 for size in self._view.shape_xyz]
        if any(not -1 <= value <= high + 1 for value, high in zip(voxel, limits, strict=True)):
            return None
        x, y, z = (
            min(max(float(value), 0.0), float(high))
            for value, high in zip(voxel, limits, strict=True)
        )
        return x, y, z

    # What a hand does ----------------------------------------------------------------------------

    def _change(self, work: Any, words: str) -> None:
        self._host.act(lambda: self._host.state.work_on_regions(work(), words))

    def _on_grouping(self, _change: Any) -> None:
        choice = self._host.state.regions
        level = round(self.grouping.value)
        if self._quiet or choice is None or choice.tree.level == level:
            return
        self._change(lambda: choice.group_to(level), f"group regions to level {level}")

    def _on_table(self, kind: str, number: int) -> None:
        choice = self._host.state.regions
        if choice is None or number not in choice.tree.ids:
            return
        if kind == "toggle":
            self._change(lambda: choice.toggle([number]), f"choose region {number}")
        elif kind == "hide":
            self._hidden ^= {number}
            self._mark([region.id for region in choice.tree.regions()])
            self.table.rows = [
                {**row, "hidden": row["id"] in self._hidden} for row in self.table.rows
            ]
        else:
            region = next(r for r in choice.tree.regions() if r.id == number)
            self._view.cursor = list(region.point_xyz)

    def _chosen(self) -> tuple[RegionChoice, list[int]]:
        choice = self._host.state.regions
        if choice is None or not choice.chosen:
            raise InputError("no region is chosen.")
        return choice, choice.chosen

    def _merge(self) -> None:
        choice, ids = self._chosen()
        self._change(lambda: choice.merge(ids), f"merge {len(ids)} regions")

    def _split(self) -> None:
        choice, ids = self._chosen()
        self._change(lambda: choice.split(ids[0]), f"split region {ids[0]}")

    def _delete(self) -> None:
        choice, ids = self._chosen()
        self._change(lambda: choice.delete(ids), f"delete {len(ids)} regions")

    def _choose_none(self) -> None:
        choice, _ = self._chosen()
        self._change(choice.choose_none, "choose no region")

    def _take(self) -> None:
        def take() -> None:
            self._host.state.take_regions(chosen_how(self._how))
            self._host.preview([], "")

        self._host.act(take)
