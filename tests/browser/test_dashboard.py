"""The dashboard in a real JupyterLab, watching a process that writes a run folder."""

import subprocess
import sys
import time

import pytest

from tests.browser.conftest import REPOSITORY

CELL = "import locref_widgets as lw\ndashboard = lw.RunDashboard({!r})\ndashboard"
COLOURS = """() => [...document.querySelectorAll('.locref-heatmap')].map(figure =>
    [...figure.querySelectorAll('.heatmapcell')].map(cell => getComputedStyle(
        cell.tagName === 'rect' ? cell : cell.querySelector('rect')).fill).join())"""


@pytest.fixture
def start_run(tmp_path):
    """Start a pretended run in its own process; returns its folder."""
    started = []

    def start(iterations=4, seconds=2.0, paused=False):
        folder = tmp_path / f"run{len(started)}"
        command = [sys.executable, "-m", "tests.widgets.fake_run", str(folder)]
        command += ["--iterations", str(iterations), "--seconds", str(seconds)]
        command += ["--paused"] if paused else []
        started.append(subprocess.Popen(command, cwd=REPOSITORY))
        while not (folder / "run.json").exists():
            assert started[-1].poll() is None
            time.sleep(0.05)
        return folder

    yield start
    for process in started:
        process.terminate()
        process.wait(20)


def status(page, words, timeout=60_000):
    page.locator(".locref-status", has_text=words).first.wait_for(timeout=timeout)


def test_heatmaps_change_while_iterations_finish(notebook, start_run):
    folder = start_run(iterations=4, seconds=2.0, paused=True)
    notebook.open([CELL.format(str(folder)), "answer = 6 * 7"], "live.ipynb").run_all()
    page = notebook.page
    status(page, "Paused")
    page.locator(".locref-heatmap .heatmapcell").first.wait_for()
    page.locator("button.locref-continue").click()
    seen = [page.evaluate(COLOURS)]
    # The two maps are drawn one after the other: a look in between sees only one of them changed.
    while min(len({colours[i] for colours in seen}) for i in range(2)) < 4:
        page.wait_for_function(
            f"last => JSON.stringify(({COLOURS})()) !== last",
            arg=page.evaluate("value => JSON.stringify(value)", seen[-1]),
        )
        seen.append(page.evaluate(COLOURS))
    for map_index in range(2):
        pictures = {colours[map_index] for colours in seen}
        assert len(pictures) >= 4, "each heatmap changed at least three times"
    assert notebook.evaluate("print(answer)") == "42"
    status(page, "Finished")
    grey = "rgb(154, 160, 166)"
    assert grey in seen[-1][0], "views without particles have a colour of their own"
    assert "rgb(0, 0, 0)" not in seen[-1][0]
    assert seen[-1][0].count("rgb") == 18 * 9
    notebook.shoot("dashboard", page.locator(".locref-dashboard"))
    assert not notebook.errors


def test_narrow_page_clips_nothing(notebook, start_run):
    folder = start_run(iterations=1, seconds=0.1)
    notebook.page.set_viewport_size({"width": 900, "height": 900})
    notebook.open([CELL.format(str(folder))], "narrow_run.ipynb").run_all()
    status(notebook.page, "Finished")
    clipped = notebook.page.evaluate(
        """() => [...document.querySelectorAll('.locref-dashboard *')]
            .filter(element => element.scrollWidth > element.clientWidth + 1
                && element.clientWidth > 0 && !element.closest('svg, .bqplot, .locref-colour-bar')
                && getComputedStyle(element).display !== 'inline')
            .map(element => element.className + ': ' + element.scrollWidth + ' in '
                + element.clientWidth)"""
    )
    assert not clipped
    notebook.shoot("dashboard_900px", notebook.page.locator(".locref-dashboard"))


def test_buttons_pause_continue_and_stop(notebook, start_run):
    folder = start_run(iterations=3, seconds=20.0)
    notebook.open([CELL.format(str(folder))], "buttons.ipynb").run_all()
    page = notebook.page
    status(page, "Running")
    page.locator("button.locref-pause").click()
    status(page, "Paused")
    assert page.locator("button.locref-pause").is_disabled()
    events = (folder / "events.jsonl").read_text()
    assert '"paused"' in events
    page.locator("button.locref-continue").click()
    status(page, "Running")
    page.locator("button.locref-stop").click()
    status(page, "Stopped")
    assert '"stopped"' in (folder / "events.jsonl").read_text()
    assert not notebook.errors


def test_a_reloaded_page_keeps_showing(notebook, start_run):
    folder = start_run(iterations=3, seconds=6.0, paused=True)
    notebook.open([CELL.format(str(folder))], "reload.ipynb").run_all()
    page = notebook.page
    status(page, "Paused")
    page.evaluate("() => jupyterapp.shell.currentWidget.context.save()")
    notebook.show("reload.ipynb", reset=False)
    status(page, "Paused")
    page.locator("button.locref-continue").click()
    status(page, "Running")
    before = page.evaluate(COLOURS)
    page.wait_for_function(f"last => ({COLOURS})()[0] !== last", arg=before[0])
    status(page, "Finished")
    assert not notebook.errors
