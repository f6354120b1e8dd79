"""Files opened from JupyterLab's file browser, and the launcher tile."""

import json
import shutil

import pytest

from locref_widgets.sample import sample_paths

SOURCE_MAP = json.dumps({"version": 3, "sources": ["a.ts"], "names": [], "mappings": "AAAA"})


@pytest.fixture
def lab_page(notebook):
    """JupyterLab on a folder with maps, tables and files that only look like them."""
    sample, root = sample_paths(), notebook.lab.root
    for name, source in {
        "head.mrc": "map",
        "particles.star": "particles",
        "particles.mrcs": "images",
    }.items():
        if source in sample:
            shutil.copy(sample[source], root / name)
    (root / "bundle.map").write_text(SOURCE_MAP)
    page = notebook.page
    page.goto(f"{notebook.lab.url}/lab?reset")
    page.wait_for_function("() => window.jupyterapp?.restored")
    page.evaluate("() => jupyterapp.restored")
    return notebook


def double_click(page, name):
    page.locator(".jp-DirListing-item", has_text=name).first.dblclick()


def test_a_map_opens_on_double_click(lab_page):
    page = lab_page.page
    double_click(page, "head.mrc")
    page.locator(".locref-document .locref-map canvas").first.wait_for(timeout=60_000)
    page.locator(".locref-wait").wait_for(state="hidden")
    lab_page.shoot("document_map", page.locator(".locref-document"))
    assert not lab_page.errors


def test_a_table_opens_and_a_source_map_is_declined(lab_page):
    page = lab_page.page
    double_click(page, "bundle.map")
    notice = page.locator(".locref-notice", has_text="is a JavaScript source map")
    notice.wait_for()
    notice.get_by_role("button", name="Open in the editor").click()
    page.locator(".jp-FileEditor", has_text="mappings").wait_for()
    double_click(page, "particles.star")
    page.locator(".locref-rows tbody tr").nth(24).wait_for(timeout=60_000)
    table = page.locator(".locref-table")
    assert "800 particles" in table.inner_text()
    lab_page.shoot("document_table", page.locator(".locref-document .locref-table"))
    assert not lab_page.errors
