"""The first notebook, run as a user does, with the real refinement, in a real JupyterLab.

With LOCREF_NOTEBOOK_QUICK set to nothing it runs in full, for pictures.
"""

import os
import shutil
from itertools import pairwise

from tests.browser.conftest import REPOSITORY
from tests.browser.test_dashboard import COLOURS, status

NAME = "01_first_refinement.ipynb"
MINUTES = 60_000


def test_the_first_notebook(notebook):
    shutil.copy(REPOSITORY / "notebooks" / NAME, notebook.lab.root / NAME)
    notebook.show(NAME)
    notebook.start_all()
    page = notebook.page
    dashboard = page.locator(".locref-dashboard")
    dashboard.wait_for(timeout=2 * MINUTES)
    seen = [page.evaluate(COLOURS)]
    while len(seen) < 4:
        page.wait_for_function(
            f"last => JSON.stringify(({COLOURS})()) !== last && ({COLOURS})()[0].length > 0",
            arg=page.evaluate("value => JSON.stringify(value)", seen[-1]),
            timeout=4 * MINUTES,
        )
        page.wait_for_timeout(300)  # both heatmaps of the iteration
        seen.append(page.evaluate(COLOURS))
    if not os.environ.get("LOCREF_NOTEBOOK_QUICK", "1"):
        page.locator(".locref-status", has_text="iteration 3, searching").wait_for(
            timeout=4 * MINUTES
        )
        page.wait_for_timeout(2000)
        notebook.shoot("running_dashboard", dashboard)
    changes = [[a != b for a, b in zip(*pair, strict=True)] for pair in pairwise(seen)]
    assert sum(first for first, _ in changes) >= 3
    status(page, "Finished", 8 * MINUTES)
    page.wait_for_function("() => window.cellsDone", timeout=4 * MINUTES)
    if not os.environ.get("LOCREF_NOTEBOOK_QUICK", "1"):
        notebook.evaluate("run.wait(900)")
        notebook.run_all()
    failed = page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets
            .flatMap(cell => cell.model.type === 'code' ? cell.model.outputs.toJSON() : [])
            .filter(output => output.output_type === 'error').length"""
    )
    assert failed == 0
    assert notebook.evaluate("print(run.status)") == "finished"
    page.locator(".locref-map").nth(1).wait_for()
    notebook.shoot("notebook_dashboard", dashboard)
    notebook.shoot("notebook_before", page.locator(".locref-map").nth(0))
    notebook.shoot("notebook_after", page.locator(".locref-map").nth(1))
