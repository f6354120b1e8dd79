"""``locref check-mask``: what is wrong with a mask, and what it would do to the FSC."""

from pathlib import Path
from typing import Any


def check_file(
    mask: Path,
    map_: Path | None,
    half_maps: tuple[Path, Path] | None,
    resolution_angstrom: float | None,
    fulcrum: str | None,
) -> dict[str, Any]:
    """Examine a mask's file. Raises `InputError` for files that cannot be read."""
    from locref_widgets.io.half_maps import read_half_maps
    from locref_widgets.io.mrc import read_map
    from locref_widgets.masks.checks import describe_checks, examine_mask, worst_state
    from locref_widgets.masks.fsc_consequence import fsc_consequence
    from locref_widgets.masks.recipe_files import find_recipe
    from locref_widgets.refinement.fulcrum_point import parse_point

    looked_at = read_map(mask, cubic=False)
    halves = None if half_maps is None else read_half_maps(*half_maps)
    reference = halves[0] if halves else None
    if map_ is not None:
        reference = read_map(map_, cubic=False)
    checks = examine_mask(
        looked_at,
        reference,
        resolution_angstrom=resolution_angstrom,
        fulcrum_voxels=None if fulcrum is None else parse_point(fulcrum, "--fulcrum"),
    )
    state = worst_state(checks)
    recipe = find_recipe(mask)
    values: dict[str, Any] = {
        "mask": str(mask),
        "state": state,
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "text": check.text,
                "value": check.value,
                "mend": None if check.mend is None else check.mend.command(str(mask)),
            }
            for check in checks
        ],
        "lines": describe_checks(checks, str(mask)),
        "recipe": None if recipe is None else recipe.describe(),
    }
    if halves is not None and state != "fault":
        consequence = fsc_consequence(halves[0], halves[1], looked_at)
        values["fsc"] = {
            "sentence": consequence.sentence,
            "resolution_angstrom": {
                name: getattr(consequence, name).resolution_angstrom()
                for name in ("unmasked", "tight", "corrected")
            },
        }
    return values


def describe_check(values: dict[str, Any]) -> str:
    """Put the checks into lines."""
    lines = [f"{values['mask']}:", *values["lines"]]
    if values["recipe"]:
        lines += ["made by:", *(f"  {step}" for step in values["recipe"])]
    if "fsc" in values:
        text = values["fsc"]["sentence"]
        lines.append(f"FSC: {text}")
    return "\n".join(lines)
