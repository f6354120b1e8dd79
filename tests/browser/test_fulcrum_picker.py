"""The fulcrum picker in a real JupyterLab: clicked, dragged, typed, chosen, and previewed."""

import json

import pytest

from tests.browser.axe import serious_faults
from tests.browser.viewer import (
    CLIPPED,
    FULCRUM,
    SETTLED,
    SHARE,
    VIEWER,
    at_voxel,
    in_surface,
    line_of_sight,
    wait_for_heading,
)

SETUP = """
import numpy as np, locref_widgets as lw
from locref_widgets.io.mrc import Map
from locref_widgets.masks.sightline import value_at
z, y, x = np.mgrid[:48, :48, :48].astype("f4")
def blob(cx, cy, cz, s): return np.exp(-((x-cx)**2 + (y-cy)**2 + (z-cz)**2) / (2*s*s))
density = (blob(18, 24, 20, 6) + .9*blob(33, 26, 30, 4.5) + .7*blob(26, 25, 25, 4)).astype("f4")
mask = np.clip(9 - np.sqrt((x-34)**2 + (y-26)**2 + (z-31)**2), 0, 1).astype("f4")
picker = lw.FulcrumPicker(Map(density, 1.3), Map(mask, 1.3), (26, 25, 25))
picker
"""


def fulcrum(notebook):
    return json.loads(notebook.evaluate("import json; print(json.dumps(picker.fulcrum))"))


def wait_for_fulcrum(notebook, expected, tolerance=0.02):
    """Until the kernel has the point; places on screen are whole pixels, so not exactly."""
    for _ in range(100):
        found = fulcrum(notebook)
        if max(abs(a - b) for a, b in zip(found, expected, strict=True)) <= tolerance:
            return found
        notebook.page.wait_for_timeout(100)
    raise AssertionError(f"the fulcrum is {found}, not {expected}")


@pytest.fixture
def picker(notebook, request):
    notebook.open([SETUP], f"{request.node.originalname}.ipynb").run_all()
    notebook.page.wait_for_function(SETTLED)
    notebook.page.locator(".locref-sentence div").first.wait_for()
    return notebook


def test_clicks_and_drags_on_slices(picker):
    page = picker.page
    page.mouse.click(*at_voxel(page, "xy", 30, 20))
    wait_for_fulcrum(picker, (30, 20, 25), 0.2)
    wait_for_heading(page, "xz at y = 20")
    page.get_by_text("Clicked in the xy slice").wait_for()
    # The marker is dragged in another slice; the third coordinate stays.
    here = fulcrum(picker)
    page.mouse.move(*at_voxel(page, "xz", here[0], here[2]))
    page.mouse.down()
    page.mouse.move(*at_voxel(page, "xz", 24, 28), steps=6)
    page.mouse.move(*at_voxel(page, "xz", 22, 33), steps=6)
    page.mouse.up()
    found = wait_for_fulcrum(picker, (22, here[1], 33), 0.25)
    assert found[1] == here[1]
    page.get_by_text("Dragged in the xz slice").wait_for()
    assert page.evaluate(f"arg => ({SHARE})(arg)", [1, FULCRUM]) > 1e-3
    # Escape puts it back.
    page.mouse.move(*at_voxel(page, "xz", 22, 33))
    page.mouse.down()
    page.mouse.move(*at_voxel(page, "xz", 40, 40), steps=4)
    page.keyboard.press("Escape")
    page.mouse.up()
    wait_for_fulcrum(picker, found)
    # Looking around leaves it where it is.
    page.get_by_text("Look around").click()
    page.mouse.click(*at_voxel(page, "xy", 10, 10))
    wait_for_heading(page, "xz at y = 10")
    assert fulcrum(picker) == found
    page.keyboard.press("f")
    wait_for_fulcrum(picker, (10, 10, 33))


def test_a_click_on_the_surface_lands_on_the_maps_own_surface(picker):
    page = picker.page
    place = in_surface(page, (18, 24, 20))
    page.mouse.click(*place)
    page.get_by_text("Clicked on the surface of map").wait_for()
    value = float(picker.evaluate("print(value_at(density, np.array([picker.fulcrum]))[0])"))
    level = float(picker.evaluate("print(picker.front.level)"))
    assert abs(value - level) < 1e-5
    origin, direction = line_of_sight(page, place)
    answer = picker.evaluate(
        f"o, d, p = np.array({origin}), np.array({direction}), np.array(picker.fulcrum)\n"
        "t = (p - o) @ d\n"
        "before = value_at(density, o + np.linspace(0, t - .3, 900)[:, None] * d)\n"
        "print(np.abs(o + t * d - p).max() < .3, np.nanmax(before) < picker.front.level)"
    )
    assert answer == "True True"
    # Its marker is dragged in the plane of the screen, with Shift along the line of sight.
    before = fulcrum(picker)
    start = in_surface(page, before)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(start[0] + 40, start[1] - 25, steps=5)
    page.mouse.up()
    page.get_by_text("Dragged in the surface picture").wait_for()
    page.wait_for_timeout(400)
    x, y = in_surface(page, fulcrum(picker))
    assert abs(x - start[0] - 40) < 2
    assert abs(y - start[1] + 25) < 2
    middle = fulcrum(picker)
    page.mouse.move(x, y)
    page.keyboard.down("Shift")
    page.mouse.down()
    page.mouse.move(x, y - 30, steps=5)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_timeout(400)
    after = fulcrum(picker)
    moved = [b - a for a, b in zip(middle, after, strict=True)]
    along = sum(m * d for m, d in zip(moved, direction, strict=True))
    assert along > 1
    assert abs(sum(m * m for m in moved) - along**2) < 0.05 * along**2


