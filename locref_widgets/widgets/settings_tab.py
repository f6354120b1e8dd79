"""Other settings for the run from its next iteration on, or for a branch of it."""

import html
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from locref_widgets.errors import InputError, OutputError
from locref_widgets.refinement.settings import RefinementSettings, setting_options
from locref_widgets.refinement.settings_advice import Grid, give_advice, in_other_units
from locref_widgets.refinement.steering import changed_settings
from locref_widgets.runs.changes import describe_changes, pending_changes, settings_to_come
from locref_widgets.runs.run import Run
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.settings_field import POINTS, BadEntry, FieldLooks, SettingField
from locref_widgets.widgets.studio_parts import button, column, note, row, said, text

STEERED = (
    "rotation_extent",
    "shift_extent",
    "fulcrum",
    "fulcrum_angstrom",
    "prior_rotation",
    "prior_shift",
    "non_uniform",
    "masking",
    "iterations",
)


class SettingsTab:
    """A small form; `branched` is called with the new run, `code` with the line of an action."""

    def __init__(
        self, run: Run, code: Callable[[str], None], branched: Callable[[Run], None]
    ) -> None:
        self._run, self._code, self._branched = run, code, branched
        self._base: RefinementSettings | None = None
        self._record: object = None
        self._state = RunState()
        looks = FieldLooks()
        options = {option.name: option for option in setting_options()}
        self.fields = {name: SettingField(options[name], self._edit, looks) for name in STEERED}
        self.mask = text(
            "New mask",
            "A mask on the map's grid, MRC; empty: as it is",
            placeholder="as it is",
            width="420px",
        )
        self.mask.style.description_width = "150px"
        self.mask.observe(lambda _change: self._edit(""), "value")
        self.change_button = button(
            "Change from the next iteration on", "", self.change, primary=True
        )
        self.change_button.add_class("locref-change")
        self.reset_button = button(
            "Undo edits", "Show what is in effect again", lambda: self._try(self.reset)
        )
        self.iteration = widgets.Dropdown(
            options=[],
            description="From iteration",
            tooltip="The last iteration that the branch shares with this run",
            layout=widgets.Layout(width="200px"),
            style={"description_width": "100px"},
        )
        self.name = text(
            "New run", "Folder of the branch; beside this run if it is only a name", width="420px"
        )
        self.name.style.description_width = "100px"
        self.branch_button = button("Roll back: branch from there", "", self.branch)
        self.branch_button.add_class("locref-branch")
        self.said = widgets.HTML()
        self.line = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.history = widgets.HTML(layout=widgets.Layout(min_width="0"))
        form = widgets.GridBox(
            [field.widget for field in self.fields.values()],
            layout=widgets.Layout(
                grid_template_columns="repeat(auto-fit, minmax(min(100%, 380px), 1fr))",
                min_width="0",
            ),
        )
        self.widget = column(
            self.history,
            form,
            self.mask,
            row(self.change_button, self.reset_button),
            widgets.HTML(
                "<b>Roll back</b>: go on from an earlier iteration in a run of its own,"
                " with the settings above; this run stays as it is."
            ),
            row(self.iteration, self.name, self.branch_button),
            self.said,
            self.line,
        )
        self.widget.add_class("locref-form")

    def show(self, state: RunState) -> None:
        """Bring fields, choices and buttons up to the run."""
        self._state = state
        numbers = sorted(state.iterations)
        if list(self.iteration.options) != numbers:
            before = self.iteration.value
            self.iteration.options = numbers
            self.iteration.value = before if before in numbers else (numbers or [None])[-1]
        record = (state.status, len(state.effects), len(state.warnings), len(numbers))
        if record != self._record:
            self._refresh()
            self._record = record
        self._enable()

    @property
    def edits(self) -> dict[str, Any]:
        """Settings that differ from those in effect. Raises `InputError` for a bad entry."""
        changed = {}
        for name, field in self.fields.items():
            try:
                value = field.read()
            except BadEntry as error:
                raise InputError(f"{field.label}: {error}") from None
            if self._base is not None and value != getattr(self._base, name):
                changed[name] = value
        if changed.keys() >= {"fulcrum", "fulcrum_angstrom"}:
            # One point in two units: the one that was emptied only makes room.
            changed = {n: v for n, v in changed.items() if v is not None or "fulcrum" not in n}
        return changed

    def reset(self) -> None:
        """Show what is in effect again."""
        self.mask.value = ""
        self._base = None
        self._refresh()

    def change(self) -> None:
        """Ask the run for the edits."""

        def ask() -> None:
            edits, mask = self.edits, self.mask.value.strip()
            warnings = self._run.change(mask=mask or None, **edits)
            asked = ", ".join([*edits, *(["mask"] if mask else [])])
            self._code(f"run.change({_arguments(edits, mask)})")
            self.mask.value = ""
            self._base = None
            self._refresh()
            words = f"Asked for: {asked}. It is taken up before the next iteration."
            self.said.value = said(words, "good") + "".join(
                said(warning, "warning") for warning in warnings
            )

        self._try(ask)

    def branch(self) -> None:
        """Make a run that goes on from the iteration chosen, with the edits."""

        def make() -> None:
            name = self.name.value.strip()
            iteration = self.iteration.value
            if not name or iteration is None:
                raise InputError("give the new run a name first.")
            edits, mask = self.edits, self.mask.value.strip()
            warnings = self._advice()
            out = self._run.path.parent / name
            branch = self._run.branch(iteration, out, mask=mask or None, **edits)
            more = _arguments(edits, mask)
            self._code(f"run.branch({iteration}, {str(out)!r}{', ' * bool(more)}{more})")
            words = f"{branch.path} goes on from iteration {iteration}."
            self.reset()
            self.said.value = said(words, "good") + "".join(
                said(text, "warning") for texts in warnings.values() for text in texts
            )
            self._branched(branch)

        self._try(make)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (InputError, OutputError) as error:
            self.said.value = said(str(error), "error")
        except Exception as error:
            # An error in a button's handler would only reach the server's log.
            self.said.value = said(f"{type(error).__name__}: {error}", "error")
        self._enable()

    def _refresh(self) -> None:
        folder = self._run.folder
        record = folder.read_record()
        coming = settings_to_come(folder)
        lines = [f"<li>✔ {html.escape(line)}</li>" for line in describe_changes(record)]
        for request in pending_changes(folder):
            names = [f"{name} {value}" for name, value in request.settings.items()]
            names += ["mask"] if request.mask_sha256 else []
            lines.append(
                f"<li>… asked at {html.escape(request.asked[:19])}, not taken up yet:"
                f" {html.escape(', '.join(names))}</li>"
            )
        self.history.value = (
            f'<div role="status">Changes of this run<ul class="locref-recipe">{"".join(lines)}</ul>'
            "</div>"
            if lines
            else note("Nothing was changed since the run began.")
        )
        if self._base is None or not self._has_edits():
            self._base = coming
            for name, field in self.fields.items():
                field.show(getattr(coming, name))
        if not self.name.value:
            self.name.value = f"{self._run.path.name}_branch"
        self._edit("")

    def _has_edits(self) -> bool:
        try:
            return bool(self.edits)
        except InputError:
            return True

    def _edit(self, name: str) -> None:
        if name in POINTS and self._has_point(name):
            for other in POINTS:
                if other != name:
                    self.fields[other].show(None)
        grid = self._grid()
        warnings = self._advice()
        for setting, field in self.fields.items():
            try:
                value = field.read()
                if value is None and "fulcrum" in setting:
                    field.say("")
                    continue
                settings, _ = changed_settings(self._base or RefinementSettings(), {setting: value})
                units = in_other_units(setting, settings, grid)
                field.say(units, warnings=warnings.get(setting))
            except (BadEntry, InputError) as error:
                field.say("", str(error))
        self._enable()

    def _has_point(self, name: str) -> bool:
        try:
            return self.fields[name].read() is not None
        except BadEntry:
            # It may be given up: the point in the other unit stays.
            return False

    def _grid(self) -> Grid | None:
        box, size = self._state.in_effect(0).get("box_px"), self._state.pixel_size_angstrom
        return Grid(int(box), size) if box and size == size else None

    def _advice(self) -> dict[str, list[str]]:
        """What may go wrong with the edits, by setting: said before anything is asked for."""
        found: dict[str, list[str]] = {}
        try:
            edits = self.edits
            settings, _ = changed_settings(self._base or RefinementSettings(), edits)
            advice = give_advice(settings, self._grid()) if edits else []
        except InputError:
            # It stands beside its field as a fault.
            return found
        for name, words in advice:
            found.setdefault(name, []).append(words)
        return found

    def _enable(self) -> None:
        try:
            edits, fault = self.edits, ""
        except InputError as error:
            edits, fault = {}, str(error)
        mask, status = self.mask.value.strip(), self._state.status
        why = fault
        if status == "finished":
            why = "The run is finished: nothing of it can be changed. Branch from it instead."
        elif not fault and not edits and not mask:
            why = "Nothing to ask for: no setting differs from what the run has."
        self.change_button.disabled = bool(why)
        self.change_button.tooltip = why or (
            "Ask the run to go on with these, taken up before its next iteration"
        )
        none = "" if self.iteration.options else "No iteration is finished yet."
        self.branch_button.disabled = bool(fault or none)
        self.branch_button.tooltip = (
            fault or none or ("Make a new run that shares the iterations up to there, and start it")
        )
        arguments = _arguments(edits, mask)
        self.line.value = (
            f'<code class="locref-line-of-code">run.change({html.escape(arguments)})</code>'
            if arguments
            else ""
        )


def _arguments(edits: dict[str, Any], mask: str) -> str:
    told = [f"{name}={value!r}" for name, value in edits.items()]
    return ", ".join([*told, *([f"mask={mask!r}"] if mask else [])])
