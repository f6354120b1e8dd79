"""A real JupyterLab, driven by pytest-playwright with the machine's Chromium; loopback only."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest

from hatch_build import is_stale

REPOSITORY = Path(__file__).resolve().parents[2]
SHOTS = REPOSITORY / ".cache" / "screenshots"
CHROMIUM = os.environ.get("LOCREF_CHROMIUM") or shutil.which("chromium") or shutil.which("chrome")
# A test machine may have no GPU and no sandbox, and the browser must not call home.
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
# Said by JupyterLab or by bqplot's own front end, with or without this package.
NOT_OURS = ("debugger state", "Unsatisfied version", "favicon", "Failed to load resource")


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(item.fspath).is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine (set LOCREF_CHROMIUM)")
    return {
        **browser_type_launch_args,
        "executable_path": CHROMIUM,
        "args": FLAGS,
        "headless": True,
    }


@pytest.fixture(scope="session", autouse=True)
def front_end():
    """An old front end does not go with the Python of today."""
    assert not is_stale(REPOSITORY), "the front end is older than its sources: npm run build"


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {
        **browser_context_args,
        "viewport": {"width": 1280, "height": 1000},
        "reduced_motion": "reduce",
    }


@dataclass
class Lab:
    url: str
    root: Path

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as answer:
            return json.loads(answer.read())

    def end_sessions(self):
        for session in self.get("/api/sessions"):
            where = f"{self.url}/api/sessions/{session['id']}"
            urllib.request.urlopen(urllib.request.Request(where, method="DELETE"), timeout=20)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    with running_lab(tmp_path_factory.mktemp("lab")) as shown:
        yield shown


@contextmanager
def running_lab(base):
    """A JupyterLab that keeps everything of its own below the folder `base`."""
    root = base / "notebooks"
    root.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment.setdefault("LOCREF_NOTEBOOK_QUICK", "1")
    for name in ("CONFIG_DIR", "RUNTIME_DIR"):
        environment[f"JUPYTER_{name}"] = str(base / name)
    for name in ("SETTINGS_DIR", "WORKSPACES_DIR"):
        environment[f"JUPYTERLAB_{name}"] = str(base / name)
    environment["IPYTHONDIR"] = str(base / "ipython")
    # This checkout's own build; an installed one of the same name comes after it.
    extensions = base / "labextensions"
    extensions.mkdir()
    (extensions / "locref-widgets").symlink_to(REPOSITORY / "js" / "built" / "labextension")
    settings = base / "SETTINGS_DIR" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True",
        f"--ServerApp.root_dir={root}",
        "--LabApp.expose_app_in_browser=True",
        f"--LabApp.extra_labextensions_path={extensions}",
    ]
    log = base / "lab.log"
    with log.open("wb") as sink:
        server = subprocess.Popen(command, env=environment, stdout=sink, stderr=sink)
    shown = Lab(f"http://127.0.0.1:{port}", root)
    try:
        _wait_for_server(shown, server, log)
        yield shown
    finally:
        server.terminate()
        server.wait(30)


def _wait_for_server(lab, server, log):
    for _ in range(600):
        try:
            lab.get("/api")
        except OSError:
            assert server.poll() is None, log.read_text()[-2000:]
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"JupyterLab did not answer: {log.read_text()[-2000:]}")


@dataclass
class Notebook:
    """A notebook open in the browser."""

    page: object
    lab: Lab
    errors: list = field(default_factory=list)

    def open(self, cells, name):
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, self.lab.root / name)
        return self.show(name)

    def show(self, name, reset=True):
        self.page.goto(f"{self.lab.url}/lab/tree/{name}{'?reset' if reset else ''}")
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell?.currentWidget?.content?.widgets", timeout=90_000
        )
        self.page.evaluate(
            """async () => {
                await jupyterapp.restored;
                const panel = jupyterapp.shell.currentWidget;
                await panel.context.ready;
                await panel.context.sessionContext.ready;
                jupyterapp.shell.collapseLeft();
                jupyterapp.shell.collapseRight();
            }"""
        )
        self.page.wait_for_function(
            """() => jupyterapp.shell.currentWidget.context.sessionContext
                     .session?.kernel?.status === 'idle'""",
            timeout=90_000,
        )
        return self

    def run_all(self, timeout=120_000):
        self.start_all()
        self.page.wait_for_function("() => window.cellsDone", timeout=timeout)
        failed = self.page.evaluate(
            """() => jupyterapp.shell.currentWidget.content.widgets
                .flatMap(cell => cell.model.type === 'code' ? cell.model.outputs.toJSON() : [])
                .filter(output => output.output_type === 'error')
                .map(output => output.ename + ': ' + output.evalue)"""
        )
        assert not failed, failed
        return self

    def start_all(self):
        self.page.evaluate(
            """() => {
                window.cellsDone = false;
                jupyterapp.commands.execute('notebook:run-all-cells')
                    .then(() => { window.cellsDone = true; });
            }"""
        )

    def evaluate(self, code):
        """Run code in the notebook's kernel and return what it printed."""
        return self.page.evaluate(
            """async code => {
                const session = jupyterapp.shell.currentWidget.context.sessionContext.session;
                const future = session.kernel.requestExecute({code, store_history: false});
                let text = '';
                future.onIOPub = message => {
                    if (message.header.msg_type === 'stream') text += message.content.text;
                    if (message.header.msg_type === 'error') text += message.content.evalue;
                };
                await future.done;
                return text.trim();
            }""",
            code,
        )

    def use_theme(self, name):
        self.page.evaluate(
            "name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name
        )
        dark = "Dark" in name
        self.page.wait_for_function(
            f"() => document.body.dataset.jpThemeLight === '{'false' if dark else 'true'}'"
        )

    def shoot(self, name, locator):
        """Screenshot of one element in both themes."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        # What JupyterLab scrolls out of sight is not in the picture.
        width = self.page.viewport_size["width"]
        self.page.set_viewport_size({"width": width, "height": 2600})
        self.page.mouse.move(2, 2)
        # bqplot draws a figure when it first comes into sight.
        self.page.wait_for_function(
            """() => [...document.querySelectorAll('.locref-dashboard .bqplot')]
                .every(figure => figure.querySelector('.tick'))"""
        )
        for theme in ("Dark", "Light"):
            self.use_theme(f"JupyterLab {theme}")
            self.page.wait_for_timeout(400)  # bqplot's own transitions
            self.page.evaluate(
                "() => new Promise(done => requestAnimationFrame("
                "() => requestAnimationFrame(() => requestAnimationFrame(done))))"
            )
            locator.screenshot(path=SHOTS / f"{name}_{theme.lower()}.png")


@pytest.fixture
def notebook(page, lab):
    shown = Notebook(page, lab)

    def keep(text):
        if not any(words in text for words in NOT_OURS):
            shown.errors.append(text)

    page.on("pageerror", lambda error: keep(f"{error}\n{error.stack}"))
    page.on("console", lambda message: keep(message.text) if message.type == "error" else None)
    yield shown
    lab.end_sessions()
