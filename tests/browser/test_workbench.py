"""The workbench in a real JupyterLab: through the steps by keyboard, and again after a restart."""

import json

import pytest

from tests.browser.axe import serious_faults
from tests.browser.clipping import clipped_texts
from tests.browser.conftest import REPOSITORY

STEPS = ("data", "mask", "fulcrum", "settings", "run")


@pytest.mark.breaks_kernel
def test_the_steps_in_order(notebook, tmp_path):
    cells = json.loads((REPOSITORY / "notebooks" / "workbench.ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    notebook.page.set_viewport_size({"width": 1280, "height": 1000})
    # The same folder at every start, as a user has it.
    cell = code[0].replace('scratch.name if scratch else "workbench"', repr(str(tmp_path / "mine")))
    assert cell != code[0]
    notebook.open([cell], "workbench.ipynb").run_all()
    page = notebook.page
    bench = page.locator(".locref-workbench")
    bench.wait_for()
    assert page.locator(".locref-step-mask").is_disabled()
    assert not clipped_texts(page, ".locref-workbench")
    notebook.shoot("workbench_begin", bench)

    page.get_by_role("button", name="Use the packaged sample").click()
    page.get_by_text("settings that suit it were chosen").wait_for()
    for step in STEPS:
        button = page.locator(f".locref-step-{step}")
        button.focus()
        page.keyboard.press("Enter")
        page.wait_for_function(
            "step => document.querySelector(`.locref-step-${step}`).matches('.mod-primary')",
            arg=step,
        )
        page.wait_for_function("() => !document.querySelector('.locref-error')")
        page.set_viewport_size({"width": 900, "height": 1000})
        assert not clipped_texts(page, ".locref-workbench")
        page.set_viewport_size({"width": 1280, "height": 1000})
        notebook.shoot(f"workbench_{step}", bench)
    assert not serious_faults(notebook, ".locref-workbench")
    page.get_by_text("The same in Python").click()
    shown = page.locator(".locref-code pre").inner_text()
    lines = notebook.evaluate("print(workbench.code)")
    assert lines
    assert shown.startswith(lines)

    # Another kernel: the same cell, and one is where one was.
    notebook.page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    notebook.run_all()
    page.wait_for_function(
        "() => document.querySelector('.locref-step-run')?.matches('.mod-primary')"
    )
    assert notebook.evaluate("print(workbench.state.step)") == "run"
    assert notebook.evaluate("print(workbench.code)") == lines
