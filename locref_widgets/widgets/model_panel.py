"""A mask from an atomic model: fit it in the map, then its density or what lies near its atoms."""

from pathlib import Path

import ipywidgets as widgets
import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.models import read_structure, write_model
from locref_widgets.masks.fit_in_map import Fit, fit_in_map
from locref_widgets.masks.fit_points import points_of_atoms, points_of_model
from locref_widgets.masks.fit_search import search_fits
from locref_widgets.masks.level_text import LEVEL_FORMS
from locref_widgets.masks.source_steps import File, ModelMap, NearAtoms
from locref_widgets.masks.volume_steps import Threshold
from locref_widgets.widgets.studio_parts import (
    LABEL_WIDTH,
    Host,
    Task,
    button,
    chosen_how,
    column,
    note,
    row,
    text,
)

_BY_DENSITY, _BY_DISTANCE = "density of the model", "distance from atoms"


class ModelPanel:
    """A model's file, the part of it, the fit, and the mask that it makes."""

    def __init__(
        self, host: Host, how: widgets.ToggleButtons, model: str | Path | None = None
    ) -> None:
        self._host, self._how = host, how
        self.task = Task(host)
        voxel = host.state.volume.voxel_size_angstrom
        resolution = host.state.resolution_angstrom or max(8.0, 3 * voxel)
        self.path = text(
            "Model",
            "PDB or mmCIF file, as the kernel sees it",
            str(model or ""),
            placeholder="model.cif",
            width="460px",
        )
        self.selection = text(
            "Part",
            "A part of it in MMDB's syntax: A (a chain), A,B, A/921-1396 (residues)",
            placeholder="all of it",
        )
        self.fit_resolution = text(
            "Fit at (Å)",
            "The model is fitted at this resolution; empty: by its atoms alone",
            f"{resolution:g}",
            width="200px",
        )
        self.saved_as = text(
            "Fitted model",
            "File in which the fitted model is written, .cif or .pdb",
            placeholder="model_fitted.cif",
            width="460px",
        )
        self.kind = widgets.RadioButtons(
            options=[_BY_DENSITY, _BY_DISTANCE],
            value=_BY_DISTANCE,
            description="Mask by",
            tooltip="A radius about atoms needs no threshold; density follows their weights",
            style={"description_width": LABEL_WIDTH},
            layout=widgets.Layout(width="330px", height="auto"),
        )
        self.radius = text("Radius (Å)", "What lies so near an atom is in the mask", "6")
        self.resolution = text("Density at (Å)", "12 to 20 Å are usual for masks", "16")
        self.level = text("Threshold", f"Of the model's density: {LEVEL_FORMS}", "95%")
        self.starts = widgets.BoundedIntText(
            value=0,
            min=0,
            max=1000,
            description="Random starts",
            tooltip="0: fit from where the model is; else search the whole map from so many starts",
            style={"description_width": LABEL_WIDTH},
            layout=widgets.Layout(width="200px"),
        )
        self._fitted = widgets.HTML()
        self.fit_button = button(
            "Fit in the map", "Move the model to the nearest maximum of the density", self.fit
        )
        preview = button("Preview", "Show what the model would make", self._preview)
        make = button(
            "Take into the mask",
            "Commit it, joined as the switch above says",
            self._take,
            primary=True,
        )
        self.kind.observe(lambda _change: self.refresh(), "value")
        self._by_density = column(self.resolution, self.level)
        self._by_distance = column(self.radius)
        self.widget = column(
            row(how),
            row(self.path, self.selection),
            row(self.fit_resolution, self.starts, self.saved_as, self.fit_button, self.task.widget),
            self._fitted,
            row(self.kind, self._by_distance, self._by_density),
            row(preview, make),
        )
        self.refresh()

    def refresh(self) -> None:
        """Show the fields of the way chosen."""
        by_density = self.kind.value == _BY_DENSITY
        self._by_density.layout.display = "" if by_density else "none"
        self._by_distance.layout.display = "none" if by_density else ""
        self._how.disabled = not self._host.state.has_mask

    def steps(self) -> list:
        """Name the steps that make a mask of the model. Raises `InputError`."""
        file = File.of(self._model())
        part = self.selection.value.strip() or None
        if self.kind.value == _BY_DISTANCE:
            radius = _number(self.radius, "the radius")
            return [NearAtoms(model=file, radius_angstrom=radius, selection=part)]
        resolution = _number(self.resolution, "the density's resolution")
        made = ModelMap(model=file, resolution_angstrom=resolution, selection=part)
        return [made, Threshold(level=self.level.value)]

    def fit(self) -> None:
        """Fit the model in the background, and write it where it was moved to."""
        density = self._host.state.density
        part = self.selection.value.strip() or None
        try:
            path = self._model()
            out = self._out(path)
            starts = self.starts.value
            typed = self.fit_resolution.value.strip()
            resolution = _number(self.fit_resolution, "the fit's resolution") if typed else None
        except InputError as error:
            self._host.say(str(error), "error")
            return

        def work() -> Fit:
            points = (
                points_of_atoms(path, selection=part)
                if resolution is None
                else points_of_model(path, resolution, selection=part)
            )
            metric = "average" if resolution is None else "correlation about mean"
            if starts:
                return search_fits(points, density, metric=metric, n=starts)[0]
            return fit_in_map(points, density, metric=metric)

        def take(fit: Fit) -> None:
            write_model(out, read_structure(path), fit.rotation, fit.translation_angstrom)
            self.path.value = str(out)
            self._fitted.value = note(
                f"Moved by {fit.shift_angstrom:.2f} Å and {fit.angle_deg:.2f}°; {fit.metric} "
                f"{fit.value:.3g}; {100 * fit.fraction_inside:.0f} % of the points in density. "
                f"Written: {out}."
            )

        self.task.run("fitting the model…", work, take)

    def _model(self) -> Path:
        typed = self.path.value.strip()
        if not typed:
            raise InputError("type the model's file first: PDB or mmCIF.")
        return Path(typed).expanduser()

    def _out(self, path: Path) -> Path:
        typed = self.saved_as.value.strip()
        out = Path(typed).expanduser() if typed else Path(f"{path.stem.split('.')[0]}_fitted.cif")
        if out.exists():
            raise InputError(f"{out}: is there already. Give the fitted model another name.")
        return out

    def _preview(self) -> None:
        def show() -> None:
            steps = self.steps()
            step = self._host.state.source(chosen_how(self._how), *steps)
            self._host.preview([step], step.describe())

        self._host.act(show)

    def _take(self) -> None:
        def take() -> None:
            state = self._host.state
            state.do(state.source(chosen_how(self._how), *self.steps()))

        self._host.act(take)


def _number(field: widgets.Text, what: str) -> float:
    try:
        value = float(field.value)
    except ValueError:
        value = float("nan")
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{what} is {field.value!r}: expected a length in Å above 0.")
    return value
