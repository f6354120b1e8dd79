"""nglview, if it is there and fit to be used; files reach it by addresses in the page."""

import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Any

import anywidget
import traitlets

from locref_widgets.errors import InputError
from locref_widgets.widgets.volume_widget import read_bundle

INSTALL = "pip install 'locref_widgets[nglview]'"
_EXTENSION = Path("share") / "jupyter" / "labextensions" / "nglview-js-widgets" / "package.json"


def load_nglview() -> ModuleType:
    """Import nglview.

    Raises
    ------
    InputError
        It is not installed, or its Python and browser parts are of different versions, as in its
        release 4.0.1: then no view of it can be loaded. Nothing has been imported then.
    """
    try:
        installed = version("nglview")
    except PackageNotFoundError:
        raise InputError(
            f"Models are shown by nglview, which is not installed. Install it ({INSTALL}), restart "
            "the kernel and reload the page."
        ) from None
    wanted, there = _versions()
    if installed == "4.0.1" or (wanted and there and wanted != there):
        parts = f" (its Python part asks for {wanted}, {there} is there)" if there else ""
        raise InputError(
            f"nglview {installed} cannot be loaded by the browser: its two parts do not "
            f"fit each other{parts}. Install another one ({INSTALL}, or pip install "
            "'nglview==4.0'), restart the kernel and reload the page."
        )
    import nglview

    return nglview


def _versions() -> tuple[str | None, str | None]:
    """Version of the browser part that nglview's Python part asks for, and the one installed."""
    spec = importlib.util.find_spec("nglview")
    places = list(spec.submodule_search_locations or ()) if spec else []
    wanted = there = None
    for place in places:
        source = Path(place) / "_frontend.py"
        if source.exists():
            found = re.search(r"__frontend_version__\s*=\s*['\"](.+?)['\"]", source.read_text())
            wanted = found[1] if found else None
    extension = Path(sys.prefix) / _EXTENSION
    if extension.exists():
        there = json.loads(extension.read_text()).get("version")
    return wanted, there


class FileBridge(anywidget.AnyWidget):
    """Puts files where the page can load them; it shows nothing and has to be displayed once.

    `request` asks the page for addresses; `on_addresses` is called with them when all are there,
    `on_theme` with whether the page is dark, now and when that changes. `view_id` names the view
    that loads them: where its kernel closes it, the page stops sending its changes.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    view_id = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        files: Callable[[], Iterable[tuple[str, bytes]]],
        on_addresses: Callable[[dict[str, str]], None],
        on_theme: Callable[[bool], None] = lambda _is_dark: None,
        view_id: str = "",
    ) -> None:
        super().__init__(_esm=read_bundle("file_bridge.js"), view_id=view_id)
        self._on_theme = on_theme
        self._files, self._on_addresses = files, on_addresses
        self._awaited: set[str] = set()
        self._addresses: dict[str, str] = {}
        self._ticket = 0
        self.on_msg(self._answer)

    def request(self) -> None:
        """Send the files to the page; one that listens answers with their addresses."""
        files = list(self._files())
        self._awaited = {name for name, _ in files}
        self._addresses = {}
        self._ticket += 1
        for name, content in files:
            self.send({"kind": "file", "id": name, "ticket": self._ticket}, [content])

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        if content.get("kind") == "theme":
            self._on_theme(bool(content.get("dark")))
        elif content.get("kind") == "here" and self._awaited:
            self.request()
        elif content.get("kind") != "address" or content.get("ticket") != self._ticket:
            return  # an address of an earlier request is no longer good
        elif content.get("id") in self._awaited:
            self._awaited.remove(content["id"])
            self._addresses[content["id"]] = str(content["url"])
            if not self._awaited:
                self._on_addresses(dict(self._addresses))
