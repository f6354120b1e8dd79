"""The files of a workbench, read once and read again when they have changed on the disc."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid, read_map
from locref_widgets.io.particles import Particles, check_particles_match_map, read_particles
from locref_widgets.io.placing import place_on_grid
from locref_widgets.widgets.workbench_state import WorkbenchState


def stamp_of(path: Path | None) -> tuple[int, int] | None:
    """What tells a file from another one in its place; None where there is none to be read."""
    try:
        return None if path is None else _stamp(path)
    except OSError:
        return None


def _stamp(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_mtime_ns, facts.st_size


class WorkbenchFiles:
    """What `WorkbenchState` names, in memory. Every method raises `InputError` for a bad file."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Path], tuple[tuple[int, int], Any]] = {}

    def particles(self, state: WorkbenchState) -> Particles:
        """Read the table; its images are read when they are needed."""
        return self._read("particles", state.particles, read_particles)

    def volume(self, state: WorkbenchState) -> Map:
        """Read the map."""
        return self._read("map", state.volume, read_map)

    def half_maps(self, state: WorkbenchState) -> tuple[Map, Map] | None:
        """Read both half-maps; None unless two were chosen."""
        if state.half_maps is None:
            return None
        first, second = state.half_maps
        return self._read("half1", first, read_map), self._read("half2", second, read_map)

    def mask(self, state: WorkbenchState) -> Map:
        """Read the mask and put it into the map's box, as a refinement does."""
        mask = self._read("mask", state.mask, read_map)
        return place_on_grid(self.volume(state), mask, "the mask")

    def check_data(self, state: WorkbenchState) -> None:
        """Raise `InputError` for files that cannot be read or do not belong together."""
        if state.volume is not None:
            volume = self.volume(state)
            for half in self.half_maps(state) or ():
                check_same_grid(volume, half, "the half-map")
            if state.particles is not None:
                check_particles_match_map(self.particles(state), volume)
        elif state.particles is not None:
            self.particles(state)

    def _read(self, what: str, path: Path | None, reader: Callable[[Path], Any]) -> Any:
        if path is None:
            raise InputError(f"{what}: is not chosen yet. Choose it in an earlier step.")
        try:
            stamp = _stamp(path)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}). Choose another file in an earlier "
                "step, or bring it back."
            ) from error
        held = self._held.get((what, path))
        if held is None or held[0] != stamp:
            # One of each kind is kept: a map may be large.
            self._held = {key: value for key, value in self._held.items() if key[0] != what}
            held = self._held[what, path] = (stamp, reader(path))
        return held[1]
