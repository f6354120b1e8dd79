"""A real JupyterLab, driven by pytest-playwright with the machine's Chromium; loopback only."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest

from hatch_build import is_stale
from tests.browser.page_errors import MODEL_GONE, heard

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
    # As Chromium does by itself where there is no GPU: only WebGL is emulated.
    "--disable-gpu-compositing",
]
LARGEST_MESSAGE = 1_000_000  # bytes


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
            # Several notebooks may have one kernel; with it they end.
            with suppress(urllib.error.HTTPError):
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
        "--ServerApp.kernel_manager_class=tests.browser.started_kernels.StartedKernels",
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
class Desk:
    """A page and a kernel, which the tests of one file share: both take seconds to start."""

    browser: object = None
    arguments: dict = field(default_factory=dict)
    context: object = None
    kernel: str | None = None
    is_reloaded: bool = False
    largest_sent: int = 0
    received: int = 0

    def page(self):
        if self.context is None:
            self.context = self.browser.new_context(**self.arguments)
            # From the page's beginning: tests after the first one use sockets that are open.
            self.context.new_page().on("websocket", self._on_socket)
        return self.context.pages[0]

    def _on_socket(self, socket):
        def sent(payload):
            self.largest_sent = max(self.largest_sent, len(payload))

        def received(payload):
            self.received += len(payload)

        socket.on("framesent", sent)
        socket.on("framereceived", received)

    def renew(self):
        """Forget both; what a test has broken does not break the next one."""
        if self.context is not None:
            self.context.close()
        self.context = self.kernel = None
        self.is_reloaded = False


@pytest.fixture(scope="module")
def desk(browser, browser_context_args):
    shared = Desk(browser, browser_context_args)
    yield shared
    shared.renew()


@pytest.fixture
def page(desk, browser_context_args, request):
    shared = desk.page()
    shared.set_viewport_size(browser_context_args["viewport"])
    yield shared
    if not getattr(request.node, "rep_call", None) or request.node.rep_call.failed:
        desk.renew()


@dataclass
class Notebook:
    """A notebook open in the browser."""

    page: object
    lab: Lab
    desk: Desk = field(default_factory=Desk)
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
        """Open a notebook of the lab's folder; `reset=False` loads the page anew and keeps all."""
        # A page that was loaded anew may still bring back what was open in it.
        is_usable = self.desk.kernel and not self.desk.is_reloaded
        self.desk.is_reloaded = not reset
        if reset and is_usable and self.page.url.startswith(self.lab.url):
            self.page.evaluate(
                """([path, id]) => jupyterapp.commands.execute(
                    'docmanager:open', {path, factory: 'Notebook', kernel: {id}})""",
                [name, self.desk.kernel],
            )
        else:
            self.page.goto(f"{self.lab.url}/lab/tree/{name}{'?reset' if reset else ''}")
        self.page.wait_for_function(
            "name => window.jupyterapp?.shell?.currentWidget?.context?.path === name",
            arg=name,
            timeout=90_000,
        )
        self.settle()
        self.page.wait_for_function(
            """() => jupyterapp.shell.currentWidget.context.sessionContext
                     .session?.kernel?.status === 'idle'""",
            timeout=90_000,
        )
        self.desk.kernel = self.page.evaluate(
            "() => jupyterapp.shell.currentWidget.context.sessionContext.session.kernel.id"
        )
        return self

    def settle(self):
        """Wait for the notebook in front and its session; put the side bars away."""
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

    def leave(self):
        """Close all documents; nothing of this test stays in the kernel."""
        self.page.evaluate(
            """async code => {
                const session = window.jupyterapp?.shell?.currentWidget?.context
                    ?.sessionContext?.session;
                if (session?.kernel) {
                    const done = session.kernel.requestExecute({code, store_history: false}).done;
                    await Promise.race([done, new Promise((_, fail) => setTimeout(fail, 30000))]);
                }
                for (const document of window.jupyterapp?.shell
                        ? [...jupyterapp.shell.widgets('main')] : []) {
                    document.dispose();
                }
            }""",
            "import ipywidgets; ipywidgets.Widget.close_all()\n%reset -f",
        )

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
        # JupyterLab shows its splash meanwhile, and trips over it where two changes overlap.
        self.page.wait_for_function("() => !document.getElementById('jupyterlab-splash')")

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
            # bqplot's own transitions; without it, until the last canvas is on screen.
            self.page.wait_for_timeout(400 if locator.locator(".bqplot").count() else 150)
            self.page.evaluate(
                "() => new Promise(done => requestAnimationFrame("
                "() => requestAnimationFrame(() => requestAnimationFrame(done))))"
            )
            locator.screenshot(path=SHOTS / f"{name}_{theme.lower()}.png")


@pytest.fixture(scope="module")
def sessions(lab):
    yield
    lab.end_sessions()


@pytest.fixture
def notebook(page, lab, desk, sessions, request):
    # Said by what loses its kernel, which is what such a test is about.
    ignored = (MODEL_GONE,) if request.node.get_closest_marker("breaks_kernel") else ()
    desk.largest_sent = 0
    with heard(page, *ignored) as errors:
        shown = Notebook(page, lab, desk, errors)
        yield shown
        faults = list(errors)
        shown.leave()
    assert not faults
    # Strokes and picks go to the kernel, whole volumes never do.
    assert 0 < desk.largest_sent < LARGEST_MESSAGE
