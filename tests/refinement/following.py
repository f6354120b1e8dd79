"""How tests follow a refinement, and the soft ball that serves them for a mask."""

import numpy as np

from locref_widgets.refinement.state import StopRequested


class Recorder:
    """Keeps what a refinement tells; stops it when asked."""

    def __init__(self, stop_after=None):
        self.results, self.events, self.stop_after = [], [], stop_after

    def event(self, kind, **values):
        self.events.append((kind, values))

    def checkpoint(self):
        if self.stop_after is not None and len(self.results) > self.stop_after:
            raise StopRequested

    def iteration_finished(self, result):
        self.results.append(result)


def soft_ball(box_px, pixel_angstrom, centre_angstrom, radius_angstrom=48.0):
    """1 up to 15 Å inside the radius, 0 from there on, linear between."""
    x = (np.arange(box_px) - box_px // 2) * pixel_angstrom
    z, y, x = np.meshgrid(x, x, x, indexing="ij")
    away = np.linalg.norm(np.stack([x, y, z], axis=-1) - centre_angstrom, axis=-1)
    return np.clip((radius_angstrom - away) / 15.0, 0, 1).astype(np.float32)
