from typing import ClassVar

import comm
import numpy as np
import pytest
from comm.base_comm import BaseComm
from ipywidgets.widgets import widget as ipywidgets_widget

from locref_widgets.io.mrc import Map
from locref_widgets.widgets import RunDashboard, Workbench
from tests.widgets.fake_run import FakeRun


class RecordingComm(BaseComm):
    """Keeps what a kernel would have sent: (message type, data, buffers)."""

    messages: ClassVar[list] = []

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        type(self).messages.append((msg_type, data or {}, buffers or []))


@pytest.fixture
def wire(monkeypatch):
    """Messages that leave Python while the test runs."""

    class Wire(RecordingComm):
        # Of its own: threads of an earlier test's widgets may still be telling theirs.
        messages: ClassVar[list] = []

    monkeypatch.setattr(comm, "create_comm", Wire)
    monkeypatch.setattr(ipywidgets_widget.comm, "create_comm", Wire)
    return Wire.messages


@pytest.fixture
def ball():
    """A ball off the centre, and a mask around its upper half; 24 voxels of 4 Å."""
    z, y, x = np.mgrid[:24, :24, :24].astype(np.float32)
    distance = np.sqrt((x - 14) ** 2 + (y - 12) ** 2 + (z - 10) ** 2)
    density = np.clip(7 - distance, 0, 1).astype(np.float32)
    mask = (np.clip(5 - distance, 0, 1) * (z >= 10)).astype(np.float32)
    return Map(density, 4.0), Map(mask, 4.0)


@pytest.fixture
def run(tmp_path):
    """A pretended run of 300 particles that has begun."""
    fake = FakeRun(tmp_path / "run", n_particles=300)
    fake.begin()
    yield fake
    fake.release()


@pytest.fixture
def dashboard(wire, run):
    shown = RunDashboard(run.folder)
    yield shown
    shown.close()
    assert shown._watcher.join()


@pytest.fixture
def lumps():
    """Three blobs; 32 voxels of 4 Å."""
    z, y, x = np.mgrid[:32, :32, :32].astype(np.float32)

    def blob(cx, cy, cz, sd):
        return np.exp(-((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / (2 * sd**2))

    return Map(blob(12, 16, 14, 4) + 0.9 * blob(22, 18, 18, 3) + 0.7 * blob(18, 9, 11, 2.5), 4.0)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A workbench in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    made = Workbench("work")
    yield made
    made.close()


@pytest.fixture
def sampled(bench):
    """A workbench with the packaged sample chosen."""
    bench.step.sample.click()
    return bench
