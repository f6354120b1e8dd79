"""The folder of a sweep over four settings, as one that computes would leave it.

Also a program: ``python -m tests.widgets.fake_sweep FOLDER`` makes a finished one.
"""

import itertools
import sys
from pathlib import Path

from locref_widgets.figures.sweep_page import write_verdict
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.sweep_folder import SweepFolder
from locref_widgets.runs.sweep_verdict import sentence

GRID = {"rotation_extent": [0.1, 0.2], "shift_extent": [4.0, 8.0]}
CANDIDATES = [
    {"number": k, "values": dict(zip(GRID, values, strict=True))}
    for k, values in enumerate(itertools.product(*GRID.values()), start=1)
]


def _row(number: int, criterion: float, share: float) -> dict:
    best = 0.412
    return CANDIDATES[number - 1] | {
        "criterion": criterion,
        "standard_error": 0.011,
        "share_best": share,
        "share_not_worse": share if criterion < best else 1.0,
        "behind": best - criterion,
        "behind_error": 0.0 if criterion == best else 0.004,
        "worth": (criterion / (1 - criterion)) / (best / (1 - best)),
        "resolution_angstrom": 9.8 - 2 * criterion,
        "at_bound_fraction": 0.21 if number < 3 else 0.01,
        "median_pose_change_deg": 4.1,
        "median_shift_change_px": 1.3,
        "seconds": 41.0 + number,
        "cpu_seconds": 70.0 + number,
    }


VERDICT = {
    "chosen": 4,
    "tied": [4],
    "sureness": "clear",
    "n_particles": 500,
    "iterations": 3,
    "band_angstrom": [10.6, 8.4],
    "settings": [
        _row(1, 0.331, 0.0),
        _row(2, 0.338, 0.0),
        _row(3, 0.404, 0.03),
        _row(4, 0.412, 0.97),
    ],
    "failed": [],
    "notes": ["The best shift_extent is the largest of those tried (8): try larger ones as well."],
}
VERDICT["sentence"] = sentence(VERDICT)


class FakeSweep:
    """A pretended sweep; holds the folder's lock until `release`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        (folder / "control").mkdir()
        self.lock: WriterLock | None = WriterLock.acquire(folder)
        files = {name: {"path": f"/data/{name}", "sha256": name} for name in ("particles", "map")}
        self.inputs = files | {"mask": {"path": "/data/mask.mrc", "sha256": "mask"}}
        settings = RefinementSettings().model_dump(mode="json")
        record = {"settings": settings, "inputs": self.inputs, "grid": GRID, "seconds": {}}
        self.sweep = SweepFolder.create(folder, record | {"candidates": CANDIDATES})
        self.events = EventLog(folder / "events.jsonl")
        self.events.append("sweep_started", settings=4, names=list(GRID), iterations=3)

    def try_setting(self, number: int) -> None:
        values = CANDIDATES[number - 1]["values"]
        self.events.append("setting_started", number=number, values=values)
        path = self.folder / "runs" / f"{number:02d}"
        path.mkdir(parents=True)
        settings = RefinementSettings(subset=500, **values).model_dump(mode="json")
        RunFolder.create(path, {"settings": settings, "inputs": self.inputs, "status": "stopped"})
        self.events.append(
            "setting_finished", number=number, seconds=41.0, cpu_seconds=70.0, at_bound_fraction=0.0
        )

    def fail_setting(self, number: int, message: str) -> None:
        self.events.append("setting_failed", number=number, message=message)

    def finish(self) -> None:
        self.sweep.set_values(verdict=VERDICT)
        write_verdict(self.folder)
        self.sweep.set_status("finished")
        self.events.append("sweep_finished", settings=4)
        self.release()

    def release(self) -> None:
        if self.lock is not None:
            self.lock.release()
            self.lock = None


if __name__ == "__main__":
    fake = FakeSweep(Path(sys.argv[1]))
    for setting in range(1, 5):
        fake.try_setting(setting)
    fake.finish()
