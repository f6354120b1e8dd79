"""The map view in a real JupyterLab: what is painted, and what pointer, wheel and keys do."""

SETUP = """
import numpy as np, locref_widgets as lw
from locref_widgets.io.mrc import Map
z, y, x = np.mgrid[:48, :48, :48].astype("f4")
def blob(cx, cy, cz, s): return np.exp(-((x-cx)**2 + (y-cy)**2 + (z-cz)**2) / (2*s*s))
density = blob(20, 24, 20, 6) + .8*blob(32, 26, 30, 4) + .6*blob(28, 14, 16, 3)
mask = np.clip(8 - np.sqrt((x-32)**2 + (y-26)**2 + (z-30)**2), 0, 1)
view = lw.MapView(Map(density.astype("f4"), 4.0), Map(mask.astype("f4"), 4.0),
                  fulcrum=(26, 25, 25))
view
"""
# Share of a canvas' pixels close to a colour.
SHARE = """([index, colour]) => {
    const canvas = document.querySelectorAll('.locref-map canvas')[index];
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let close = 0;
    for (let i = 0; i < data.length; i += 4)
        close += colour.every((value, c) => Math.abs(value - data[i + c]) < 40);
    return close / (data.length / 4);
}"""
FULCRUM, MASK = [209, 73, 12], [0, 114, 178]


def headings(page):
    return page.locator(".locref-map figcaption b").all_inner_texts()


def test_slices_scrub_and_show_mask_and_fulcrum(notebook):
    notebook.open([SETUP], "map.ipynb").run_all()
    page = notebook.page
    canvas = page.locator(".locref-map canvas")
    page.locator(".locref-wait").wait_for(state="hidden")
    assert headings(page) == ["xy plane, z = 25", "xz plane, y = 25", "yz plane, x = 26"]
    for index in range(3):
        for colour in (FULCRUM, MASK):
            page.wait_for_function(f"arg => ({SHARE})(arg) > 1e-3", arg=[index, colour])

    # A click moves the other two slices to the place under it.
    box = canvas.nth(0).bounding_box()
    page.mouse.click(box["x"] + box["width"] * 32.5 / 48, box["y"] + box["height"] * 21.5 / 48)
    page.wait_for_function(
        "() => document.querySelector('.locref-map').innerText.includes('x = 32')"
    )
    assert headings(page) == ["xy plane, z = 25", "xz plane, y = 26", "yz plane, x = 32"]
    page.wait_for_timeout(300)
    assert notebook.evaluate("print(view.cursor)") == "[32, 26, 25]"

    # Keys leaf through the slice that has the focus and never reach the notebook.
    cells = "() => jupyterapp.shell.currentWidget.content.widgets.length"
    before = page.evaluate(cells)
    for key in ("ArrowUp", "ArrowUp", "PageDown", "ArrowDown", "b", "d", "d"):
        page.keyboard.press(key)
    page.wait_for_function(
        "() => document.querySelector('.locref-map').innerText.includes('z = 16')"
    )
    assert page.evaluate(cells) == before
    page.mouse.wheel(0, -150)
    page.wait_for_function(
        "() => document.querySelector('.locref-map').innerText.includes('z = 19')"
    )
    page.get_by_text("Go to fulcrum").click()
    page.wait_for_function(
        "() => document.querySelector('.locref-map').innerText.includes('z = 25')"
    )

    # The value under the pointer is the map's own.
    page.mouse.move(box["x"] + box["width"] * 20.5 / 48, box["y"] + box["height"] * 23.5 / 48)
    page.locator(".locref-read-out", has_text="density").wait_for()
    exact = float(notebook.evaluate("print(density[25, 24, 20])"))
    words = page.locator(".locref-read-out").inner_text()
    assert f"density {exact:.4f}" in words
    assert "(20, 24, 25) voxels = (−16.0, 0.0, 4.0) Å" in words

    # The switches hide what they name.
    page.get_by_label("Mask outline").uncheck()
    page.wait_for_function(f"arg => ({SHARE})(arg) < 1e-3", arg=[0, MASK])
    page.get_by_label("Mask outline").check()
    notebook.evaluate("view.cursor = [26, 25, 40]")
    page.locator("figcaption", has_text="fulcrum 15 voxels back").wait_for()
    notebook.evaluate("view.cursor = [26, 25, 25]")
    notebook.shoot("map_view", page.locator(".locref-map"))
    assert not notebook.errors


def test_narrow_page_clips_nothing(notebook):
    notebook.page.set_viewport_size({"width": 900, "height": 900})
    notebook.open([SETUP], "narrow.ipynb").run_all()
    page = notebook.page
    page.locator(".locref-wait").wait_for(state="hidden")
    clipped = page.evaluate(
        """() => [...document.querySelectorAll('.locref-map *')]
            .filter(element => element.scrollWidth > element.clientWidth + 1
                && getComputedStyle(element).display !== 'inline')
            .map(element => element.tagName + element.className)"""
    )
    assert not clipped
    notebook.shoot("map_view_900px", page.locator(".locref-map"))


def test_a_second_view_and_a_restarted_kernel(notebook):
    notebook.open([SETUP, "view"], "twice.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(
        "() => [...document.querySelectorAll('.locref-wait')].filter(e => e.hidden).length === 2"
    )
    assert page.locator(".locref-map canvas").count() == 6
    assert not notebook.errors
