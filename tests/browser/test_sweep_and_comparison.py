"""A sweep's verdict and two runs side by side in a real JupyterLab."""

import pytest

from tests.browser.axe import serious_faults
from tests.browser.clipping import settled_clipping
from tests.widgets.fake_run import FakeRun
from tests.widgets.fake_sweep import FakeSweep

CELLS = [
    "import locref_widgets as lw",
    "view = lw.SweepView({sweep!r})\nview",
    "comparison = lw.RunComparison([{one!r}, {two!r}])\ncomparison",
]


@pytest.fixture
def folders(tmp_path):
    sweep = FakeSweep(tmp_path / "sweep")
    for number in range(1, 5):
        sweep.try_setting(number)
    sweep.finish()
    for name, seed, iterations in (("narrow", 7, 2), ("wide", 8, 3)):
        run = FakeRun(tmp_path / name, iterations=iterations, n_particles=900, seed=seed)
        run.run(seconds=0.01, batches=1)
    return {
        "sweep": str(sweep.folder),
        "one": str(tmp_path / "narrow"),
        "two": str(tmp_path / "wide"),
    }


def test_both_views_are_drawn_read_and_pass_the_accessibility_check(notebook, folders):
    cells = [cell.format(**folders) if "{" in cell else cell for cell in CELLS]
    notebook.open(cells, "sweep.ipynb").run_all()
    page = notebook.page
    page.locator(".locref-sweep .heatmapcell").first.wait_for()
    page.locator(".locref-comparison .locref-heatmap .heatmapcell").first.wait_for()
    assert page.locator(".locref-sweep .heatmapcell").count() == 4
    assert page.locator(".locref-comparison .locref-heatmap .heatmapcell").count() > 2 * 100
    page.set_viewport_size({"width": 900, "height": 900})
    for view in (".locref-sweep", ".locref-comparison"):
        assert not settled_clipping(page, view)
    page.set_viewport_size({"width": 1280, "height": 1000})
    notebook.shoot("sweep", page.locator(".locref-sweep"))
    notebook.shoot("comparison", page.locator(".locref-comparison"))
    assert not serious_faults(notebook, ".locref-sweep")
    assert not serious_faults(notebook, ".locref-comparison")
