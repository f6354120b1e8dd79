"""Times of the viewer in a real JupyterLab in headless Chromium, drawn in software.

python -m tests.benchmarks.viewer [REPEATS]

Prints medians: from the run of a cell that reads a map from disk to slices and to the surface on
screen, from a new contour level to its surface on screen, slices drawn a second while the wheel
scrubs, and the sizes of the bundles and of the largest message to the kernel.
"""

import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from playwright.sync_api import sync_playwright

from locref_widgets.io.mrc import write_map
from locref_widgets.widgets.volume_widget import STATIC
from tests.browser.conftest import CHROMIUM, FLAGS, Notebook, running_lab
from tests.browser.viewer import SETTLED, VIEWER, at_voxel

SIZES = (64, 128, 256)

# Runs the second cell, and waits in the page for its pictures.
OPEN = """async () => {
    const panel = jupyterapp.shell.currentWidget;
    panel.content.activeCellIndex = 1;
    const frame = () => new Promise(done => requestAnimationFrame(done));
    const viewer = () => document.querySelector('.locref-map')?.viewer;
    const old = viewer();
    const start = performance.now();
    jupyterapp.commands.execute('notebook:run-cell');
    while (viewer() === old || !viewer()?.stage.first?.volume) await frame();
    await frame(); await frame();
    const slices = performance.now() - start;
    while (!viewer().surface.isSettled) await frame();
    await new Promise(done => viewer().surface.renderer.timeDrawing(done));
    return [slices, performance.now() - start];
}"""

# A new level as the slider gives it, until the fine surface is drawn.
LEVEL = """async level => {
    const viewer = document.querySelector('.locref-map').viewer;
    const slider = document.querySelector('.locref-level input[type=range]');
    const frame = () => new Promise(done => requestAnimationFrame(done));
    const start = performance.now();
    slider.value = level;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    while (!viewer.surface.isSettled) await frame();
    await new Promise(done => viewer.surface.renderer.timeDrawing(done));
    return performance.now() - start;
}"""

SCRUB = """async seconds => {
    const viewer = document.querySelector('.locref-map').viewer;
    const canvas = viewer.slices[0].canvas;
    let drawn = 0;
    const size = viewer.stage.grid.shape[2];
    viewer.onDrawn = () => { drawn += 1; };
    const start = performance.now();
    let step = 1;
    while (performance.now() - start < 1000 * seconds) {
        const at = viewer.stage.cursor[2];
        if (at <= 2) step = 1;
        if (at >= size - 3) step = -1;
        canvas.dispatchEvent(new KeyboardEvent('keydown',
            {key: step > 0 ? 'ArrowUp' : 'ArrowDown', bubbles: true}));
        await new Promise(done => requestAnimationFrame(done));
    }
    viewer.onDrawn = () => {};
    return 1000 * drawn / (performance.now() - start);
}"""


def particle(size: int, seed: int) -> np.ndarray:
    """Density of many small blobs in a ball of two lobes, with noise, at all sizes alike."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.linspace(-1, 1, size, dtype=np.float32)[s] for s in np.ogrid[:size, :size, :size])
    lobes = np.minimum(
        np.sqrt((x + 0.2) ** 2 + y**2 + z**2) / 0.42,
        np.sqrt((x - 0.35) ** 2 + (y - 0.1) ** 2 + z**2) / 0.3,
    )
    waves = sum(
        np.sin(rng.uniform(12, 26) * (a * x + b * y + c * z) + rng.uniform(0, 6))
        for a, b, c in rng.normal(size=(9, 3)) / 1.7
    )
    noise = rng.normal(scale=0.05, size=(size, size, size)).astype(np.float32)
    return (np.clip(1.4 - lobes, 0, 1) * (1.2 + 0.35 * waves) + noise).astype(np.float32)


def say(words: str, values: list[float], unit: str) -> None:
    """One line: median, least and greatest."""
    print(f"{words:52s} {median(values):8.0f} {unit}  ({min(values):.0f} to {max(values):.0f})")


def measure(shown: Notebook, size: int, repeats: int) -> None:
    """All times for one box."""
    page = shown.page
    cells = ["import locref_widgets as lw\nlw.MapView", f"view = lw.MapView('box{size}.mrc')\nview"]
    shown.open(cells, f"bench{size}.ipynb").run_all()
    page.wait_for_function(SETTLED)
    opened = [page.evaluate(OPEN) for _ in range(repeats)]
    say(f"{size}^3 from disk to slices", [slices for slices, _ in opened], "ms")
    say(f"{size}^3 from disk to slices and surface", [whole for _, whole in opened], "ms")
    level = page.evaluate(f"() => {VIEWER}.stage.first.style.level")
    # Every level is new, and about the first one.
    shares = 1 + 0.2 * np.sin(np.arange(1, repeats + 1))
    say(
        f"{size}^3 contour change to fine surface drawn",
        [page.evaluate(LEVEL, level * share) for share in shares],
        "ms",
    )
    page.wait_for_timeout(1000)
    triangles = page.evaluate(
        f"() => [...{VIEWER}.surface.meshes.kept.values()].map(kept => kept.fine.count / 3)[0]"
    )
    milliseconds = page.evaluate(f"() => {VIEWER}.surface.frameMs")
    print(f"      {triangles:.0f} triangles, {milliseconds:.0f} ms a picture of the surface")
    page.mouse.click(*at_voxel(page, "xy", size / 2, size / 2, size))
    rates = [page.evaluate(SCRUB, 1.0) for _ in range(repeats)]
    say(f"{size}^3 scrub through slices", rates, "a second")
    shown.lab.end_sessions()


def main(repeats: int) -> None:
    """Measure and print."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors, median of {repeats}")
    for bundle in sorted(STATIC.glob("*.js")):
        print(f"{bundle.name:52s} {bundle.stat().st_size / 1000:8.0f} kB")
    with (
        tempfile.TemporaryDirectory() as folder,
        running_lab(Path(folder)) as lab,
        sync_playwright() as playwright,
    ):
        for size in SIZES:
            write_map(lab.root / f"box{size}.mrc", particle(size, 1), 256 / size)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        largest = [0]

        def count(payload: str | bytes) -> None:
            largest[0] = max(largest[0], len(payload))

        page.on("websocket", lambda socket: socket.on("framesent", count))
        for size in SIZES:
            measure(Notebook(page, lab), size, repeats)
        print(f"{'largest message to the kernel':52s} {largest[0] / 1000:8.1f} kB")
        browser.close()
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
