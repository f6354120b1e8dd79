"""The settings form in a real JupyterLab: typing, warnings, presets, keys, looks."""

import pytest

from tests.browser.axe import serious_faults
from tests.browser.clipping import clipped_texts

SETUP = """
import locref_widgets as lw
from locref_widgets.sample import sample_paths
sample = sample_paths()
form = lw.SettingsForm(lw.RefinementSettings(fulcrum_angstrom=sample["fulcrum_angstrom"]),
                       volume=lw.read_map(sample["map"]), mask=lw.read_map(sample["mask"]))
form
"""


def field(page, label):
    return page.get_by_label(label, exact=True)


@pytest.mark.breaks_kernel
def test_settings_go_in_and_out(notebook):
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})
    notebook.open([SETUP], "form.ipynb").run_all()
    page = notebook.page
    form = page.locator(".locref-form")
    form.wait_for()

    # In: what is typed arrives as settings, in the unit that is meant.
    field(page, "Rotation extent").fill("30°")
    page.keyboard.press("Tab")
    page.locator(".locref-field", has_text="30.0°: moves").wait_for()
    assert notebook.evaluate("print(form.value.rotation_extent)") == "0.5236"
    field(page, "Mask of references").select_option("static")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.locref-form input')].some(e => e.disabled)"
    )
    assert notebook.evaluate("print(form.value.masking)") == "static"

    # A wrong entry is told beside its field, and the settings stay.
    field(page, "Shift extent").fill("wide")
    page.keyboard.press("Tab")
    alert = page.locator(".locref-field [role=alert]")
    assert "is not a number" in alert.inner_text()
    assert notebook.evaluate("print(form.valid, form.value.shift_extent)") == "False 10.0"
    field(page, "Prior, rotation").fill("15")
    page.keyboard.press("Tab")
    field(page, "Shift extent").fill("8")
    page.keyboard.press("Tab")
    alert.wait_for(state="hidden")
    warning = page.locator(".locref-field .locref-warning", has_text="cuts off")
    warning.wait_for()
    assert notebook.evaluate("print(form.valid, form.value.prior_rotation)") == "True 15.0"

    # Keys on a check box or a button are the form's, never the notebook's.
    cells = "() => jupyterapp.shell.currentWidget.content.widgets.length"
    before = page.evaluate(cells)
    field(page, "Marginalise").focus()
    for key in ("b", "d", "d", "a", "Space"):
        page.keyboard.press(key)
    assert page.evaluate(cells) == before
    page.wait_for_function("() => !document.querySelector('.locref-invalid')")
    assert notebook.evaluate("print(form.value.marginalize)") == "False"

    # Out: the command line says what differs, and Python sets what is shown.
    text = page.locator(".locref-export").inner_text()
    assert "--rotation-extent 0.5236" in text
    assert "--prior-rotation 15" in text
    assert "--no-marginalize" in text
    notebook.shoot("settings_form", form)
    assert not serious_faults(notebook, ".locref-form")
    page.get_by_role("button", name="Small domain").click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('.locref-form input')].some(e => e.value === '0.157')"
    )
    notebook.evaluate("form.value = lw.RefinementSettings(shift_extent=12)")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.locref-form input')].some(e => e.value === '12')"
    )
    # A restarted kernel leaves no form behind that answers nothing and says nothing.
    page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    page.locator(".locref-dead", has_text="was restarted").wait_for()
    assert page.locator(".locref-dead").count() == 1


def test_narrow_page_clips_nothing(notebook):
    notebook.page.set_viewport_size({"width": 900, "height": 900})
    notebook.open([SETUP], "narrow_form.ipynb").run_all()
    page = notebook.page
    page.locator(".locref-form").wait_for()
    assert not clipped_texts(page, ".locref-form")
    notebook.shoot("settings_form_900px", page.locator(".locref-form"))
