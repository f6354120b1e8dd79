"""A run from its start to its export, by the dashboard alone, with the real refinement."""

import json
from itertools import pairwise

import pytest

from locref_widgets.io.particles import read_particles
from tests.browser.test_dashboard import COLOURS, reload_page, status

START = """
import locref_widgets as lw
from locref_widgets.sample import sample_paths
sample = sample_paths()
settings = lw.RefinementSettings(
    fulcrum_angstrom=sample["fulcrum_angstrom"], rotation_extent=0.2, shift_extent=6,
    iterations=8, subset=500, non_uniform=False, folds=1)
run = lw.start_refinement(
    lw.read_particles(sample["particles"]), lw.read_map(sample["map"]),
    lw.read_map(sample["mask"]), settings, out={out!r})
"""
SHOW = "dashboard = lw.RunDashboard(run)\ndashboard"
MINUTES = 60_000


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


@pytest.mark.breaks_kernel
def test_a_run_from_start_to_export(notebook, tmp_path):
    folder = tmp_path / "runs" / "first"
    folder.parent.mkdir()
    notebook.open([START.format(out=str(folder)), SHOW], "journey.ipynb").run_all(5 * MINUTES)
    page = notebook.page
    page.locator(".locref-heatmap .heatmapcell").first.wait_for()
    seen = [page.evaluate(COLOURS)]
    see_updates(page, seen, 1)

    # The page is loaded anew, then the kernel restarted: the run goes on, the view comes back.
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    reload_page(notebook, "journey.ipynb", tries=3)
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    page.locator(".locref-dead").wait_for()
    notebook.run_all(5 * MINUTES)
    page.locator(".locref-dead").wait_for(state="detached")
    status(page, "Running", 2 * MINUTES)

    page.locator("button.locref-pause").click()
    status(page, "Paused", 2 * MINUTES)
    open_tab(page, "Settings")
    page.get_by_label("Rotation extent", exact=True).fill("15°")
    page.keyboard.press("Tab")
    page.locator("button.locref-change:not([disabled])").click()
    page.locator(".locref-form", has_text="not taken up yet").wait_for()
    page.locator("button.locref-continue").click()
    see_updates(page, seen, 3)
    status(page, "Finished", 8 * MINUTES)
    told = kinds(folder)
    assert told.count("run_started") == 1, "one process did it all"
    assert "settings_changed" in told
    page.locator(".locref-form", has_text="rotation_extent 0.2 → 0.2618").wait_for()

    page.get_by_label("From iteration", exact=True).select_option("2")
    page.get_by_label("New run", exact=True).fill("second")
    page.keyboard.press("Tab")
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
    exported = folder.parent / "some.star"
    page.get_by_label("STAR file", exact=True).first.fill(str(exported))
    page.keyboard.press("Tab")
    page.locator("button.locref-write-subset:not([disabled])").click()
    page.get_by_text(f"to {exported}").wait_for()
    chosen = int(notebook.evaluate("print(dashboard._maps.selection.count)"))
    assert len(read_particles(exported)) == chosen > 0

    saved = tmp_path / "page.html"
    notebook.evaluate(f"dashboard.save_html({str(saved)!r})")
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
