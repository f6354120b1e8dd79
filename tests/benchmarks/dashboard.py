"""The dashboard in a real JupyterLab in headless Chromium: how soon, how fast, at what cost.

python -m tests.benchmarks.dashboard [REPEATS]

Prints medians: from an event with two heatmaps of 72 x 36 cells on the disc to both on screen; from
the run of a cell to the dashboard of a run of 500,000 particles on screen, with the memory that the
kernel took for it, and further on to the medians of all cells; and the processors' time that an
open dashboard takes of a machine while a run tells its progress four times a second. What kernel
and server take is taken from a worker that would fill all cores: the most that it is slowed by.
"""

import os
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from locref_widgets.refinement.diagnostics import summarise_iteration
from tests.browser.conftest import CHROMIUM, FLAGS, Notebook, running_lab
from tests.widgets.fake_run import PIXEL_SIZE_ANGSTROM, FakeRun

N_SMALL, N_LARGE, ITERATIONS = 20_000, 500_000, 5
WATCHED_SECONDS = 40.0

# Notes each frame in which the picture of a map has changed, once it is on screen.
WATCH = """() => {
    window.seen = [];
    const pictures = [...document.querySelectorAll('.locref-pictured image')];
    const shown = () => pictures.map(picture => picture.getAttribute('href'));
    let last = shown();
    const look = () => {
        const now = shown();
        const maps = now.flatMap((map, i) => map === last[i] ? [] : [i]);
        last = now;
        if (maps.length) requestAnimationFrame(() => window.seen.push({maps, at: Date.now()}));
        requestAnimationFrame(look);
    };
    look();
}"""

OPEN = """async () => {
    const panel = jupyterapp.shell.currentWidget;
    panel.content.activeCellIndex = 1;
    const frame = () => new Promise(done => requestAnimationFrame(done));
    for (const old of document.querySelectorAll('.locref-dashboard')) old.remove();
    const start = performance.now();
    jupyterapp.commands.execute('notebook:run-cell');
    const ready = () => [...document.querySelectorAll('.locref-heatmap')].filter(figure =>
        figure.querySelectorAll('.heatmapcell').length === 2592).length === 2;
    while (!ready()) await frame();
    await frame(); await frame();
    return performance.now() - start;
}"""


def make_large_run(folder: Path) -> None:
    """Write a finished run of half a million particles, its columns on the disc."""
    run = FakeRun(folder, iterations=ITERATIONS, n_particles=N_LARGE)
    run.begin()
    for iteration in range(ITERATIONS + 1):
        result = run.result(iteration, 60.0)
        place = run.run_folder.iteration_folder(iteration)
        place.mkdir(parents=True)
        arrays: dict[str, Any] = {f"info/{name}": values for name, values in result.info.items()}
        # As large as what a search leaves.
        arrays["info/pose_covariance"] = np.zeros((N_LARGE, 5, 5), np.float32)
        arrays |= {"indices": result.indices, "rotations": result.rotations}
        np.savez(place / "info.npz", **arrays)
        payload = summarise_iteration(result, run.rotations, run.settings, PIXEL_SIZE_ANGSTROM)
        run.events.append("iteration_finished", **payload)
    run.end("finished")


def measure_updates(page: Page, notebook: Notebook, folder: Path, repeats: int) -> list[float]:
    """Milliseconds from each event on the disc to its heatmaps on screen."""
    run = FakeRun(folder, iterations=10 * repeats, n_particles=N_SMALL)
    run.begin()
    run.finish_iteration(0)
    run.finish_iteration(1)
    notebook.open([f"import locref_widgets as lw\nlw.RunDashboard({str(folder)!r})"], "a.ipynb")
    notebook.run_all()
    wait_for_cells(page)
    page.evaluate(WATCH)
    taken = []
    for iteration in range(2, repeats + 2):
        page.wait_for_timeout(500)
        page.evaluate("window.seen.length = 0")
        event = run.finish_iteration(iteration)
        written = datetime.fromisoformat(event["time"].replace("Z", "+00:00")).timestamp()
        page.wait_for_function(
            "() => new Set(window.seen.flatMap(one => one.maps)).size === 2", timeout=60_000
        )
        # The colours may change once more: what counts is the last time.
        page.wait_for_timeout(1000)
        taken.append(page.evaluate("window.seen.at(-1).at") - 1000 * written)
    run.end("stopped")
    return taken


