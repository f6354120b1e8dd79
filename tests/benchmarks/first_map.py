"""How soon the first map of a region is on the screen, in a real JupyterLab.

``python -m tests.benchmarks.first_map FOLDER [RUNS]``, FOLDER being that of
``tests.benchmarks.hinge_30s``, which has made the map and the mask there. A notebook's cell starts
a refinement in a process of its own and shows its dashboard in the machine's Chromium, with the tab
Maps open; the clock runs from the cell until the slices of the first particles' map are drawn. The
first run may have to compile; those that follow are warm (target 10 s).
"""

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from locref_widgets.runs.run import open_run
from tests.browser.conftest import CHROMIUM, FLAGS, Notebook, running_lab

READ = """
import locref_widgets as lw
folder = {folder!r}
particles = lw.read_particles(folder + "/consensus.star")
volume, mask = lw.read_map(folder + "/consensus.mrc"), lw.read_map(folder + "/mask.mrc")
settings = lw.RefinementSettings(fulcrum_angstrom={fulcrum})
"""
START = """
run = lw.start_refinement(particles, volume, mask, settings, {out!r})
lw.RunDashboard(run)
"""
SHOWN = """() => {
    const dashboard = document.querySelector('.locref-dashboard');
    return /Iteration 1, first [0-9,]+ particles/.test(dashboard?.innerText)
        && dashboard.querySelector('.locref-figures svg image') !== null;
}"""


def seconds_to_the_first_map(notebook: Notebook, out: Path) -> tuple[float, float]:
    """Seconds from the cell to the map on the screen, and to its event."""
    notebook.open([START.format(out=str(out))], f"{out.name}.ipynb")
    began, began_at = time.perf_counter(), time.time()
    notebook.start_all()
    dashboard = notebook.page.locator(".locref-dashboard")
    dashboard.get_by_role("tab", name="Maps", exact=True).click()
    # Not at each frame, which would keep the browser drawing on the processors that refine.
    notebook.page.wait_for_function(SHOWN, timeout=180_000, polling=100)
    shown = time.perf_counter() - began
    run = open_run(out)
    told = next(event for event in run.events() if event["kind"] == "preview")
    run.stop()
    run.wait(60)
    notebook.page.evaluate("() => jupyterapp.shell.currentWidget.dispose()")
    return shown, datetime.fromisoformat(told["time"]).timestamp() - began_at


def main() -> None:
    """Measure and print."""
    folder, runs = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(f"load {os.getloadavg()[0]:.1f}")
    with TemporaryDirectory() as base, running_lab(Path(base)) as lab, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        notebook = Notebook(page, lab)
        fulcrum = json.loads((folder / "dataset.json").read_text())["fulcrum"]
        read = READ.format(folder=str(folder), fulcrum=tuple(fulcrum))
        notebook.open([], "read.ipynb").evaluate(read)
        for number in range(runs):
            shown, told = seconds_to_the_first_map(notebook, Path(base) / f"run{number}")
            print(f"on the screen after {shown:.1f} s; told by the run after {told:.1f} s")
        browser.close()


if __name__ == "__main__":
    main()
