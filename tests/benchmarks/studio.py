"""How fast a mask studio follows a hand, in a real JupyterLab with software rendering.

``python -m tests.benchmarks.studio [BOX]`` opens a studio on a map of the 30S subunit (128 voxels
unless told otherwise) in the machine's Chromium and prints medians of 20:

- feedback: from a pointer's move of a stroke to the painted picture of all views (target 33 ms);
- commit: from the release to the kernel's answer in the browser (target 150 ms);
- Python: the stroke alone, committed and made ready to be sent;
- preview: from a slider's move to the drawn preview (target 150 ms), for threshold, dilation and
  soft edge.
"""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from locref_widgets.io.mrc import Map
from locref_widgets.masks.volume_steps import Dilate, SoftPad, Threshold
from locref_widgets.widgets.mask_studio_state import StudioState
from tests.benchmarks.segmentation import make_map

RUNS = 20
SETUP = """
import locref_widgets as lw
from locref_widgets.io.mrc import Map
from tests.benchmarks.segmentation import make_map
studio = lw.MaskStudio(Map(make_map({box}), 2.0))
studio
"""
ROOT = "document.querySelector('.locref-map')"
FEEDBACK = f"""async () => {{
    const {{ viewer, studio }} = {ROOT};
    const n = viewer.stage.grid.shape[0];
    const drawn = () => new Promise(done => {{
        const before = viewer.onDrawn;
        viewer.onDrawn = () => {{ before(); viewer.onDrawn = before; done(performance.now()); }};
    }});
    const times = [];
    studio.radius = n / 16;
    studio.strokes.begin([n / 4, n / 2, n / 2], studio.radius, false, null);
    for (let i = 1; i <= {RUNS}; i++) {{
        await new Promise(requestAnimationFrame);
        const began = performance.now();
        const done = drawn();
        studio.strokes.extend([n / 4 + i * n / 50, n / 2, n / 2], studio.radius);
        times.push(await done - began);
    }}
    studio.strokes.end();
    return times;
}}"""
COMMIT = f"""async () => {{
    const {{ viewer, studio }} = {ROOT};
    const n = viewer.stage.grid.shape[0];
    const times = [];
    for (let i = 0; i < {RUNS}; i++) {{
        studio.strokes.begin([n / 3, n / 2, n / 3 + i], n / 16, false, null);
        studio.strokes.extend([n / 2, n / 2, n / 3 + i], n / 16);
        const began = performance.now();
        studio.strokes.end();
        while (studio.strokes.pending.length && performance.now() - began < 5000)
            await new Promise(done => setTimeout(done, 2));
        times.push(performance.now() - began);
        await new Promise(done => setTimeout(done, 300));
    }}
    return times;
}}"""
PREVIEW = f"""async ([name, low, high]) => {{
    const {{ viewer, studio }} = {ROOT};
    const range = document.querySelector(`.locref-slider input[aria-label="${{name}}"]`);
    const times = [];
    for (let i = 0; i < {RUNS}; i++) {{
        const value = low + (high - low) * (i + 1) / {RUNS};
        const began = performance.now();
        studio.previewShown = 0;
        range.value = String(value);
        range.dispatchEvent(new Event('input'));
        while (!studio.previewShown && performance.now() - began < 5000)
            await new Promise(done => setTimeout(done, 1));
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        times.push(performance.now() - began);
        await new Promise(done => setTimeout(done, 250));
    }}
    return times;
}}"""


def say(what: str, milliseconds: list[float]) -> None:
    """Print a median and the range."""
    middle = statistics.median(milliseconds)
    print(f"  {what:34} {middle:7.1f} ms ({min(milliseconds):.1f} to {max(milliseconds):.1f})")


def in_python(box: int) -> None:
    """Time the state without a browser."""
    state = StudioState(Map(make_map(box), 2.0))
    state.do(Threshold(level="0.2max"))
    times = []
    for i in range(RUNS):
        spheres = [(box / 3 + j, box / 2, box / 3 + i, box / 16) for j in range(20)]
        began = time.perf_counter()
        state.stroke(spheres)
        times.append(1000 * (time.perf_counter() - began))
    say("stroke of 20 spheres in Python", times)
    for step in (Threshold(level="0.3max"), Dilate(radius_px=4), SoftPad(width_px=12)):
        times = []
        for _ in range(RUNS):
            began = time.perf_counter()
            made = [state.source("replace", step)] if step.tool == "threshold" else [step]
            state.preview(*made)
            times.append(1000 * (time.perf_counter() - began))
        say(f"preview of {step.tool} in Python", times)


BROWSER_PART = """
import sys
from tests.benchmarks import studio as bench

def test_studio(notebook):
    notebook.open([bench.SETUP.format(box=BOX)], "bench.ipynb").run_all()
    page = notebook.page
    page.set_viewport_size({"width": 1280, "height": 1700})
    ready = f"() => {bench.ROOT}?.studio && {bench.ROOT}.studio.mask() && "
    page.wait_for_function(ready + f"{bench.ROOT}.viewer.surface.isSettled", timeout=90_000)
    out = []
    for name, script, arg in [
        ("stroke to picture", bench.FEEDBACK, None),
        ("release to the kernel's answer", bench.COMMIT, None),
        ("threshold, slider to picture", bench.PREVIEW, ["Threshold", TOP * .2, TOP * .5]),
        ("dilation, slider to picture", bench.PREVIEW, ["Dilate by", 0, 10]),
        ("soft edge, slider to picture", bench.PREVIEW, ["Soft edge", 2, 22]),
    ]:
        page.wait_for_timeout(1500)
        print(name, flush=True)
        out.append((name, page.evaluate(script, arg) if arg else page.evaluate(script)))
    import json
    open(OUT, "w").write(json.dumps(out))
"""


def main() -> None:
    """Measure and print."""
    box = int(sys.argv[1]) if len(sys.argv) > 1 else 128
    load = Path("/proc/loadavg").read_text().split()[0]
    print(f"box of {box} voxels; medians of {RUNS}; load {load}")
    in_python(box)
    top = float(np.max(make_map(box)))
    folder = Path("tests/browser")
    script, out = folder / "test_zz_studio_benchmark.py", Path(".cache/studio_benchmark.json")
    out.parent.mkdir(exist_ok=True)
    head = f"BOX, TOP, OUT = {box}, {top}, {str(out)!r}\n"
    script.write_text(head + BROWSER_PART)
    try:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(script)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    finally:
        script.unlink()
    for name, times in json.loads(out.read_text()):
        say(name, times)


if __name__ == "__main__":
    main()