def test_numbers_choices_and_extents(picker):
    page = picker.page
    field = page.get_by_label("fulcrum x, Voxels from the corner")
    field.fill("12.5")
    page.keyboard.press("Enter")
    wait_for_fulcrum(picker, (12.5, 25, 25))
    assert page.get_by_label("fulcrum x, Å from the centre").input_value() == "-14.95"
    page.get_by_label("fulcrum z, Å from the centre").fill("13")
    page.keyboard.press("Enter")
    wait_for_fulcrum(picker, (12.5, 25, 34))
    field.fill("99")
    page.keyboard.press("Enter")
    page.get_by_text("x = 99 voxels lies outside the box").wait_for()
    wait_for_fulcrum(picker, (12.5, 25, 34))
    page.get_by_text("Box centre").click()
    wait_for_fulcrum(picker, (24, 24, 24))
    page.get_by_text("Interface with the rest").click()
    page.locator(".locref-place", has_text="The middle of the interface").wait_for()
    # The far end of the mask, by NumPy.
    inside = "np.argwhere(mask >= .5)[:, ::-1]"
    far = float(picker.evaluate(f"print(np.linalg.norm({inside} - picker.fulcrum, axis=1).max())"))
    words = page.locator(".locref-sentence").inner_text().replace("\xa0", " ")
    assert f"{far * 1.3:.0f} Å away" in words
    assert f"by {2 * far * 1.3 * 0.17410813759:.1f} Å" in words.replace("−", "-")
    assert "Shift extent 10 px = 13 Å across" in words
    page.get_by_label("Rotation extent").fill("8")
    page.keyboard.press("Enter")
    page.locator(".locref-sentence", has_text="8° here moves").wait_for()
    page.wait_for_timeout(300)
    values = json.loads(picker.evaluate("print(json.dumps(picker.settings_values()))"))
    assert abs(values["rotation_extent"] - 0.13962634) < 1e-6
    page.get_by_label("folder of an earlier run").fill("/nowhere/run")
    page.get_by_text("Use its fit").click()
    page.locator(".locref-place [role=alert]", has_text="/nowhere/run").wait_for()
    # Set from Python, it moves here.
    picker.evaluate("picker.fulcrum_angstrom = (0, 0, 0)")
    wait_for_heading(page, "xy at z = 24")


def test_the_region_swings_about_the_point(picker):
    page = picker.page
    state = f"() => {VIEWER}.stage.layer('swing')"
    assert page.evaluate(f"{state}.style.visible")
    slider = page.get_by_label("angle of the preview")
    angle = float(slider.input_value())
    assert abs(angle - 20.05) < 0.1
    page.get_by_label("axis of the preview").select_option("x")
    # The mask's own slice, turned about x through the fulcrum: its outline in the slice is there.
    motion = page.evaluate(f"({state})().motion")
    assert motion["about"] == [26, 25, 25]
    assert abs(motion["turn"][4] - 0.9394) < 1e-3
    page.get_by_text("Play", exact=True).click()
    page.wait_for_function(
        "before => Math.abs(document.querySelector('[aria-label=\"angle of the preview\"]')"
        ".valueAsNumber - before) > 5",
        arg=angle,
    )
    page.get_by_text("Stop", exact=True).click()
    page.get_by_label("Region turned").uncheck()
    page.wait_for_function(f"() => !({state})().style.visible")
    page.get_by_label("Region turned").check()
    slider.fill("20")
    page.get_by_label("axis of the preview").select_option("swing")
    page.wait_for_function(SETTLED)
    picker.shoot("fulcrum_picker", page.locator(".locref-map"))


@pytest.mark.breaks_kernel
def test_a_restarted_kernel_is_told_in_words(picker):
    page = picker.page
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    page.locator(".locref-wait", has_text="kernel").first.wait_for()
    # Turning, leafing and typing still work on what is there.
    page.mouse.click(*at_voxel(page, "xy", 20, 20))
    wait_for_heading(page, "xz at y = 20")
    # The value under the pointer is asked for, and nobody is there to hear it.
    page.mouse.move(*at_voxel(page, "xy", 24, 24))
    page.wait_for_timeout(300)
    picker.run_all()
    page.wait_for_function(SETTLED)


def test_no_width_clips_anything_and_axe_finds_nothing_serious(picker):
    page = picker.page
    assert not serious_faults(picker, ".locref-map")
    for width in (900, 620):
        page.set_viewport_size({"width": width, "height": 1200})
        page.wait_for_function(SETTLED)
        assert not page.evaluate(CLIPPED), width
        picker.shoot(f"fulcrum_picker_{width}px", page.locator(".locref-map"))
