"""nglview in a real JupyterLab: a model with its map, and the fulcrum picked by an atom."""

import json

import pytest

from tests.browser.axe import serious_faults

pytest.importorskip("nglview")

# Three ions in a row; the one in the middle is the centre of everything.
SETUP = """
import gemmi, numpy as np, locref_widgets as lw
from locref_widgets.io.mrc import Map
from locref_widgets.io.box_position import BoxPosition
def ions(*places):
    structure, chain, model = gemmi.Structure(), gemmi.Chain("A"), gemmi.Model(1)
    for number, place in enumerate(places, start=1):
        residue, atom = gemmi.Residue(), gemmi.Atom()
        residue.name, residue.seqid, residue.het_flag = "ZN", gemmi.SeqId(number, " "), "H"
        atom.name, atom.element, atom.pos = "ZN", gemmi.Element("Zn"), gemmi.Position(*place)
        residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    return structure
z, y, x = np.mgrid[:24, :24, :24].astype("f4")
density = np.exp(-((x-12)**2 + (y-12)**2 + (z-12)**2) / 60).astype("f4")
# Off zero, as crops are: the frame of the model is not that of the voxels.
volume = Map(density, 2.0, position=BoxPosition((0, 0, 0), (10.0, -6.0, 4.0)))
middle = np.array([12, 12, 12]) * 2.0 + [10, -6, 4]
model = ions(middle - [12, 0, 0], middle, middle + [12, 0, 0])
"""


def click_middle(page):
    box = page.locator(".ui-resizable canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)  # nglview looks what is under a pointer at rest
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.fixture(autouse=True)
def tall(page):
    """A page that JupyterLab need not scroll when a cell is clicked."""
    page.set_viewport_size({"width": 1280, "height": 2400})


def loaded(notebook, view="view"):
    for _ in range(600):
        if notebook.evaluate(f"print({view}.is_loaded)") == "True":
            break
        notebook.page.wait_for_timeout(100)
    else:
        raise AssertionError(f"{view} was not loaded within a minute")
    notebook.page.wait_for_timeout(2000)  # nglview makes the surface in a worker and tells nobody


def test_a_model_with_its_map(notebook):
    notebook.open([SETUP, "view = lw.ModelView(model, volume)\nview"], "model.ipynb").run_all()
    page = notebook.page
    loaded(notebook)
    click_middle(page)
    page.locator(".locref-note", has_text="[ZN]2").wait_for()
    picked = json.loads(notebook.evaluate("import json; print(json.dumps(view.picked_atom))"))
    assert picked["angstrom"] == [34, 18, 28]
    assert picked["voxel"] == [12, 12, 12]
    before = notebook.desk.received
    notebook.evaluate("view.level = 0.8")
    page.wait_for_timeout(800)
    # nglview's own way would send the map again with every change.
    assert 0 < notebook.desk.received - before < 20_000
    notebook.shoot("model_view", page.locator(".locref-keys"))
    assert not serious_faults(notebook, ".locref-keys")


def test_an_atom_sets_the_fulcrum(notebook):
    cell = "picker = lw.FulcrumPicker(volume, fulcrum=(3, 4, 5), model=model)\npicker"
    notebook.open([SETUP, cell], "atom.ipynb").run_all()
    page = notebook.page
    loaded(notebook, "picker.model_view")
    # Its mark is in the model's view too, and does not stand in the way.
    click_middle(page)
    page.locator(".locref-place", has_text="Atom [ZN]2").wait_for()
    fulcrum = json.loads(notebook.evaluate("import json; print(json.dumps(picker.fulcrum))"))
    assert fulcrum == [12, 12, 12]
    page.locator("figcaption", has_text="xy at z = 12").wait_for()
    notebook.evaluate("picker.fulcrum = (12, 20, 12)")
    page.wait_for_timeout(500)
    notebook.shoot("fulcrum_picker_model", page.locator(".jp-OutputArea-output").last)


def test_a_reloaded_page_shows_the_model_again(notebook):
    notebook.open([SETUP, "view = lw.ModelView(model, volume)\nview"], "again.ipynb").run_all()
    page = notebook.page
    loaded(notebook)
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    notebook.evaluate("view.is_loaded = False")  # nothing of the page before counts
    notebook.show("again.ipynb", reset=False)
    loaded(notebook)
    click_middle(page)
    page.locator(".locref-note", has_text="[ZN]2").wait_for()


@pytest.mark.breaks_kernel
def test_a_restarted_kernel_is_told_in_words(notebook):
    notebook.open([SETUP, "view = lw.ModelView(model)\nview"], "restart_model.ipynb").run_all()
    loaded(notebook)
    notebook.page.evaluate(
        "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.restart()"
    )
    notebook.page.locator(".locref-warning", has_text="kernel").wait_for()


def test_a_view_closed_under_the_hand_tells_nobody_any_more(notebook):
    """As a kernel does that is about to end; nglview goes on changing the model of its view."""
    notebook.open([SETUP, "view = lw.ModelView(model)\nview"], "closed_model.ipynb").run_all()
    loaded(notebook)
    page = notebook.page
    box = page.locator(".ui-resizable canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y)
    notebook.evaluate("view.view.comm.close()")
    for step in range(8):
        page.mouse.move(x + 10 * step, y)
        page.wait_for_timeout(60)
    page.mouse.up()
    page.wait_for_timeout(500)
    assert not page.locator(".ui-resizable canvas").count()
