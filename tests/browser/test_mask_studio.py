"""The mask studio in a real JupyterLab: strokes of a real mouse, and the mask that they make."""

import json

import numpy as np
import pytest

from locref_widgets.io.mrc import Map, read_map
from locref_widgets.masks.recipe import MaskRecipe
from tests.browser.axe import faults_as_shown
from tests.browser.clipping import clipped_texts
from tests.browser.viewer import at_voxel, in_surface, picture_box

SETUP = """
import json, hashlib
import numpy as np, locref_widgets as lw
from locref_widgets.io.mrc import Map
z, y, x = np.mgrid[:48, :48, :48].astype("f4")
def blob(cx, cy, cz, s): return np.exp(-((x-cx)**2 + (y-cy)**2 + (z-cz)**2) / (2*s*s))
density = (blob(20, 24, 20, 6) + .8*blob(32, 26, 30, 4) + .6*blob(28, 14, 16, 3)).astype("f4")
noise = np.random.default_rng(0)
halves = [Map(density + .15*noise.standard_normal(density.shape).astype("f4"), 4.0) for _ in "ab"]
studio = lw.MaskStudio(Map(density, 4.0), half_maps=halves, resolution_angstrom=10.0)
studio
"""
ROOT = "document.querySelector('.locref-map')"
READY = f"""() => {ROOT}?.studio && {ROOT}.viewer.stage.layers.length === 2
    && {ROOT}.viewer.stage.layers.every(layer => layer.volume) && {ROOT}.viewer.surface.isSettled"""
# Every stroke is answered, and the browser's bytes have a sum that the kernel's mask has.
AGREED = f"""sum => {{ const s = {ROOT}.studio;
    if (s.strokes.pending.length || s.strokes.isOpen) return false;
    let found = 0;
    for (const value of s.mask().volume.data) found += value;
    return found === sum; }}"""


