"""``locref segment``: regions of a map, listed, joined, and written as labels or as a mask."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from locref_widgets.cli.mask_jobs import check_not_the_input
from locref_widgets.errors import InputError

_MOST_LISTED = 40


def segment_file(
    source: Path,
    out: Path,
    *,
    level: str,
    smoothing_steps: int,
    step_px: float,
    merges: Sequence[str],
    least_voxels: int,
    regions: Sequence[str],
    mask: Path | None,
) -> dict[str, Any]:
    """Segment a map, write labels and the mask asked for; return what came of it.

    Raises
    ------
    InputError
        for a level that the map does not have, or a region that is not there.
    """
    from locref_widgets.io.mrc import read_map, write_map
    from locref_widgets.io.segger import write_segger
    from locref_widgets.masks.level_text import find_level
    from locref_widgets.masks.recipe import MaskRecipe
    from locref_widgets.masks.recipe_files import save_mask
    from locref_widgets.masks.region_address import region_addresses
    from locref_widgets.masks.segger_tree import segger_from_tree
    from locref_widgets.masks.segmentation import segment
    from locref_widgets.masks.source_steps import Segment

    if (mask is None) != (not regions):
        raise InputError("--region and --mask go together: which regions, and where to write them.")
    check_not_the_input(out, source)
    if mask is not None:
        check_not_the_input(mask, source)
        if mask.resolve() == out.resolve():
            raise InputError(f"--mask {mask} is --out, too: give labels and mask a file each.")
    volume = read_map(source, cubic=False)
    value, reason = find_level(level, volume)
    segmentation = segment(
        volume.data,
        value,
        voxel_size_angstrom=volume.voxel_size_angstrom,
        steps=smoothing_steps,
        step_px=step_px,
    )
    tree = segmentation.tree(smoothing_steps)
    if least_voxels > 1:
        tree = tree.drop_small(least_voxels)
    for text in merges:
        tree = tree.merge(_ids(text, "--merge"))
    chosen = [number for text in regions for number in _ids(text, "--region")]
    addresses = region_addresses(tree, chosen)
    if out.suffix == ".seg":
        write_segger(out, segger_from_tree(tree, volume))
    else:
        labels = tree.labels().astype(np.float32)
        write_map(out, labels, volume.voxel_size_angstrom, volume.position)
    values: dict[str, Any] = {
        "labels": str(out),
        "level": value,
        "level_reason": reason,
        "n_watershed_regions": len(segmentation.tree(0).regions()),
        "regions": [
            {
                "id": region.id,
                "voxels": region.voxels,
                "volume_angstrom3": region.volume_angstrom3,
                "mass_kda": region.mass_kda,
                "point": list(region.point_xyz),
            }
            for region in tree.regions()
        ],
    }
    if mask is not None:
        step = Segment(level=level, step_px=step_px, regions=addresses)
        recipe = MaskRecipe().made_for(volume).add(step)
        save_mask(mask, recipe.apply(volume), volume, recipe)
        values["mask"] = str(mask)
    return values


def describe_segments(values: dict[str, Any]) -> str:
    """Put the regions into lines, the largest first."""
    regions = values["regions"]
    grouped = f"{len(regions)} regions, grouped from {values['n_watershed_regions']}"
    lines = [
        f"{values['labels']}: {grouped} of the watershed",
        f"  level {values['level']:.4g}: {values['level_reason']}",
        "     id   voxels      kDa   highest voxel (x, y, z from the corner)",
    ]
    for region in regions[:_MOST_LISTED]:
        point = ", ".join(map(str, region["point"]))
        lines.append(
            f"  {region['id']:5d} {region['voxels']:8d} {region['mass_kda']:8.1f}   {point}"
        )
    if len(regions) > _MOST_LISTED:
        lines.append(f"  and {len(regions) - _MOST_LISTED} smaller ones (all with --json)")
    if "mask" in values:
        lines.append(f"{values['mask']}: mask of the regions chosen")
    else:
        lines.append("  a mask of some: --region ID[,ID…] --mask MASK.mrc")
    return "\n".join(lines)


def _ids(text: str, flag: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{flag} {text!r}: expected numbers of regions, as in 3,5,8.") from None
