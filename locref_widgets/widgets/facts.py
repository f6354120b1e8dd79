"""Facts and faults of a file (`io.info.describe`) as people read them."""

import html
from pathlib import Path
from typing import Any

# Name in `describe` -> words; the unit stands in the name.
_WORDS = {
    "format": "Format",
    "size_xyz": "Size x, y, z",
    "images": "Images",
    "voxel_size_angstrom": "Voxel size (Å)",
    "pixel_size_angstrom": "Pixel size (Å)",
    "box_px": "Box (px)",
    "half_sets": "Half-sets 1, 2",
    "optics_groups": "Optics groups",
    "stacks": "Image stacks",
    "voltage_kv": "Voltage (kV)",
    "spherical_aberration_mm": "Cs (mm)",
    "defocus_angstrom": "Defocus (Å)",
    "phase_plate": "Phase plate",
    "beam_tilt": "Beam tilt",
    "anisotropic_magnification": "Anisotropic magnification",
    "mode": "MRC mode",
    "minimum": "Minimum",
    "maximum": "Maximum",
    "mean": "Mean",
    "standard_deviation": "Standard deviation",
}
_RANGES = ("defocus_angstrom",)


def facts_html(description: dict[str, Any], headline: str) -> str:
    """Name of the file, a headline, and the facts that have words."""
    facts = description["facts"]
    rows = "".join(
        f"<div><dt>{words}</dt><dd>{html.escape(_value(name, facts[name]))}</dd></div>"
        for name, words in _WORDS.items()
        if name in facts
    )
    name = html.escape(Path(description["path"]).name)
    return (
        f'<div class="locref-facts"><p><b>{name}</b> · {html.escape(headline)}</p>'
        f"<dl>{rows}</dl></div>"
    )


def faults_html(faults: list[str]) -> str:
    """What a refinement would complain of, or that there is nothing of the kind."""
    if not faults:
        return (
            '<p><span class="locref-good" aria-hidden="true">✔</span> Nothing that a refinement'
            " would complain of.</p>"
        )
    return "".join(
        f'<div class="locref-warning"><span aria-hidden="true">⚠</span> {html.escape(text)}</div>'
        for text in faults
    )


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return (" to " if name in _RANGES else ", ").join(_value("", item) for item in value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.5g}" if isinstance(value, float) else str(value)
