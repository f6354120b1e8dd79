"""How many particles a device searches at once, and what happens when that was too many."""

from collections.abc import Callable
from typing import Any, TypeVar

import jax

from locref_widgets.engine.search_plan import SearchPlan

_ARRAYS = 6
"""Arrays of the size of a level's templates that are alive at the same time."""
_ON_CPU = 1
"""A CPU gains nothing by more: its programs loop over particles one way or the other."""
_SHARE = 0.5
"""Share of the free memory that the search may plan with."""
_UNKNOWN_BYTES = 2 * 2**30
"""Free memory assumed where the device does not tell."""

Result = TypeVar("Result")


def bytes_per_particle(plan: SearchPlan) -> int:
    """Working memory of one particle's search, from the largest level."""
    tilts, turns = plan.root_tilts_rad().shape[0], plan.root_turns_rad().shape[0]
    shifts = plan.root_shifts_px().shape[0]
    largest = 0
    for level in plan.levels:
        largest = max(largest, (tilts + turns * shifts) * level.pixels)
        tilts = 4 * min(tilts, level.keep_tilts)
        turns = 2 * min(turns, level.keep_turns)
        shifts = 4 * min(shifts, level.keep_shifts)
    return _ARRAYS * 2 * 4 * largest


def particles_at_once(plan: SearchPlan, batch_size: int, device: Any = None) -> int:
    """Particles searched side by side: one on a CPU, as many as fit on other devices.

    ``device`` is one of JAX's; None means the first.
    """
    device = device or jax.local_devices()[0]
    if device.platform == "cpu":
        return min(batch_size, _ON_CPU)
    stats = device.memory_stats() or {}
    free = stats.get("bytes_limit", _UNKNOWN_BYTES) - stats.get("bytes_in_use", 0)
    return max(1, min(batch_size, int(_SHARE * free) // bytes_per_particle(plan)))


class FewerAtOnce:
    """Runs a search and, when the device's memory is too small for it, tries again with half."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once

    def __call__(self, search: Callable[[int], Result]) -> Result:
        """Call ``search(at_once)``; what fitted once is where the next call begins."""
        while True:
            tried = self.at_once
            try:
                return jax.block_until_ready(search(tried))
            except jax.errors.JaxRuntimeError as error:
                if "RESOURCE_EXHAUSTED" not in str(error) or tried == 1:
                    raise
                self.at_once = min(self.at_once, max(1, tried // 2))
