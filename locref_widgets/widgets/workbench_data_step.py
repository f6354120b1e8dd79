"""The first step of a workbench: particles, map and half-maps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from locref_widgets.errors import InputError
from locref_widgets.io.info import describe
from locref_widgets.io.particles import CS_SUFFIXES
from locref_widgets.sample import sample_paths
from locref_widgets.widgets.facts import facts_html, faults_html
from locref_widgets.widgets.map_view import MapView
from locref_widgets.widgets.particle_table import ParticleTable
from locref_widgets.widgets.path_field import PathField
from locref_widgets.widgets.studio_parts import button, column, note, row, said
from locref_widgets.widgets.workbench_files import stamp_of
from locref_widgets.widgets.workbench_parts import MAPS, Bench, BenchStep, empty
from locref_widgets.widgets.workbench_state import WorkbenchState

_NOTHING = (None, None)


class DataStep(BenchStep):
    """Particles, map and half-maps: chosen, read, and shown with what is wrong with them."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        tables = (".star", *CS_SUFFIXES)
        self.fields = {
            "particles": PathField(
                "Particles",
                "Table with poses of a consensus refinement: .star, .cs or .csg",
                tables,
                lambda path: self._choose("particles", path),
                placeholder="run_data.star",
            ),
            "volume": PathField(
                "Map",
                "Map of the consensus refinement, on the particles' grid",
                MAPS,
                lambda path: self._choose("volume", path),
                placeholder="run_class001.mrc",
            ),
            "half1": PathField(
                "Half-map 1",
                "Not required: unfiltered half-maps make better first references",
                MAPS,
                lambda path: self._choose("half1", path),
                placeholder="run_half1_class001_unfil.mrc (optional)",
            ),
            "half2": PathField(
                "Half-map 2",
                "Not required: the other half-map",
                MAPS,
                lambda path: self._choose("half2", path),
                placeholder="run_half2_class001_unfil.mrc (optional)",
            ),
        }
        self.sample = button(
            "Use the packaged sample",
            "800 simulated particles of a ribosomal subunit whose head moves, its map and mask",
            self._use_sample,
        )
        self._table, self._map = column(), column()
        self._shown: tuple[Any, Any] = (_NOTHING, _NOTHING)
        # What the fields name beyond the state: it is taken once it all goes together.
        self._wanted: dict[str, Path | None] = {}
        self._fault = ""
        self.widget = column(
            widgets.HTML(
                note(
                    "Paths as the kernel sees them; begin to type and choose from the list. "
                    "To look around first:"
                )
            ),
            row(self.sample),
            *(field.widget for field in self.fields.values()),
            self._table,
            self._map,
        )

    @property
    def fault(self) -> str:
        """Why the files that the fields name are not taken."""
        return self._fault

    def refresh(self) -> None:
        """Show the files that the fields name."""
        state = self._bench.state.with_(**self._wanted)
        for name, field in self.fields.items():
            field.show(getattr(state, name))
        table = (state.particles, stamp_of(state.particles))
        volume = (state.volume, stamp_of(state.volume))
        # What failed to be shown is not noted as shown: it is tried again.
        if table != self._shown[0] and _fill(self._table, lambda: _table_of(state.particles)):
            self._shown = (table, self._shown[1])
        if volume != self._shown[1] and _fill(self._map, lambda: self._map_of(state)):
            self._shown = (self._shown[0], volume)

    def _map_of(self, state: WorkbenchState) -> list[widgets.Widget]:
        if state.volume is None:
            return []
        facts = describe(state.volume)
        told = widgets.HTML(facts_html(facts, "density map") + faults_html(facts["faults"]))
        return [told, MapView(self._bench.files.volume(state))]

    def _choose(self, name: str, path: Path | None) -> None:
        bench, files = self._bench, self._bench.files
        self._wanted[name] = path
        chosen = bench.state.with_(**self._wanted)
        bench.say(f"Reading {path.name}…" if path else "")

        def check() -> None:
            try:
                files.check_data(chosen)
            except Exception as error:
                self._fault = str(error)
                raise

        self._fault = ""
        if not bench.attempt(check):
            self.refresh()
            bench.refresh_frame()
        elif chosen == bench.state:
            self._take_back()
        else:
            self._wanted = {}
            bench.update(**{one: getattr(chosen, one) for one in self.fields})

    def _take_back(self) -> None:
        """Show the state: nothing else is wanted any more."""
        self._wanted, self._fault = {}, ""
        self._bench.say("")
        self.refresh()
        self._bench.refresh_frame()

    def _use_sample(self) -> None:
        self._take_back()
        paths = sample_paths()
        settings = self._bench.state.settings.model_copy(
            update={
                "fulcrum_angstrom": paths["fulcrum_angstrom"],
                "fulcrum": None,
                "shift_extent": 6.0,
                "initial_lowpass": 15.0,
            }
        )
        self._bench.update(
            particles=paths["particles"],
            volume=paths["map"],
            half1=None,
            half2=None,
            mask=paths["mask"],
            settings=settings,
        )
        self._bench.say("The sample's files, its mask, and settings that suit it were chosen.")


def _table_of(particles: Path | None) -> list[widgets.Widget]:
    return [] if particles is None else [ParticleTable(particles)]


def _fill(box: widgets.Box, make: Callable[[], list[widgets.Widget]]) -> bool:
    """Show what is made in a box, or why it cannot be made; whether it was made."""
    empty(box)
    try:
        box.children = tuple(make())
    except InputError as error:
        # The fields stay in sight: another file is chosen there.
        box.children = (widgets.HTML(said(str(error), "error")),)
        return False
    return True
