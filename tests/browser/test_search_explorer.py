"""The search explorer in a real JupyterLab: steps, keys, particles, themes, accessibility."""

from tests.browser.axe import serious_faults
from tests.browser.clipping import clipped_texts

# As in tests/widgets/test_search_explorer.py: programs compiled there serve here.
SETUP = """
import locref_widgets as lw
from locref_widgets.sample import sample_paths
sample = sample_paths()
settings = lw.RefinementSettings(
    fulcrum_angstrom=sample["fulcrum_angstrom"], rotation_extent=0.2, shift_extent=4.0,
    initial_lowpass=15.0, subset=48,
)
explorer = lw.SearchExplorer(
    lw.read_particles(sample["particles"]), lw.read_map(sample["map"]), lw.read_map(sample["mask"]),
    settings, truth=lw.read_particles(sample["truth"]),
)
explorer
"""
TREE = "svg[aria-label^='Tree of the search']"


def test_a_search_is_stepped_through(notebook):
    page = notebook.page
    page.set_viewport_size({"width": 1000, "height": 1200})
    notebook.open([SETUP], "search_explorer.ipynb").run_all(timeout=400_000)
    page.locator(TREE).wait_for()
    page.get_by_text("Level 1 of 2.").wait_for()
    page.get_by_role("button", name="Forward").click()
    page.get_by_text("Level 2 of 2.").wait_for()
    # The slider's arrow keys step, and are no shortcuts of the notebook.
    slider = page.get_by_label("Step", exact=True)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("The likelihood about the optimum").wait_for()
    cells = page.evaluate("() => jupyterapp.shell.currentWidget.content.widgets.length")
    page.get_by_role("button", name="Back").focus()
    page.keyboard.press("a")
    assert page.evaluate("() => jupyterapp.shell.currentWidget.content.widgets.length") == cells
    notebook.shoot("search_explorer_optimum", page.locator(".locref-search"))
    notebook.evaluate("explorer.step = 0")
    page.get_by_text("Level 1 of 2.").wait_for()
    notebook.shoot("search_explorer", page.locator(".locref-search"))
    page.set_viewport_size({"width": 900, "height": 1200})
    assert not clipped_texts(page, ".locref-search")
    # Another particle, and one that takes no part.
    rows = notebook.evaluate("print(*explorer.search.posed.problem.rows)").split()
    page.get_by_role("button", name="Next not certified").click()
    page.get_by_text(f"Particle {rows[1]}, iteration 1").wait_for()
    field = page.get_by_label("Particle", exact=True)
    absent = next(row for row in range(800) if str(row) not in rows and row > int(rows[0]))
    field.fill(str(absent))
    page.keyboard.press("Enter")
    page.locator(".locref-search [role=alert]", has_text="takes no part").wait_for()
    assert not serious_faults(notebook, ".locref-search")
