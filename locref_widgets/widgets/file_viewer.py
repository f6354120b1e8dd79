"""The view of a file that JupyterLab's document tabs show; they share one kernel."""

import html
import os
from pathlib import Path

import ipywidgets as widgets

from locref_widgets.errors import InputError
from locref_widgets.io.info import describe
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import CS_SUFFIXES
from locref_widgets.widgets.facts import facts_html, faults_html
from locref_widgets.widgets.image_stack_view import ImageStackView
from locref_widgets.widgets.map_view import MapView
from locref_widgets.widgets.particle_table import ParticleTable
from locref_widgets.widgets.style import style_sheet

_shown: dict[str, widgets.Widget] = {}


def make_view(path: str | os.PathLike[str]) -> widgets.Widget:
    """Make the view for a map, a stack of images, a particle table or another STAR file.

    What cannot be viewed is told in words, together with what is known of it.
    """
    path = Path(path)
    try:
        if path.suffix in (".star", *CS_SUFFIXES):
            return ParticleTable(path)
        description = describe(path)
        if description["kind"] == "image stack":
            return ImageStackView(path)
        try:
            return _map_view(path, description)
        except InputError:
            # `describe` has told the same fault, and what else there is.
            return _words(facts_html(description, description["kind"]), description["faults"])
    except InputError as error:
        return _words(f"<p><b>{html.escape(path.name)}</b></p>", [str(error)])


def _map_view(path: Path, description: dict) -> widgets.Widget:
    view = MapView(read_map(path))
    faults = description["faults"]
    remarks = widgets.HTML(faults_html(faults)) if faults else widgets.HTML()
    return widgets.VBox(
        [style_sheet(), remarks, view, widgets.HTML(facts_html(description, "density map"))]
    )


def _words(heading: str, faults: list[str]) -> widgets.Widget:
    box = widgets.VBox([style_sheet(), widgets.HTML(heading), widgets.HTML(faults_html(faults))])
    box.add_class("locref-table")
    return box


def show(path: str) -> None:
    """Display the view of a file, in place of an earlier one of the same file."""
    from IPython.display import display

    close(path)
    _shown[path] = make_view(path)
    display(_shown[path])


def check_shown(paths: list[str]) -> None:
    """Raise `KeyError` unless this kernel holds the views of all these files."""
    for path in paths:
        _shown[path]


def close(path: str) -> None:
    """Let go of a file's view and what it holds in memory."""
    view = _shown.pop(path, None)
    if view is not None:
        _close_all(view)


def _close_all(view: widgets.Widget) -> None:
    for child in getattr(view, "children", ()):
        _close_all(child)
    view.close()
