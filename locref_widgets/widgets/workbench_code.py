"""The Python lines that do what was clicked in a workbench."""

from pathlib import Path

from locref_widgets.refinement.settings_export import changed_settings
from locref_widgets.widgets.path_field import shown_path
from locref_widgets.widgets.workbench_state import Step, WorkbenchState

_LINE = 88


def code_of(state: WorkbenchState, folder: Path) -> list[tuple[Step, str]]:
    """Write what the state holds as Python: (step, lines), in the order in which they run.

    ``folder`` is the workbench's. Paths below the working directory are written relative to it.
    """
    parts: list[tuple[Step, str]] = [("data", "import locref_widgets as lw")]

    def read(name: str, path: Path, reader: str = "read_map") -> str:
        return f"{name} = lw.{reader}({shown_path(path)!r})"

    if state.particles:
        parts.append(("data", read("particles", state.particles, "read_particles")))
    if state.volume:
        parts.append(("data", read("volume", state.volume)))
    if state.half_maps:
        lines = [read(f"half{n}", path) for n, path in enumerate(state.half_maps, start=1)]
        parts.append(("data", "\n".join(lines)))
    if state.mask:
        parts.append(("mask", read("mask", state.mask)))
    if not (state.volume and state.mask):
        return parts
    settings = _settings(state)
    parts.append(("settings", settings))
    if state.run:
        out = shown_path(folder / "runs" / state.run)
        halves = ", half_maps=(half1, half2)" if state.half_maps else ""
        call = f"run = lw.start_refinement(particles, volume, mask, settings, out={out!r}{halves})"
        if len(call) > _LINE:
            call = (
                "run = lw.start_refinement(\n    particles, volume, mask, settings,\n"
                f"    out={out!r}{halves},\n)"
            )
        parts.append(("run", f"{call}\nlw.RunDashboard(run)"))
        final = shown_path(folder / "runs" / state.run / "final" / "map.mrc")
        parts.append(("results", f"lw.MapView(lw.read_map({final!r}), mask)"))
    if len(state.compared) > 1:
        names = ", ".join(repr(shown_path(folder / "runs" / name)) for name in state.compared)
        parts.append(("results", f"lw.RunComparison([{names}])"))
    return parts


def step_code(state: WorkbenchState, step: Step) -> str:
    """Write the line that shows what a step shows."""
    halves = ", half_maps=(half1, half2)" if state.half_maps else ""
    return {
        "data": f"lw.ParticleTable({shown_path(state.particles)!r})" if state.particles else "",
        "mask": f"lw.MaskStudio(volume{halves})" if state.volume else "",
        "fulcrum": "lw.FulcrumPicker(volume, mask, settings=settings)",
        "settings": "lw.SettingsForm(settings, volume=volume, mask=mask)",
        "run": "",
        "results": "",
    }[step]


def _settings(state: WorkbenchState) -> str:
    changed = changed_settings(state.settings)
    one_line = ", ".join(f"{name}={value!r}" for name, value in changed.items())
    if len(one_line) + len("settings = lw.RefinementSettings()") <= _LINE:
        return f"settings = lw.RefinementSettings({one_line})"
    lines = "".join(f"    {name}={value!r},\n" for name, value in changed.items())
    return f"settings = lw.RefinementSettings(\n{lines})"