def measure_opening(page: Page, notebook: Notebook, folder: Path, repeats: int) -> None:
    cells = [
        "import locref_widgets as lw\nimport resource, time\nlw.RunDashboard",
        f"dashboard = lw.RunDashboard({str(folder)!r})\ndashboard",
    ]
    notebook.open(cells, "b.ipynb")
    page.evaluate(
        """async () => { jupyterapp.shell.currentWidget.content.activeCellIndex = 0;
            await jupyterapp.commands.execute('notebook:run-cell'); }"""
    )
    peak = "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    before = int(notebook.evaluate(peak))
    taken = [page.evaluate(OPEN) for _ in range(repeats)]
    after = int(notebook.evaluate(peak))
    rest = notebook.evaluate(
        "t = time.monotonic(); dashboard._maps.layer.value = 'median'; dashboard._tasks.wait(60)\n"
        "print(time.monotonic() - t)"
    )
    print(
        f"open, {N_LARGE:,} particles: {median(taken) / 1000:.2f} s (first {taken[0] / 1000:.2f},"
        f" worst {max(taken) / 1000:.2f}); peak memory of the kernel {(after - before) / 1024:.0f}"
        f" MB more for {repeats} of them; medians and directions of all cells"
        f" {float(rest):.2f} s more"
    )


def measure_cost(page: Page, notebook: Notebook, folder: Path) -> None:
    """Share of the machine that goes to kernel and page while a run tells its progress."""
    run = FakeRun(folder, iterations=3, n_particles=N_SMALL)
    run.begin()
    run.finish_iteration(0)
    notebook.open([f"import locref_widgets as lw\nlw.RunDashboard({str(folder)!r})"], "c.ipynb")
    notebook.run_all()
    wait_for_cells(page)
    kernel = int(notebook.evaluate("import os; print(os.getpid())"))
    page.wait_for_timeout(3000)
    groups = {
        "kernel": [kernel],
        "server": [pid for pid in children_of(os.getpid(), "") if "jupyterlab" in command_of(pid)],
        "browser": children_of(os.getpid(), "chrom"),
    }
    begun, start = {name: cpu_seconds(pids) for name, pids in groups.items()}, time.monotonic()
    steps = int(WATCHED_SECONDS * 4)
    run.events.append("phase", iteration=1, name="search")
    for step in range(steps):
        page.wait_for_timeout(250)
        done = N_SMALL * (step + 1) // steps
        run.events.append("progress", iteration=1, phase="search", done=done, total=N_SMALL)
    run.finish_iteration(1)
    page.wait_for_timeout(1000)
    elapsed = time.monotonic() - start
    shares = {
        name: (cpu_seconds(pids) - begun[name]) / elapsed / (os.cpu_count() or 1)
        for name, pids in groups.items()
    }
    run.end("stopped")
    told = ", ".join(f"{name} {100 * share:.2f} %" for name, share in shares.items())
    print(f"processors' time of {os.cpu_count()} cores in {elapsed:.0f} s of a run: {told}")
    here = shares["kernel"] + shares["server"]
    print(
        f"a worker that fills all cores is slowed by at most {100 * here:.2f} % (browser elsewhere)"
    )


def wait_for_cells(page: Page) -> None:
    page.wait_for_function(
        """() => [...document.querySelectorAll('.locref-heatmap')].filter(figure =>
            figure.querySelectorAll('.heatmapcell').length === 2592).length === 2""",
        timeout=120_000,
    )


def cpu_seconds(pids: list[int]) -> float:
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def children_of(pid: int, name: str) -> list[int]:
    """Processes below one whose command holds a name."""
    parents, names = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            names[int(entry.name)] = stat[stat.index("(") + 1 : stat.rindex(")")]
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = []
    for child in parents:
        above = child
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and name in names[child]:
            found.append(child)
    return found


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the start")
    with (
        tempfile.TemporaryDirectory() as base,
        running_lab(Path(base)) as lab,
        sync_playwright() as playwright,
    ):
        make_large_run(Path(base) / "large")
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, "--disable-gpu-compositing"], headless=True
        )

        def opened() -> tuple[Page, Notebook]:
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            return page, Notebook(page, lab)

        page, notebook = opened()
        taken = measure_updates(page, notebook, Path(base) / "small", repeats)
        print(
            f"event on the disc to both heatmaps (72 x 36) on screen: {median(taken):.0f} ms"
            f" (worst {max(taken):.0f}, {repeats} of them)"
        )
        page.close()
        lab.end_sessions()
        page, notebook = opened()
        measure_opening(page, notebook, Path(base) / "large", max(3, repeats // 2))
        page.close()
        lab.end_sessions()
        page, notebook = opened()
        measure_cost(page, notebook, Path(base) / "watched")
        browser.close()
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
