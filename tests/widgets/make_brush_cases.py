"""Writes `brush_cases.json`: strokes and the voxels they touch, found one by one.

``python -m tests.widgets.make_brush_cases``. The browser's brush and Python's are held against it.
"""

import json
import random
from pathlib import Path

CASES = Path(__file__).with_name("brush_cases.json")
SHAPE = (13, 11, 9)
"""Voxels along x, y, z."""


def density(x: int, y: int, z: int) -> int:
    """Bytes of the map that gates the brush."""
    return (7 * x + 13 * y + 29 * z + x * y) % 256


def touched(spheres: list[list[float]], least: int | None) -> list[int]:
    """Numbers of the voxels, x fastest, that a stroke touches."""
    nx, ny, nz = SHAPE
    found = []
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                near = any(
                    (z - cz) ** 2 + (y - cy) ** 2 + (x - cx) ** 2 <= r**2
                    for cx, cy, cz, r in spheres
                )
                if near and (least is None or density(x, y, z) >= least):
                    found.append(x + nx * (y + ny * z))
    return found


def main() -> None:
    """Write the cases."""
    draw = random.Random(7)  # noqa: S311
    strokes: list[list[list[float]]] = [
        [[6, 5, 4, 3]],  # whole numbers: voxels lie on the sphere
        [[6, 5, 4, 0]],
        [[6.5, 5.5, 4.5, 0.5]],  # between voxels: none
        [[0, 0, 0, 2.5]],
        [[-3, 5, 4, 4]],
        [[50, 50, 50, 3]],
        [[6, 5, 4, 40]],
        [[3.25, 4.75, 4.5, 2.25], [4.1, 4.8, 4.5, 2.25], [5.03, 4.91, 4.5, 2.25]],
    ]
    strokes += [
        [[round(draw.uniform(-1, 13), 2) for _ in range(3)] + [round(draw.uniform(0.5, 5), 1)]]
        for _ in range(12)
    ]
    cases = []
    for number, spheres in enumerate(strokes):
        least = [None, 100, 200][number % 3]
        cases.append({"spheres": spheres, "least": least, "touched": touched(spheres, least)})
    CASES.write_text(json.dumps({"shape": SHAPE, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
