"""Files opened from JupyterLab's file browser, and the launcher tile."""

import gzip
import json
import shutil

import numpy as np
import pytest

from locref_widgets.io.mrc import write_map
from locref_widgets.sample import sample_paths
from tests.browser.axe import serious_faults
from tests.browser.clipping import clipped_texts

SOURCE_MAP = json.dumps({"version": 3, "sources": ["a.ts"], "names": [], "mappings": "AAAA"})


@pytest.fixture
def lab_page(notebook):
    """JupyterLab on a folder with maps, tables and files that only look like them."""
    sample, root = sample_paths(), notebook.lab.root
    shutil.copy(sample["map"], root / "consensus.mrc")
    shutil.copy(sample["particles"], root / "particles.star")
    shutil.copy(sample["particles"].parent / "particles.mrcs", root / "particles.mrcs")
    (root / "bundle.map").write_text(SOURCE_MAP)
    ball = np.zeros((24, 24, 24), np.float32)
    ball[8:16, 8:16, 8:16] = 1
    write_map(root / "ball.mrc", ball, 2.0)
    (root / "ball.map.gz").write_bytes(gzip.compress((root / "ball.mrc").read_bytes()))
    page = notebook.page
    page.goto(f"{notebook.lab.url}/lab?reset")
    page.wait_for_function("() => window.jupyterapp?.restored")
    page.evaluate("() => jupyterapp.restored")
    return notebook


def double_click(page, name):
    page.locator(".jp-DirListing-item", has=page.get_by_text(name, exact=True)).dblclick()


def close_all(page):
    page.evaluate("() => jupyterapp.commands.execute('application:close-all')")


def viewer_sessions(lab):
    return [one for one in lab.get("/api/sessions") if one["type"] == "locref-viewers"]


@pytest.mark.breaks_kernel
def test_maps_and_stacks_open_on_double_click(lab_page):
    page = lab_page.page
    double_click(page, "consensus.mrc")
    document = page.locator(".locref-document:visible")
    document.locator("canvas").first.wait_for(timeout=120_000)
    page.locator(".locref-wait").wait_for(state="hidden")
    assert "80" in document.inner_text()
    lab_page.shoot("document_map", page.locator(".locref-document"))
    page.set_viewport_size({"width": 1280, "height": 1000})

    # A second file is shown by the same kernel; nothing of a stack goes through the browser.
    double_click(page, "particles.mrcs")
    page.locator(".locref-images img").nth(23).wait_for(timeout=120_000)
    lab_page.shoot("document_stack", page.locator(".locref-document .locref-table:visible"))
    assert not serious_faults(lab_page, ".locref-document")
    page.set_viewport_size({"width": 1280, "height": 1000})
    double_click(page, "ball.map.gz")
    page.wait_for_function(
        "() => document.querySelectorAll('.locref-document canvas').length > 3", timeout=120_000
    )
    assert len(viewer_sessions(lab_page.lab)) == 1
    copies = (lab_page.lab.root / ".ipynb_checkpoints").glob("*checkpoint.m*")
    assert not list(copies), "a stack may be too large to be copied"

    # A restarted kernel takes the views with it, and says so.
    session = viewer_sessions(lab_page.lab)[0]
    page.evaluate(
        """async id => {
            const url = jupyterapp.serviceManager.serverSettings.baseUrl;
            await fetch(url + 'api/kernels/' + id + '/restart', {method: 'POST'});
        }""",
        session["kernel"]["id"],
    )
    shown = page.locator(".locref-document:visible")
    shown.get_by_text("The kernel was restarted").wait_for(timeout=120_000)
    shown.get_by_role("button", name="Open again").click()
    shown.locator("canvas").first.wait_for(timeout=120_000)

    # The kernel ends with the last document.
    close_all(page)
    page.wait_for_timeout(500)
    for _ in range(300):
        if not viewer_sessions(lab_page.lab):
            break
        page.wait_for_timeout(200)
    assert not viewer_sessions(lab_page.lab)


def test_a_table_opens_and_a_source_map_is_declined(lab_page):
    page = lab_page.page
    double_click(page, "bundle.map")
    notice = page.locator(".locref-notice", has_text="is a JavaScript source map")
    notice.wait_for()
    notice.get_by_role("button", name="Open in the editor").click()
    page.locator(".jp-FileEditor", has_text="mappings").wait_for()
    double_click(page, "particles.star")
    page.locator(".locref-rows tbody tr").nth(24).wait_for(timeout=120_000)
    table = page.locator(".locref-table")
    assert "800 particles" in table.inner_text()
    assert "Nothing that a refinement would complain of" in table.inner_text()
    assert page.locator(".locref-rows tbody tr").count() == 25
    table.get_by_title("Last rows").click()
    page.locator(".locref-rows tbody tr th", has_text="800").wait_for()
    table.get_by_label("Go to row").fill("101")
    page.keyboard.press("Enter")
    page.get_by_text("rows 101 to 125 of 800").wait_for()
    assert not clipped_texts(page, ".locref-table")
    assert not serious_faults(lab_page, ".locref-document")
    lab_page.shoot("document_table", page.locator(".locref-document .locref-table"))


def test_the_launcher_tile_opens_the_workbench_notebook(lab_page):
    page = lab_page.page
    tile = page.locator(".jp-LauncherCard", has_text="Local refinement")
    tile.wait_for()
    assert page.locator(".jp-Launcher-sectionTitle", has_text="Local refinement").count() == 1
    lab_page.shoot("launcher", page.locator(".jp-Launcher-content"))
    page.set_viewport_size({"width": 1280, "height": 1000})
    tile.click()
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget?.context?.path === 'local_refinement.ipynb'",
        timeout=120_000,
    )
    page.locator(".jp-Notebook", has_text="Local refinement: the workbench").wait_for()
    # A second one leaves the first as it is; the tutorial is a command of its own.
    page.evaluate("() => { jupyterapp.commands.execute('locref:open-workbench'); }")
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget?.context?.path === 'local_refinement_2.ipynb'",
        timeout=120_000,
    )
    page.evaluate("() => { jupyterapp.commands.execute('locref:open-tutorial'); }")
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget?.context?.path === 'first_refinement.ipynb'",
        timeout=120_000,
    )
    # It comes with a kernel, ready to run.
    page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session?.kernel?.status"
        " === 'idle'",
        timeout=120_000,
    )
    close_all(page)
