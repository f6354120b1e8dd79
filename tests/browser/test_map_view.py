"""The map view in a real JupyterLab: what is painted, and what pointer, wheel and keys do."""

import numpy as np
import pytest
from matplotlib import image

from tests.browser.axe import serious_faults
from tests.browser.viewer import (
    CLIPPED,
    FULCRUM,
    MAP,
    MASK,
    SETTLED,
    SHARE,
    VIEWER,
    at_voxel,
    in_surface,
    line_of_sight,
    picture_box,
    wait_for_heading,
)

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


def headings(page):
    return page.locator(".locref-panel:not([data-view='3d']) figcaption b").all_inner_texts()


def test_slices_scrub_and_show_mask_and_fulcrum(notebook):
    notebook.open([SETUP], "map.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    assert page.locator(".locref-wait").is_hidden()
    assert headings(page) == ["xy at z = 25", "xz at y = 25", "yz at x = 26"]
    for index in range(3):
        for colour in (FULCRUM, MASK):
            page.wait_for_function(f"arg => ({SHARE})(arg) > 1e-3", arg=[index, colour])

    # A click moves the other two slices to the place under it.
    page.mouse.click(*at_voxel(page, "xy", 32, 26))
    wait_for_heading(page, "x = 32")
    assert headings(page) == ["xy at z = 25", "xz at y = 26", "yz at x = 32"]
    page.wait_for_timeout(300)
    assert notebook.evaluate("print(view.cursor)") == "[32, 26, 25]"

    # Keys leaf through the slice that has the focus and never reach the notebook.
    cells = "() => jupyterapp.shell.currentWidget.content.widgets.length"
    before = page.evaluate(cells)
    for key in ("ArrowUp", "ArrowUp", "PageDown", "ArrowDown", "b", "d", "d"):
        page.keyboard.press(key)
    wait_for_heading(page, "z = 16")
    assert page.evaluate(cells) == before
    page.mouse.wheel(0, -150)
    wait_for_heading(page, "z = 19")
    page.get_by_text("Go to fulcrum").click()
    wait_for_heading(page, "z = 25")

    # The value under the pointer is the map's own.
    page.mouse.move(*at_voxel(page, "xy", 20, 24))
    page.locator(".locref-read-out", has_text="density").wait_for()
    exact = float(notebook.evaluate("print(density[25, 24, 20])"))
    words = page.locator(".locref-read-out").inner_text()
    assert f"density {exact:.4f}" in words
    assert "(20, 24, 25) voxels = (−16.0, 0.0, 4.0) Å" in words

    # The switches hide what they name.
    page.get_by_label("mask", exact=True).uncheck()
    page.wait_for_function(f"arg => ({SHARE})(arg) < 1e-3", arg=[0, MASK])
    page.get_by_label("mask", exact=True).check()
    notebook.evaluate("view.cursor = [26, 25, 40]")
    wait_for_heading(page, "fulcrum at 25")
    notebook.evaluate("view.cursor = [26, 25, 25]")
    notebook.shoot("map_view", page.locator(".locref-map"))


def test_zoom_and_pan_keep_the_place_under_the_pointer(notebook):
    notebook.open([SETUP], "zoom.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    page.mouse.click(*at_voxel(page, "xz", 20, 20))
    wait_for_heading(page, "x = 20")
    where = at_voxel(page, "xz", 20, 20)
    for _ in range(4):
        page.keyboard.press("+")
    page.wait_for_function(f"() => {VIEWER}.stage.zoom > 2.4")
    page.mouse.move(where[0] + 1, where[1])
    page.locator(".locref-read-out", has_text="(20, 25, 20)").wait_for()
    page.mouse.down(button="right")
    page.mouse.move(where[0] + 31, where[1] - 20, steps=4)
    page.mouse.up(button="right")
    page.locator(".locref-read-out", has_text="(20, 25, 20)").wait_for()
    page.keyboard.press("0")
    page.wait_for_function(f"() => {VIEWER}.stage.zoom === 1")


def test_a_click_on_the_surface_picks_a_point_of_the_map(notebook):
    notebook.open([SETUP], "pick.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    notebook.evaluate(
        "from locref_widgets.masks.sightline import value_at; view.set_layer('mask', visible=False)"
    )
    for _ in range(2):  # and again from another side
        place = in_surface(page, (20, 24, 20))
        page.mouse.click(*place)
        page.wait_for_timeout(500)
        notebook.evaluate("point = np.array(view.picked['voxel'])")
        value = float(notebook.evaluate("print(value_at(view.map.data, point[None])[0])"))
        level = float(notebook.evaluate("print(view.level)"))
        assert abs(value - level) < 1e-5 * max(1, abs(level))
        # It is on the line of sight, which meets nothing before. The pointer is on whole pixels.
        origin, direction = line_of_sight(page, place)
        answer = notebook.evaluate(
            f"o, d = np.array({origin}), np.array({direction})\n"
            "t = (point - o) @ d\n"
            "before = value_at(view.map.data, o + np.linspace(0, t - .3, 900)[:, None] * d)\n"
            "print(np.abs(o + t * d - point).max() < .3, np.nanmax(before) < view.level)"
        )
        assert answer == "True True"
        for key in ("ArrowLeft", *5 * ["ArrowUp"]):
            page.keyboard.press(key)


def test_level_and_mass_go_both_ways(notebook):
    notebook.open([SETUP], "level.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    drawn = page.evaluate(f"() => {VIEWER}.surface.isSettled && {VIEWER}.stage.first.style.level")
    assert drawn == float(notebook.evaluate("print(view.level)"))
    page.get_by_label("Level", exact=False).last.fill("0.5")
    page.keyboard.press("Tab")
    page.wait_for_timeout(500)
    assert notebook.evaluate("print(view.level)") == "0.5"
    exact = float(notebook.evaluate("print(view.mass_above_kda())"))
    page.wait_for_function(
        f"mass => Math.abs({VIEWER}.levels.mass.input.valueAsNumber - mass) < 0.5", arg=exact
    )
    page.get_by_label("Mass above").fill("200")
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => {VIEWER}.stage.first.style.level !== 0.5")
    assert abs(float(notebook.evaluate("print(view.mass_above_kda())")) - 200) < 0.1
    page.wait_for_function(SETTLED)
    page.get_by_label("Mass above").fill("999999999")
    page.keyboard.press("Enter")
    page.locator(".locref-wait", has_text="kDa").wait_for()


def test_the_picture_is_saved_as_png(notebook, tmp_path):
    notebook.open([SETUP], "png.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    with page.expect_download() as download:
        page.get_by_text("Save picture").click()
    path = tmp_path / "picture.png"
    download.value.save_as(path)
    assert download.value.suggested_filename == "map.png"
    picture = image.imread(path)
    assert picture.shape[1] > 900
    # Surface and slices are in it: the map's gold, the mask's blue.
    for colour in (MASK, MAP):
        close = np.abs(picture[..., :3] * 255 - colour).max(axis=-1) < 60
        assert close.mean() > 1e-3


def test_full_screen_and_large_pictures(notebook):
    notebook.open([SETUP], "large.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    before = picture_box(page, "xy")["width"]
    page.get_by_label("enlarge the xy plane").click()
    page.wait_for_function(
        f"before => {VIEWER}.slices[0].canvas.clientWidth > 1.8 * before", arg=before
    )
    page.get_by_text("Full screen").click()
    page.wait_for_function("() => document.fullscreenElement?.matches('.locref-map')")
    page.get_by_text("Leave full screen").click()
    page.wait_for_function("() => !document.fullscreenElement")


def test_a_lost_context_is_told_in_words_and_comes_back(notebook):
    notebook.open([SETUP], "lost.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    page.evaluate(f"() => {VIEWER}.surface.renderer.dispose()")
    words = page.locator(".locref-lost")
    words.wait_for()
    assert "Click" in words.inner_text()
    words.click()
    page.wait_for_function(SETTLED)
    assert words.is_hidden()


def test_many_views_and_closed_ones_give_their_contexts_back(notebook):
    notebook.open([SETUP, "view"], "twice.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(
        "() => [...document.querySelectorAll('.locref-map')]"
        ".filter(e => e.viewer?.stage.first?.volume).length === 2"
    )
    page.evaluate(
        "() => { window.contexts = [...document.querySelectorAll('.locref-map')]"
        ".map(e => e.viewer.surface.canvas.getContext('webgl2')); }"
    )
    assert page.evaluate("() => window.contexts.some(c => c.isContextLost())") is False
    notebook.evaluate("view.close()")
    page.wait_for_function("() => window.contexts.every(c => c.isContextLost())")


@pytest.mark.breaks_kernel
def test_a_restarted_kernel_is_told_in_words(notebook):
    notebook.open([SETUP], "restart.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    page.locator(".locref-wait", has_text="kernel").wait_for()
    notebook.run_all()
    page.wait_for_function(SETTLED)
    assert page.locator(".locref-wait").is_hidden()


def test_a_reloaded_page_shows_the_map_again(notebook):
    notebook.open([SETUP], "reload_map.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    notebook.evaluate("view.level = 0.6")
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    notebook.show("reload_map.ipynb", reset=False)
    page.wait_for_function(SETTLED)
    assert page.evaluate(f"() => {VIEWER}.stage.first.style.level") == 0.6


OVERLAY = """
from locref_widgets.io.box_position import BoxPosition
volume = Map(density[:, 6:40].astype("f4"), 4.0, position=BoxPosition((0, 6, 0)))
# Half as many voxels, of twice the size, and a place of its own.
coarse = Map((density + blob(12, 30, 26, 4))[::2, ::2, ::2].astype("f4"), 8.0,
             position=BoxPosition((0, 0, 0), (8.0, 0, 0)))
view = lw.MapView(volume)
view.add_map(coarse, name="coarse", level=0.4, opacity=0.5)
view
"""


def test_several_maps_on_grids_of_their_own_that_are_no_cubes(notebook):
    setup = SETUP.replace("view = lw.MapView", "unused = lw.MapView").replace("\nview\n", "\n")
    notebook.open([setup, OVERLAY], "overlay.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    assert "48 × 34 × 48 voxels of 4 Å" in page.locator(".locref-bar").inner_text()
    # The coarse map's outline is where its density passes the level, in the first map's voxels.
    page.mouse.click(*at_voxel(page, "xy", 20, 18, (48, 34)))
    wait_for_heading(page, "xz at y = 18")
    layer = f"{VIEWER}.stage.layer('map1')"
    assert page.evaluate(f"() => [{layer}.volume.scale, ...{layer}.volume.offset]") == [2, 2, -6, 0]
    page.mouse.move(*at_voxel(page, "xy", 20, 18, (48, 34)))
    page.locator(".locref-read-out", has_text="coarse").wait_for()
    exact = float(notebook.evaluate("print(coarse.data[view.cursor[2] // 2, 12, 9])"))
    assert f"coarse {exact:.4f}" in page.locator(".locref-read-out").inner_text()
    page.get_by_label("opacity of coarse").fill("0.3")
    page.get_by_label("map whose contour level is set").select_option("map1")
    page.get_by_label("Level", exact=False).last.fill("0.25")
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    state = notebook.evaluate("print(view.layers[1]['opacity'], view.layers[1]['level'])")
    assert state == "0.3 0.25"
    page.wait_for_function(SETTLED)
    notebook.shoot("map_view_overlay", page.locator(".locref-map"))


def test_no_width_clips_anything_and_axe_finds_nothing_serious(notebook):
    notebook.open([SETUP], "widths.ipynb").run_all()
    page = notebook.page
    page.wait_for_function(SETTLED)
    assert not serious_faults(notebook, ".locref-map")
    for width in (1280, 900, 620):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(SETTLED)
        assert not page.evaluate(CLIPPED), width
        if width < 1280:
            notebook.shoot(f"map_view_{width}px", page.locator(".locref-map"))
