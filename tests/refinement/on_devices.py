"""Refine a small set on 1, 2 and 4 virtual CPU devices: ``python -m`` this file STAR MAPS.

A program of its own, because the number of devices is fixed when JAX starts; one for all three,
because XLA compiles for each device anew, which takes longer than all else. Writes what came out
into MAPS/1.npz, 2.npz and 4.npz, with the number of programs that the search of the third iteration
compiled.
"""

import os
import sys
from pathlib import Path

import numpy as np

COUNTS = (1, 2, 4)


def main(star: str, maps: str) -> None:
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={max(COUNTS)}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    import jax.monitoring

    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles
    from locref_widgets.refinement.executor import LocalExecutor
    from locref_widgets.refinement.problem import RefinementInput
    from locref_widgets.refinement.refine import refine_loop
    from locref_widgets.refinement.settings import RefinementSettings
    from locref_widgets.runs.process_setup import prepare_process
    from tests.refinement.following import Recorder

    prepare_process()
    assert len(jax.local_devices()) == max(COUNTS)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, seconds, **_: compiled.append(name) if "backend_compile" in name else None
    )

    class Counting(Recorder):
        """Counts the programs that are made ready in each phase of each iteration."""

        def __init__(self) -> None:
            super().__init__()
            self.counts: dict[tuple[int, str], int] = {}

        def event(self, kind, **values) -> None:
            super().event(kind, **values)
            phases = [v for k, v in self.events if k == "phase"]
            if phases:
                place = phases[-1]["iteration"], phases[-1]["name"]
                self.counts[place] = self.counts.get(place, 0) + len(compiled)
                compiled.clear()

    folder = Path(maps)
    inputs = RefinementInput(
        read_particles(star), read_map(folder / "map.mrc"), read_map(folder / "mask.mrc")
    )
    settings = RefinementSettings(
        fulcrum_angstrom=(15.0, 0.0, 2.0),
        rotation_extent=0.26,
        shift_extent=2.0,
        initial_lowpass=20.0,
        iterations=3,
        # Two chunks of 32 particles for each half-set and fold.
        subset=256,
        folds=2,
        batch_size=4,
    )
    for count in COUNTS:
        recorder = Counting()
        # Without a list: as every run does that has them all.
        devices = None if count == max(COUNTS) else jax.local_devices()[:count]
        last = refine_loop(inputs, settings, recorder, executor=LocalExecutor(devices))
        np.savez(
            folder / f"{count}.npz",
            rotations=last.rotations,
            origins_angstrom=last.origins_angstrom,
            half1=last.half_maps[0],
            half2=last.half_maps[1],
            region=recorder.results[-2].map,
            info=np.concatenate([np.ravel(last.info[name]) for name in sorted(last.info)]),
            compiled_again=recorder.counts[3, "search"],
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