def density():
    z, y, x = np.mgrid[:48, :48, :48].astype("f4")

    def blob(cx, cy, cz, s):
        return np.exp(-((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / (2 * s * s))

    made = blob(20, 24, 20, 6) + 0.8 * blob(32, 26, 30, 4) + 0.6 * blob(28, 14, 16, 3)
    return Map(made.astype("f4"), 4.0)


def drag(page, *places):
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


def tool(page, name):
    page.get_by_role("radio", name=name, exact=True).click()


def steps(notebook):
    return json.loads(notebook.evaluate("print(json.dumps([s.tool for s in studio.recipe.steps]))"))


def wait_for_steps(notebook, count):
    for _ in range(100):
        if len(steps(notebook)) == count:
            return
        notebook.page.wait_for_timeout(50)
    raise AssertionError(f"{steps(notebook)} are not {count} steps")


def check_mask(notebook, folder):
    """Browser's bytes, kernel's mask and the recipe made again agree in every voxel."""
    notebook.evaluate("np.save('mask.npy', studio.mask.data); studio.recipe.save('now.yaml')")
    mask = np.load(folder / "mask.npy")
    notebook.page.wait_for_function(AGREED, arg=int(np.rint(255 * mask).sum()))
    shown = notebook.page.evaluate(f"() => Array.from({ROOT}.studio.mask().volume.data)")
    np.testing.assert_array_equal(np.array(shown).reshape(mask.shape), np.rint(255 * mask))
    again = MaskRecipe.load(folder / "now.yaml").apply(density()).data
    np.testing.assert_array_equal(again, mask)
    return mask


def brute(spheres, start, value, gate=True):
    """A stroke, voxel by voxel."""
    z, y, x = np.mgrid[:48, :48, :48].astype(np.float64)
    made = start.copy()
    for cx, cy, cz, r in spheres:
        inside = (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= r * r
        made[inside & gate] = value
    return made


def last_spheres(notebook):
    return json.loads(
        notebook.evaluate(
            "s = studio.recipe.steps[-1]; s = s.steps[-1] if s.tool == 'join' else s;"
            "print(json.dumps(s.spheres))"
        )
    )


def open_studio(notebook, name, width=1280):
    # All of it in sight: a mouse does not scroll.
    notebook.page.set_viewport_size({"width": width, "height": 1700})
    notebook.open([SETUP], name).run_all()
    notebook.page.wait_for_function(READY, timeout=60_000)
    return notebook.page


def test_strokes_in_slices_are_painted_erased_undone_and_saved(notebook):
    page = open_studio(notebook, "studio.ipynb")
    folder = notebook.lab.root
    for name in ("mask.npy", "now.yaml", "made.mrc", "made.recipe.yaml"):
        (folder / name).unlink(missing_ok=True)
    tool(page, "Paint")
    page.get_by_label("Only density").uncheck()
    drag(
        page,
        at_voxel(page, "xy", 14, 20),
        at_voxel(page, "xy", 26, 24),
        at_voxel(page, "xy", 20, 33),
    )
    wait_for_steps(notebook, 1)
    spheres = last_spheres(notebook)
    assert len(spheres) > 10
    assert all(sphere[2:] == [24, 4] for sphere in spheres)
    assert np.allclose(spheres[0][:2], [14, 20], atol=0.5)
    assert np.allclose(spheres[-1][:2], [20, 33], atol=0.5)
    painted = check_mask(notebook, folder)
    np.testing.assert_array_equal(painted, brute(spheres, np.zeros((48,) * 3), 1))

    # A larger brush, by Shift and the wheel; Shift takes away.
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -150)
    drag(page, at_voxel(page, "xz", 18, 24), at_voxel(page, "xz", 22, 24))
    page.keyboard.up("Shift")
    wait_for_steps(notebook, 2)
    removed = last_spheres(notebook)
    assert removed[0][3] == 7
    assert removed[0][1] == 24
    mask = check_mask(notebook, folder)
    np.testing.assert_array_equal(mask, brute(removed, painted, 0))
    assert mask.sum() < painted.sum()

    # The gate: only density of the contour level and more.
    tool(page, "Paint")
    page.get_by_label("Only density").check()
    drag(page, at_voxel(page, "yz", 24, 20), at_voxel(page, "yz", 26, 30))
    wait_for_steps(notebook, 3)
    level = float(notebook.evaluate("print(studio.recipe.steps[-1].at_least)"))
    assert abs(level - float(notebook.evaluate("print(studio.view.level)"))) < 1e-6
    gated = check_mask(notebook, folder)
    gate = density().data >= level
    np.testing.assert_array_equal(gated, brute(last_spheres(notebook), mask, 1, gate))

    # A stroke that is broken off was none.
    page.mouse.move(*at_voxel(page, "xy", 8, 8))
    page.mouse.down()
    page.mouse.move(*at_voxel(page, "xy", 30, 8), steps=4)
    page.keyboard.press("Escape")
    page.mouse.up()
    np.testing.assert_array_equal(check_mask(notebook, folder), gated)

    # Undo and redo, by keys and buttons.
    page.keyboard.press("Control+z")
    wait_for_steps(notebook, 2)
    np.testing.assert_array_equal(check_mask(notebook, folder), mask)
    page.get_by_role("button", name="Undo").click()
    wait_for_steps(notebook, 1)
    np.testing.assert_array_equal(check_mask(notebook, folder), painted)
    page.get_by_role("button", name="Redo").click()
    page.get_by_role("button", name="Redo").click()
    wait_for_steps(notebook, 3)
    np.testing.assert_array_equal(check_mask(notebook, folder), gated)

    # The eraser.
    tool(page, "Eraser")
    assert page.get_by_role("button", name="Erase outside").is_disabled()
    page.mouse.click(*at_voxel(page, "xy", 20, 24))
    page.get_by_role("button", name="Erase outside").click()
    wait_for_steps(notebook, 4)
    sphere = last_spheres(notebook)
    outside = check_mask(notebook, folder)
    np.testing.assert_array_equal(outside, gated * brute(sphere, np.zeros((48,) * 3), 1))

    # Saved on the map's grid.
    page.get_by_role("tab", name="Recipe and files", exact=True).click()
    page.get_by_label("Mask", exact=True).fill("made.mrc")
    page.get_by_label("Mask", exact=True).press("Enter")
    page.get_by_role("button", name="Save mask and recipe").click()
    page.locator(".locref-studio", has_text="Wrote made.mrc").wait_for()
    np.testing.assert_array_equal(read_map(folder / "made.mrc").data, outside)
    assert (folder / "made.recipe.yaml").is_file()
    notebook.shoot("mask_studio_recipe", page.locator(".locref-studio"))


def test_strokes_over_the_surface(notebook):
    page = open_studio(notebook, "studio3d.ipynb")
    folder = notebook.lab.root
    tool(page, "Paint")
    page.get_by_label("Only density").uncheck()
    box = picture_box(page, "3d")

    def on_screen(*voxel):
        return in_surface(page, voxel)

    drag(page, on_screen(18, 24, 20), on_screen(22, 24, 20), on_screen(22, 26, 21))
    wait_for_steps(notebook, 1)
    spheres = last_spheres(notebook)
    painted = check_mask(notebook, folder)
    np.testing.assert_array_equal(painted, brute(spheres, np.zeros((48,) * 3), 1))
    # Every sphere is about a point of the surface.
    level = float(notebook.evaluate("print(studio.view.level)"))
    values = np.array([_value(density().data, sphere[:3]) for sphere in (spheres[0], spheres[-1])])
    assert np.all(np.abs(values - level) < 0.03)

    tool(page, "Paint out")
    drag(page, on_screen(20, 24, 20), on_screen(22, 25, 20))
    wait_for_steps(notebook, 2)
    mask = check_mask(notebook, folder)
    np.testing.assert_array_equal(mask, brute(last_spheres(notebook), painted, 0))
    # Beside the surface a drag turns the view.
    before = page.evaluate(f"() => Array.from({ROOT}.viewer.surface.camera.rotation)")
    drag(page, (box["x"] + 6, box["y"] + 6), (box["x"] + 60, box["y"] + 10))
    assert page.evaluate(f"() => Array.from({ROOT}.viewer.surface.camera.rotation)") != before
    assert len(steps(notebook)) == 2
    page.wait_for_function(READY)
    tool(page, "Paint")
    notebook.shoot("mask_studio_paint", page.locator(".locref-studio"))


def _value(data, place):
    from scipy import ndimage

    return ndimage.map_coordinates(data, [[value] for value in place[::-1]], order=1)[0]


def test_regions_are_chosen_and_merged_by_clicks(notebook):
    page = open_studio(notebook, "regions.ipynb")
    folder = notebook.lab.root
    page.get_by_role("tab", name="Regions", exact=True).click()
    page.get_by_role("button", name="Segment", exact=True).click()
    page.get_by_text("0 chosen").wait_for()
    slider = page.get_by_role("slider", name="Grouping", exact=True)
    slider.focus()
    for _ in range(4):
        slider.press("ArrowLeft")
    page.get_by_text("3 regions; 0 chosen").wait_for()
    notebook.evaluate("studio.view.cursor = [24, 24, 24]")
    page.locator("figcaption", has_text="z = 24").wait_for()
    page.mouse.click(*at_voxel(page, "xy", 20, 24))
    page.get_by_text("3 regions; 1 chosen").wait_for()
    page.wait_for_function(f"() => {ROOT}.viewer.stage.layer('preview')")
    drag(page, at_voxel(page, "xy", 20, 24), at_voxel(page, "xy", 31, 25))
    page.get_by_text("2 regions; 1 chosen").wait_for()
    page.keyboard.down("Alt")
    page.mouse.click(*at_voxel(page, "xy", 20, 24))
    page.keyboard.up("Alt")
    page.get_by_text("3 regions; 2 chosen").wait_for()
    page.get_by_role("checkbox", name="region 3 in the mask").check()
    page.get_by_text("3 regions; 3 chosen").wait_for()
    page.get_by_role("checkbox", name="region 3 in the mask").uncheck()
    page.get_by_text("3 regions; 2 chosen").wait_for()
    notebook.shoot("mask_studio_regions", page.locator(".locref-studio"))
    page.get_by_role("button", name="Take into the mask").click()
    wait_for_steps(notebook, 1)
    mask = check_mask(notebook, folder)
    assert mask[20, 24, 20] == mask[30, 26, 32] == 1
    assert mask[16, 14, 28] == 0
    # A click on the surface chooses the region behind it.
    page.wait_for_function(READY)
    notebook.evaluate("studio.view.set_layer('mask', visible=False)")
    page.get_by_role("button", name="Choose none").click()
    page.get_by_text("3 regions; 0 chosen").wait_for()
    page.mouse.click(*in_surface(page, (32, 26, 30)))
    page.get_by_text("3 regions; 1 chosen").wait_for()
    found = notebook.evaluate(
        "c = studio.state.regions; print(c.chosen, c.tree.region_at((32, 26, 30)))"
    )
    chosen, there = found.split()
    assert chosen == f"[{there}]"


def test_shape_and_checks(notebook):
    page = open_studio(notebook, "shape.ipynb")
    slider = page.get_by_role("slider", name="Threshold")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    page.wait_for_function(f"() => {ROOT}.viewer.stage.layer('preview')?.volume")
    page.locator(".locref-preview", has_text="threshold at").wait_for()
    # Boxes are sent, each put where the one before was: the page holds what Python shows.
    slider = page.locator('.locref-slider input[aria-label="Threshold"]')
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft"):
        slider.press(key)
    page.wait_for_timeout(500)
    shown = page.evaluate(
        f"() => {ROOT}.viewer.stage.layer('preview').volume.data.reduce((all, x) => all + x, 0)"
    )
    previewed = notebook.evaluate("print(int(255 * studio.view._preview.sum()))")
    assert shown == int(previewed) > 0
    page.get_by_role("button", name="Apply").first.click()
    wait_for_steps(notebook, 1)
    page.wait_for_function(f"() => !{ROOT}.viewer.stage.layer('preview')")
    soft = page.get_by_role("slider", name="Soft edge")
    soft.focus()
    for _ in range(6):
        soft.press("ArrowRight")
    page.locator(".locref-preview", has_text="soft edge of 6 voxels").wait_for()
    page.wait_for_function(f"() => {ROOT}.viewer.surface.isSettled")
    notebook.shoot("mask_studio_shape", page.locator(".locref-studio"))
    page.get_by_role("tab", name="Checks").click()
    page.get_by_role("img", name="warning").first.wait_for()
    page.get_by_role("button", name="Measure the FSC").click()
    page.get_by_text("With this mask the half-maps agree").wait_for(timeout=60_000)
    page.wait_for_function("() => document.querySelector('.locref-studio .bqplot .tick')")
    notebook.shoot("mask_studio_checks", page.locator(".locref-studio"))
    page.get_by_role("button", name="Mend").first.click()
    wait_for_steps(notebook, 2)
    page.get_by_role("tab", name="Model", exact=True).click()
    notebook.shoot("mask_studio_model", page.locator(".locref-studio"))


def test_narrow_page_clips_nothing(notebook):
    page = open_studio(notebook, "narrow_studio.ipynb", 900)
    for theme in ("Dark", "Light"):
        notebook.use_theme(f"JupyterLab {theme}")
        for name in ("Shape", "Regions", "Model", "Checks", "Recipe and files"):
            page.get_by_role("tab", name=name, exact=name != "Checks").click()
            clipped = [
                words
                for words in clipped_texts(page, ".locref-studio")
                if "locref-preview" not in words  # its whole is in the tooltip
            ]
            assert not clipped, (name, clipped)
            assert not faults_as_shown(page, ".locref-studio"), (theme, name)
    notebook.shoot("mask_studio_900px", page.locator(".locref-studio"))


@pytest.mark.breaks_kernel
def test_it_comes_back_after_a_reload_and_says_when_its_kernel_has_gone(notebook):
    page = open_studio(notebook, "back.ipynb")
    tool(page, "Paint")
    drag(page, at_voxel(page, "xy", 14, 20), at_voxel(page, "xy", 26, 24))
    wait_for_steps(notebook, 1)
    painted = check_mask(notebook, notebook.lab.root)
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    notebook.show("back.ipynb", reset=False)
    page.wait_for_function(READY, timeout=60_000)
    np.testing.assert_array_equal(check_mask(notebook, notebook.lab.root), painted)
    # It goes on where it was.
    page.get_by_role("button", name="Undo").click()
    wait_for_steps(notebook, 0)
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    page.locator(".locref-wait", has_text="kernel").wait_for()
    # Nothing that would have to be answered can be pressed any more.
    page.locator(".locref-studio[inert]").wait_for()
