"""How often the search loses the best pose: ``python -m tests.benchmarks.exactness``.

Prints, for each condition of `tests.engine.exactness` and for all where the model holds together,
how many particles brute force over the finest cells found a better pose for, by how much, and how
many of the lost ones had been certified. Half a second per particle of 32 px.
"""

import argparse
from functools import reduce
from operator import add

import numpy as np

from tests.engine.exactness import CONDITIONS, Losses, exactness_plan, measure, unlimited

_BATCH = 12


def line(name: str, losses: Losses) -> str:
    """One line of the table."""
    lost, certified = losses.lost, losses.certified
    worst = max(0.0, float(losses.missing.max()))
    return (
        f"{name:34s} {lost.size:5d} particles  lost {lost.sum():3d} ({100 * lost.mean():5.2f} %)"
        f"  by more than 0.5: {np.sum(losses.missing > 0.5):3d}  worst {worst:6.2f}"
        f"  certified {certified.sum():4d}, of these lost {np.sum(lost & certified):3d}"
    )


def main() -> None:
    """Measure every condition and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--particles", type=int, default=600, help="where the model holds")
    parser.add_argument("--box", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--unlimited", action="store_true", help="with lists that lose nothing")
    options = parser.parse_args()
    plan = exactness_plan(options.box)
    plan = unlimited(plan) if options.unlimited else plan
    holding = sum(c.holds for c in CONDITIONS)
    # Those where it does not hold last.
    results = []
    for condition in sorted(CONDITIONS, key=lambda c: not c.holds):
        count = -(-options.particles // holding)
        losses = measure(condition, options.seed, count, plan, min(_BATCH, count))
        print(line(condition.name, losses), flush=True)
        if condition.holds:
            results.append(losses)
            if len(results) == holding:
                print(line("ALL WHERE THE MODEL HOLDS", reduce(add, results)), flush=True)


if __name__ == "__main__":
    main()
