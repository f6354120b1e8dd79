"""The widgets in Jupyter Notebook 7 and in Voila."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from tests.browser.conftest import REPOSITORY, SHOTS
from tests.browser.page_errors import heard
from tests.browser.test_dashboard import COLOURS
from tests.widgets.fake_run import FakeRun

CELLS = """
import numpy as np, locref_widgets as lw
from locref_widgets.sample import sample_paths
sample = sample_paths()
volume, mask = lw.read_map(sample["map"]), lw.read_map(sample["mask"])
view = lw.MapView(volume, mask, fulcrum_angstrom=sample["fulcrum_angstrom"])
view
---
form = lw.SettingsForm(volume=volume, mask=mask)
form
---
lw.ParticleTable(sample["particles"])
---
def later(change):
    view.cursor = [20, 21, 22]
form.observe(later, "value")
---
lw.RunDashboard("run")
"""
# Thrown by Notebook 7.6.5, and by its own extension in Voila, with and without this package.
NOTEBOOK_ITSELF = ("reading 'schema'", "@jupyter-notebook/lab-extension")
# Voila's own page asks for its icons elsewhere; there is no network in tests.
VOILA_ITSELF = ("cdn.jsdelivr.net/npm/@fortawesome",)


def write_notebook(path):
    cells = [nbformat.v4.new_code_cell(text.strip()) for text in CELLS.split("---")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    nbformat.write(notebook, path)


@pytest.fixture
def host(tmp_path, page):
    """Start a host in a folder with the notebook and a run; returns its address and the run."""
    started, runs = [], []

    def start(module, *options):
        folder = tmp_path / "folder"
        folder.mkdir()
        write_notebook(folder / "widgets.ipynb")
        run = FakeRun(folder / "run")
        run.begin()
        run.finish_iteration(0)
        runs.append(run)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        for name in ("CONFIG_DIR", "RUNTIME_DIR", "DATA_DIR"):
            environment[f"JUPYTER_{name}"] = str(tmp_path / name)
        for name in ("SETTINGS_DIR", "WORKSPACES_DIR"):
            environment[f"JUPYTERLAB_{name}"] = str(tmp_path / name)
        environment["IPYTHONDIR"] = str(tmp_path / "ipython")
        # This checkout's own extension, first in the search path.
        extensions = tmp_path / "share" / "labextensions"
        extensions.mkdir(parents=True)
        built = REPOSITORY / "js" / "built" / "labextension"
        shutil.copytree(built, extensions / "locref-widgets")
        environment["JUPYTER_PATH"] = str(tmp_path / "share")
        command = [sys.executable, "-m", module, f"--port={port}", *options]
        log = tmp_path / "log"
        with log.open("wb") as sink:
            server = subprocess.Popen(
                command, cwd=folder, env=environment, stdout=sink, stderr=sink
            )
        started.append(server)
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(address, timeout=5).close()
            except OSError:
                assert server.poll() is None, log.read_text()[-3000:]
                time.sleep(0.1)
            else:
                return address, runs[-1]
        raise AssertionError(log.read_text()[-3000:])

    yield start
    page.goto("about:blank")  # or it looks for its server in the test after this
    for run in runs:
        run.release()
    for server in started:
        server.terminate()
        server.wait(30)


@pytest.fixture
def faults(page):
    with heard(page, *NOTEBOOK_ITSELF, *VOILA_ITSELF) as kept:
        yield kept


def check_widgets(page, run):
    """All are drawn; what is typed reaches Python, and what Python sets is drawn."""
    page.locator(".locref-map canvas").first.wait_for(timeout=120_000)
    page.locator(".locref-wait").first.wait_for(state="hidden", timeout=60_000)
    page.locator(".locref-rows tbody tr").nth(24).wait_for(timeout=60_000)
    page.get_by_label("Rotation extent", exact=True).first.fill("30°")
    page.keyboard.press("Tab")
    page.locator(".locref-field", has_text="30.0°: moves").wait_for()
    page.wait_for_function(
        "() => document.querySelector('.locref-map').innerText.includes('(20, 21, 22)')"
    )
    page.locator(".locref-heatmap .heatmapcell").first.wait_for(timeout=60_000)
    before = page.evaluate(COLOURS)
    run.finish_iteration(1)
    page.wait_for_function(f"last => ({COLOURS})()[0] !== last", arg=before[0], timeout=60_000)
    page.get_by_role("tab", name="Settings").last.click()
    page.get_by_text("Roll back").first.wait_for()


def test_notebook_7(page, host, faults):
    address, run = host(
        "notebook",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
    )
    page.goto(f"{address}/notebooks/widgets.ipynb")
    page.locator(".jp-Notebook-ExecutionIndicator[data-status='idle']").wait_for(timeout=120_000)
    # Its page shows no command palette object to tests: click through the Run menu. A click that
    # comes before the menu has its commands is lost.
    running = page.locator(".jp-InputPrompt", has_text=re.compile(r"\[[*\d]"))
    for _ in range(4):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_timeout(5000)
        if running.count():
            break
    check_widgets(page, run)
    page.screenshot(path=SHOTS / "notebook_7.png")
    assert not faults


def test_voila(page, host, faults):
    address, run = host(
        "voila",
        "--no-browser",
        "--Voila.ip=127.0.0.1",
        "--Voila.port_retries=0",
        # On a busy machine outputs come late, and are lost after four seconds.
        "--NotebookClient.iopub_timeout=60",
        "widgets.ipynb",
    )
    page.goto(address, timeout=180_000)
    check_widgets(page, run)
    page.screenshot(path=SHOTS / "voila.png", full_page=True)
    assert not faults
