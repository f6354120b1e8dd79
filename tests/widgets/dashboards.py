"""What tests do with a dashboard."""

import time


def rotation_map(dashboard):
    return dashboard._maps.panels["pose_change_deg"]


def open_tab(dashboard, title):
    dashboard._tabs.selected_index = dashboard._titles.index(title)


def wait_for(condition, seconds=20.0):
    """Wait for what another thread brings; generous, for a busy machine."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
