"""Several models changed as one: each tells the browser once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import ipywidgets as widgets


@contextmanager
def held(*models: widgets.Widget) -> Iterator[None]:
    """Hold the messages of all models back until the end; they leave in the order given."""
    with ExitStack() as stack:
        # Left in reverse.
        for model in reversed(models):
            stack.enter_context(model.hold_sync())
        yield
