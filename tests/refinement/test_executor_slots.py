"""How many chunks a device works on side by side."""

import numpy as np
import pytest

from locref_widgets.refinement import executor
from locref_widgets.refinement.executor import chunks_at_once


@pytest.mark.parametrize(
    ("platform", "processors", "devices", "sums_bytes", "expected"),
    [
        ("cpu", 1, 1, 8, 2),
        ("cpu", 2, 1, 8, 2),
        ("cpu", 16, 1, 8, 16),
        ("cpu", 16, 4, 8, 4),
        # Sums of large boxes leave room for fewer, but never for less than two.
        ("cpu", 16, 1, 2**28, 4),
        ("cpu", 16, 1, 2**31, 2),
        ("gpu", 16, 1, 8, 2),
    ],
)
def test_chunks_side_by_side(monkeypatch, platform, processors, devices, sums_bytes, expected):
    monkeypatch.setattr(executor, "processors", lambda: processors)
    # As large as told, without any memory.
    sums = np.broadcast_to(np.zeros((), np.uint8), sums_bytes)
    assert chunks_at_once(platform, devices, lambda: {"sums": sums}) == expected
