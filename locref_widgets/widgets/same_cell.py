"""A view takes the place of the one that an earlier run of the same notebook cell made.

Run again, a cell drops its old output, yet the view's thread, tasks and memory would stay.
"""

from typing import Any
from weakref import WeakSet

import ipywidgets as widgets

_made: dict[str, tuple[str, WeakSet[widgets.Widget]]] = {}


def close_earlier(view: widgets.Widget) -> None:
    """Close the views of `view`'s class that an earlier run of the cell under way has made.

    Nothing happens outside a notebook's cells, and where the front end does not name them.
    """
    cell, run = _cell_and_run()
    if not cell:
        return
    key = f"{type(view).__name__} {cell}"
    before, views = _made.get(key, ("", WeakSet()))
    if before != run:
        for old in list(views):
            old.close()
        views = WeakSet()
    views.add(view)
    _made[key] = (run, views)


def _cell_and_run() -> tuple[str, str]:
    """Identity of the cell that runs, and of this running of it; empty where not known."""
    try:
        from IPython.core.getipython import get_ipython

        shell: Any = get_ipython()
        parent = shell.kernel.get_parent("shell")
        return str(parent["metadata"].get("cellId") or ""), str(parent["header"]["msg_id"])
    except (ImportError, AttributeError, KeyError, TypeError):
        return "", ""
