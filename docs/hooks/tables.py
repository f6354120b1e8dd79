"""Pages that are made from the program itself: settings, commands, and what Python users call.

A page holds a comment such as ``<!-- made here: settings -->`` where its table goes, so that no
setting, command or name can be missing or out of date.
"""

import html
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any

import typer

import locref_widgets
from locref_widgets.cli import app
from locref_widgets.refinement.settings import setting_options
from locref_widgets.refinement.settings_presets import PRESETS
from locref_widgets.refinement.steering import STEERABLE

_MADE_HERE = re.compile(r"^<!-- made here: ([a-z ]+?) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the comments of a page by what they name."""
    return _MADE_HERE.sub(lambda found: _MAKERS[found[1]](), markdown)


def settings_table() -> str:
    """Every setting with its flag, unit, range, default and meaning."""
    rows = ["| setting | flag | default | unit, range | meaning | while running |"]
    rows.append("| --- | --- | --- | --- | --- | --- |")
    for option in setting_options():
        flag = option.flag
        if isinstance(option.default, bool):
            flag = f"{flag}` `--no-{flag[2:]}"
        extent = "; ".join(text for text in (option.unit, option.range) if text) or "–"
        cells = [
            f'<a id="{option.name}"></a>`{option.name}`',
            f"`{flag}`",
            _default(option.default),
            _cell(extent),
            _cell(option.description),
            "yes" if option.name in STEERABLE else "no",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def presets_table() -> str:
    """Sets of search settings that fit common cases."""
    rows = ["| preset | values | why |", "| --- | --- | --- |"]
    for preset in PRESETS:
        values = ", ".join(f"`{name}: {_short(value)}`" for name, value in preset.values.items())
        if preset.shift_extent_angstrom is not None:
            values += f", shift extent {preset.shift_extent_angstrom:g} Å"
        rows.append(f"| {preset.name} | {values or 'the defaults'} | {_cell(preset.reason)} |")
    return "\n".join(rows)


def commands() -> str:
    """Every command with its arguments and flags, as ``--help`` tells them."""
    group = typer.main.get_command(app)
    context = group.make_context("locref", [], resilient_parsing=True)
    parts = []
    for name in group.list_commands(context):  # pyright: ignore[reportAttributeAccessIssue]
        command = group.get_command(context, name)  # pyright: ignore[reportAttributeAccessIssue]
        parts.append(_command(name, command, context))
    return "\n\n".join(parts)


def _command(name: str, command: Any, parent: Any) -> str:
    context = type(parent)(command, info_name=name, parent=parent)
    usage = " ".join(["locref", name, *command.collect_usage_pieces(context)])
    text = [f"## locref {name} {{ #{name} }}", f"`{usage}`", _paragraphs(command.help or "")]
    settings = {option.name for option in setting_options()}
    own, of_settings = [], []
    for parameter in command.get_params(context):
        shown = parameter.get_help_record(context)
        if shown is None:
            continue
        if parameter.name in settings:
            of_settings.append(f"`{shown[0]}`")
        else:
            own.append(f"| `{shown[0]}` | {_cell(shown[1])} |")
    if own:
        text.append("\n".join(["| argument or flag | meaning |", "| --- | --- |", *own]))
    if of_settings:
        text.append(f"Flags of [settings](settings.md): {', '.join(of_settings)}.")
    return "\n\n".join(text)


_GROUPS = {
    "io": "Reading files",
    "refinement": "Settings and jobs on particles",
    "runs": "Runs",
    "widgets": "Widgets",
    "masks": "Masks",
    "simulation": "Simulation",
}


def public_names() -> str:
    """Every name of ``locref_widgets.__all__``, rendered from its docstring, group by group."""
    groups: dict[str, list[str]] = {}
    for name in locref_widgets.__all__:
        if name.startswith("_"):
            continue
        home = locref_widgets._HOME[name]
        group = _GROUPS.get(home.split(".")[1], "Further")
        groups.setdefault(group, []).append(f"::: {_path_of(name, home)}")
    order = [title for title in (*_GROUPS.values(), "Further") if title in groups]
    return "\n\n".join("\n\n".join([f"## {title}", *groups[title]]) for title in order)


def _path_of(name: str, home: str) -> str:
    """Where a name is defined; a module may pass on what another one holds."""
    value = getattr(import_module(home), name)
    return f"{getattr(value, '__module__', home)}.{name}"


def _default(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"`{_short(value)}`"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return html.escape(" ".join(text.split()), quote=False).replace("|", "\\|")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


_MAKERS: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "presets": presets_table,
    "commands": commands,
    "public names": public_names,
}
