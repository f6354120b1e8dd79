"""A view closed with all that it is made of: plots, scales, layouts and styles are models, too."""

from collections.abc import Iterable, Iterator
from typing import Any

import ipywidgets as widgets


def close_parts(
    view: widgets.Widget,
    more: Iterable[widgets.Widget] = (),
    kept: Iterable[widgets.Widget] = (),
) -> None:
    """Close the widgets that `view` holds, however deep, and those in `more`; not `view` itself.

    What is `kept` belongs to others, too, and stays.

    `Widget.close` closes one model: its parts would stay in the kernel and in the page for good.
    """
    found: dict[int, widgets.Widget] = {}
    left = {id(part) for part in (view, *kept)}
    waiting = [*_held_by(view), *more]
    while waiting:
        part = waiting.pop()
        if id(part) in left or id(part) in found:
            continue
        found[id(part)] = part
        waiting += _held_by(part)
    for part in found.values():
        part.close()


def close_whole(view: widgets.Widget, kept: Iterable[widgets.Widget] = ()) -> None:
    """Close a view and its parts, but for those `kept`."""
    view.close()
    close_parts(view, kept=kept)


def _held_by(view: widgets.Widget) -> Iterator[widgets.Widget]:
    # Only what is there: to ask for a trait may make it.
    for value in list(view._trait_values.values()):
        yield from _widgets_in(value)


def _widgets_in(value: Any) -> Iterator[widgets.Widget]:
    if isinstance(value, widgets.Widget):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _widgets_in(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _widgets_in(one)
