"""The whole job in a real JupyterLab, from the launcher's tile to the compared runs.

The packaged sample, the real refinement, and what a person presses on the way.
"""

import json
from itertools import pairwise

import pytest

from locref_widgets.io.particles import read_particles
from tests.browser.test_dashboard import COLOURS, reload_page, status

MINUTES = 60_000
# What the workbench's notebook asks for in tests is a folder that goes with its kernel.
KEEP_FOLDER = "import os\nos.environ.pop('LOCREF_NOTEBOOK_QUICK', None)"
# Small enough for a test; the rest is pressed and typed.
QUICK = """
workbench.update(settings=workbench.state.settings.model_copy(
    update={"non_uniform": False, "folds": 1}))
"""


def open_tab(page, title, which=0):
    tabs = page.locator(".locref-dashboard .lm-TabBar-tab", has_text=title)
    tabs.nth(which).click()


def kinds(folder):
    lines = (folder / "events.jsonl").read_text().splitlines()
    return [json.loads(line)["kind"] for line in lines]


def see_updates(page, seen, wanted):
    """Wait until the first heatmap has changed so many times since `seen` began."""
    while sum(a[:1] != b[:1] for a, b in pairwise(seen)) < wanted:
        page.wait_for_function(
            f"last => ({COLOURS})()[0] !== last && ({COLOURS})()[0].length > 0",
            arg=seen[-1][0] if seen[-1] else "",
            timeout=6 * MINUTES,
        )
        seen.append(page.evaluate(COLOURS))


def step(page, name):
    """Open a step of the workbench."""
    page.locator(f".locref-step-{name}:not([disabled])").click()
    page.wait_for_function(
        "step => document.querySelector(`.locref-step-${step}`).matches('.mod-primary')", arg=name
    )


def fill(page, label, value):
    page.get_by_label(label, exact=True).fill(value)
    page.keyboard.press("Tab")


def open_from_launcher(notebook):
    """Press the tile; the name of the notebook that it makes."""
    page = notebook.page
    page.goto(f"{notebook.lab.url}/lab?reset")
    page.wait_for_function("() => window.jupyterapp?.restored")
    page.evaluate("() => jupyterapp.restored")
    page.locator(".jp-LauncherCard", has_text="Local refinement").click()
    page.locator(".jp-Notebook", has_text="Local refinement: the workbench").wait_for()
    name = page.evaluate("() => jupyterapp.shell.currentWidget.context.path")
    notebook.settle()
    notebook.evaluate(KEEP_FOLDER)
    return name


@pytest.mark.breaks_kernel
def test_from_the_launcher_to_the_compared_runs(notebook, tmp_path):
    page = notebook.page
    page.set_viewport_size({"width": 1280, "height": 1000})
    name = open_from_launcher(notebook)
    notebook.run_all(5 * MINUTES)
    folder = notebook.lab.root / "workbench" / "runs" / "first"

    # Data, mask, fulcrum, settings.
    page.get_by_role("button", name="Use the packaged sample").click()
    page.get_by_text("settings that suit it were chosen").wait_for()
    step(page, "mask")
    page.locator(".locref-workbench .locref-map").wait_for()
    step(page, "fulcrum")
    page.locator(".locref-workbench .locref-map").wait_for()
    step(page, "settings")
    fill(page, "Rotation extent", "0.2")
    fill(page, "Iterations", "8")
    fill(page, "Subset", "500")
    notebook.evaluate(QUICK)
    step(page, "run")
    page.get_by_text("500 particles of").wait_for()
    fill(page, "Name", "first")
    page.get_by_role("button", name="Start the refinement").click()
    page.locator(".locref-heatmap .heatmapcell").first.wait_for(timeout=5 * MINUTES)
    seen = [page.evaluate(COLOURS)]
    see_updates(page, seen, 1)

    # The page is loaded anew, then the kernel restarted: the run goes on, the view comes back.
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    reload_page(notebook, name, tries=3)
    # JupyterLab asks for a subshell for each widget, and complains of answers that never come.
    notebook.evaluate("print('here')")
    page.wait_for_timeout(500)
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    page.locator(".locref-dead").first.wait_for()
    notebook.evaluate(KEEP_FOLDER)
    notebook.run_all(5 * MINUTES)
    page.locator(".locref-dead").first.wait_for(state="detached")
    status(page, "Running", 2 * MINUTES)

    page.locator("button.locref-pause").click()
    status(page, "Paused", 2 * MINUTES)
    open_tab(page, "Settings")
    fill(page, "Rotation extent", "15°")
    page.locator("button.locref-change:not([disabled])").click()
    page.locator(".locref-form", has_text="not taken up yet").first.wait_for()
    page.locator("button.locref-continue").click()
    see_updates(page, seen, 3)
    status(page, "Finished", 8 * MINUTES)
    told = kinds(folder)
    assert told.count("run_started") == 1, "one process did it all"
    assert "settings_changed" in told
    page.locator(".locref-form", has_text="rotation_extent 0.2 → 0.2618").first.wait_for()

    page.get_by_label("From iteration", exact=True).select_option("2")
    fill(page, "New run", "second")
    page.locator("button.locref-branch").click()
    below = page.locator(".locref-branches .locref-dashboard, .locref-dashboard.locref-branches")
    below.locator(".locref-status", has_text="Running").wait_for(timeout=4 * MINUTES)
    assert "branched" in kinds(folder.parent / "second")
    below.locator("button.locref-stop").click()
    below.locator(".locref-status", has_text="Stopped").wait_for(timeout=4 * MINUTES)

    cells = page.locator(".locref-heatmap").first.locator(".heatmapcell")
    cells.nth(cells.count() // 2).click()
    page.get_by_text("selected").first.wait_for()
    open_tab(page, "Particles")
    page.locator(".locref-rows[aria-label='Selected particles'] tbody tr").first.wait_for()
    exported = tmp_path / "some.star"
    page.get_by_label("STAR file", exact=True).first.fill(str(exported))
    page.keyboard.press("Tab")
    page.locator("button.locref-write-subset:not([disabled])").click()
    page.get_by_text(f"to {exported}").wait_for()
    chosen = int(notebook.evaluate("print(workbench.step.dashboard._maps.selection.count)"))
    assert len(read_particles(exported)) == chosen > 0

    # Both runs side by side.
    step(page, "results")
    page.locator(".locref-workbench .locref-map").wait_for()
    page.get_by_label("Compare", exact=True).select_option(["first", "second"])
    page.get_by_role("button", name="Compare the runs chosen").click()
    both = page.locator(".locref-comparison")
    both.locator(".locref-heatmap .heatmapcell").first.wait_for(timeout=2 * MINUTES)
    assert all(run in both.inner_text() for run in ("first", "second"))
    notebook.shoot("workbench_results", page.locator(".locref-workbench"))

    saved = tmp_path / "page.html"
    notebook.evaluate(f"lw.RunDashboard({str(folder)!r}).save_html({str(saved)!r})")
    offline = page.context.browser.new_context(offline=True)
    alone = offline.new_page()
    asked, faults = [], []
    alone.on("request", lambda request: asked.append(request.url))
    alone.on("pageerror", lambda error: faults.append(str(error)))
    alone.goto(saved.as_uri())
    assert alone.locator("details.iteration").count() >= 5
    assert alone.locator("details.iteration[open] svg.figure").bounding_box()["width"] > 600
    assert all(url.startswith(("file:", "data:")) for url in asked)
    assert not faults
    offline.close()
