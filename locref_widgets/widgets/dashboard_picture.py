"""The dashboard's heatmaps as a plain picture, and its iterations as text, where no widget lives.

Made in some milliseconds: they travel with the view, which waits for them.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from locref_widgets.figures.png import png_bytes
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.cell_picture import coloured_cells
from locref_widgets.widgets.heatmap_layers import as_grid
from locref_widgets.widgets.style import VIRIDIS
from locref_widgets.widgets.ticks import nice_maximum

_MAP_PX, _GAP_PX = 432, 24
_MAPS = {"pose_change_deg": "°", "shift_change_px": " px"}


def picture_png(state: RunState) -> bytes | None:
    """Draw both heatmaps of the last iteration side by side on white; None without any."""
    told = (state.latest or {}).get("heatmap")
    if not told:
        return None
    maps = [_coloured(as_grid(told[key])) for key in _MAPS]
    gap = np.full((maps[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    return png_bytes(np.concatenate([maps[0], gap, maps[1]], axis=1))


def overview_text(state: RunState, name: str) -> str:
    """Tell the run's iterations as a table in plain text, under what the picture shows."""
    title = f"Local refinement {name}: {state.status}."
    told = (state.latest or {}).get("heatmap")
    if told:
        ends = [f"{_end(as_grid(told[key])):g}{unit}" for key, unit in _MAPS.items()]
        title += (
            f" Picture: mean pose change (left, dark 0 to bright {ends[0]}) and mean shift change"
            f" (right, to {ends[1]}) by the initial view, azimuth across, elevation upwards; grey:"
            " no particle."
        )
    lines = [title]
    if state.iterations:
        lines.append("iteration  resolution (Å)  pose change (°)  shift change (px)  at bound (%)")
    for number, told in sorted(state.iterations.items()):
        share = told.get("at_bound_fraction")
        lines.append(
            f"{number:9d}  {_fixed(told.get('resolution_angstrom')):>14}"
            f"  {_fixed((told.get('pose_change') or {}).get('median_deg')):>15}"
            f"  {_fixed((told.get('shift_change') or {}).get('median_px')):>17}"
            f"  {'–' if share is None else f'{100 * share:.1f}':>12}"
        )
    return "\n".join(lines)


def _end(values: Float[np.ndarray, "rows columns"]) -> float:
    return nice_maximum(float(np.nanmax(values, initial=0.0)))


def _coloured(values: Float[np.ndarray, "rows columns"]) -> UInt8[np.ndarray, "height width 3"]:
    cells = coloured_cells(values, VIRIDIS, 0.0, _end(values))
    cell_px = max(1, round(_MAP_PX / values.shape[1]))
    return np.kron(cells, np.ones((cell_px, cell_px, 1), np.uint8))


def _fixed(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, int | float) and np.isfinite(value) else "–"
