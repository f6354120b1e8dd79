"""The report's tables of what went in: settings with units, files with checksums, versions."""

import math
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from locref_widgets.figures.page import table
from locref_widgets.figures.run_data import RunData
from locref_widgets.refinement.settings import RefinementSettings


def settings_section(run: RunData) -> str:
    """Build the table of settings: value with unit, the same in other units, what it means."""
    if not run.settings:
        return ""
    rows = []
    for name, value in run.settings.items():
        if name == "fulcrum_angstrom" and run.started.get("fulcrum_angstrom"):
            continue  # told with the fulcrum, in both units
        field = RefinementSettings.model_fields.get(name)
        extra = field.json_schema_extra if field is not None else None
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        meaning = (field.description or "") if field is not None else ""
        also = _in_other_units(name, value, run)
        given = _value_words(value) if value is None else f"{_value_words(value)} {unit}".strip()
        # The point used says more than how it was asked for.
        lines = [also] if name == "fulcrum" and also else [given, also]
        shown = "<br>".join(escape(line) for line in lines if line)
        rows.append([escape(name.replace("_", " ")), shown, escape(meaning)])
    content = table(("Setting", "Value", "Meaning"), rows, ("", "given", "help"))
    return f'<h2>Settings</h2><section class="card">{content}</section>'


def mask_section(run: RunData) -> str:
    """Build what is on record of the mask: its checks, and the steps that made it."""
    told = (run.record.get("inputs") or {}).get("mask") or {}
    parts = []
    if checks := told.get("checks"):
        rows = [
            [_light(check["state"]), escape(check["name"]), escape(check["text"])]
            for check in checks
        ]
        parts.append(table(("State", "Check", "What was found"), rows, ("", "given", "help")))
    if steps := _recipe_words(told.get("recipe")):
        items = "".join(f"<li>{escape(step)}</li>" for step in steps)
        parts.append(f'<p>How it was made:</p><ol class="steps">{items}</ol>')
    if not parts:
        return ""
    return f'<h2>The mask</h2><section class="card">{"".join(parts)}</section>'


def _light(state: str) -> str:
    level = {"ok": "good", "fault": "bad"}.get(state, "note")
    return f'<span class="status {level}">{escape(state)}</span>'


def _recipe_words(recipe: Any) -> list[str]:
    if not recipe:
        return []
    from locref_widgets.masks.recipe import MaskRecipe

    try:
        return MaskRecipe.model_validate(recipe).describe()
    except ValidationError:  # written by a later version
        return []


def provenance_sections(run: RunData) -> str:
    """Build the tables of inputs and of versions, host and command."""
    sections = []
    inputs = list(_files(run.record.get("inputs") or {}))
    if inputs:
        content = table(("Input", "File", "SHA-256"), inputs, ("", "file", "file"))
        sections.append(f'<h2>Inputs</h2><section class="card">{content}</section>')
    facts = [[escape(name), escape(value)] for name, value in _facts(run.record)]
    if facts:
        content = table(("What", "Which"), facts, ("", "file"))
        sections.append(f'<h2>Versions and machine</h2><section class="card">{content}</section>')
    return "\n".join(sections)


def _in_other_units(name: str, value: Any, run: RunData) -> str:
    pixel = run.pixel_size_angstrom
    if name == "rotation_extent" and value is not None:
        return f"{math.degrees(value):.1f}°"
    if name == "shift_extent" and value is not None:
        return f"{value * pixel:.3g} Å; |t| up to {value / 2:g} px"
    if name == "fulcrum":
        voxels, angstrom = run.started.get("fulcrum_voxels"), run.started.get("fulcrum_angstrom")
        if voxels and angstrom:
            return f"{_point(voxels)} voxels ({_point(angstrom)} Å)"
    return ""


def _value_words(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return _point(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _point(values: Any) -> str:
    return ", ".join(f"{float(value):.1f}".removesuffix(".0") for value in values)


def _files(told: Any, name: str = "") -> Iterator[list[str]]:
    """Rows (input, file, checksum) of every file that run.json tells of, however it is nested."""
    if isinstance(told, dict) and "path" in told:
        path = Path(str(told["path"]))
        size = told.get("bytes")
        sized = f"<br>{escape(_size(size))}" if isinstance(size, int) else ""
        digest = told.get("sha256")
        partly = told.get("sha256_first_and_last_mib")
        checksum = f"<code>{escape(str(digest or partly or 'none'))}</code>"
        note = "<br>of the first and the last MiB" if partly and not digest else ""
        shown = f'<span title="{escape(str(path), quote=True)}">{escape(path.name)}</span>{sized}'
        yield [escape(name.replace("_", " ")), shown, checksum + note]
    elif isinstance(told, dict):
        for key, value in told.items():
            yield from _files(value, key if key != "first" else name)
    elif isinstance(told, list):
        for value in told:
            yield from _files(value, name)


def _size(n_bytes: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes} bytes"


def _facts(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for name in ("created", "updated"):
        if record.get(name):
            yield name, str(record[name])
    command = record.get("command")
    if command:
        yield "command", command if isinstance(command, str) else " ".join(map(str, command))
    for name in ("host", "device"):
        told = record.get(name)
        if told:
            described = ", ".join(map(str, told.values())) if isinstance(told, dict) else str(told)
            yield name, described
    versions = record.get("versions")
    if isinstance(versions, dict):
        yield from ((name, str(version)) for name, version in versions.items())
