"""The inputs of a run: checked together, recorded by content, found again by the worker."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.double_picks import double_picks_warnings
from locref_widgets.io.duplicates import copies_warnings
from locref_widgets.io.half_maps import check_half_maps
from locref_widgets.io.mrc import Map, check_same_grid, read_map, write_map
from locref_widgets.io.particles import Particles, check_particles_match_map, reread_particles
from locref_widgets.io.placing import grid_remarks
from locref_widgets.io.poses import check_half_set_balance
from locref_widgets.masks.checks import check_mask, examine_mask
from locref_widgets.masks.dynamic import centre_of_mass_angstrom, radius_angstrom
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.symmetric_region import check_region_on_axes, symmetry_warnings
from locref_widgets.runs.provenance import describe_file, describe_stacks

if TYPE_CHECKING:
    from locref_widgets.refinement.problem import RefinementInput


_SMALLEST_BOX_PX = 16
"""Below this a region, its soft mask and a few shells of resolution have no room."""

_FEWEST_SHELLS = 3
"""The starting map must keep at least so many shells, or there is nothing to search with."""


def check_inputs(inputs: "RefinementInput", settings: RefinementSettings) -> list[str]:
    """Check that particles, maps, mask and settings belong together.

    Returns warnings, each a sentence. Raises `InputError` for what cannot be refined.
    """
    about_data = check_data(inputs, settings.symmetry)
    return check_settings(inputs, settings) + about_data


def check_data(inputs: "RefinementInput", symmetry: str) -> list[str]:
    """The part of `check_inputs` that mask and settings, but for the symmetry, do not matter to."""
    volume, particles = inputs.volume, inputs.particles
    check_particles_match_map(particles, volume)
    for half_map in inputs.half_maps or ():
        check_same_grid(volume, half_map, "the half-map")
    for some_map in (volume, *(inputs.half_maps or ())):
        _check_has_signal(some_map)
    if inputs.half_maps is not None:
        check_half_maps(*inputs.half_maps)
    warnings = []
    for half_map in inputs.half_maps or ():
        warnings += grid_remarks(volume, half_map, "the half-map")
    if particles.half_sets is not None:
        unequal = check_half_set_balance(particles.half_sets)
        warnings += [f"{particles.path}: {warning}" for warning in unequal]
    return warnings + copies_warnings(particles, symmetry) + double_picks_warnings(particles)


def check_settings(inputs: "RefinementInput", settings: RefinementSettings) -> list[str]:
    """The part of `check_inputs` that depends on mask and settings."""
    volume = inputs.volume
    _check_room(volume, settings)
    warnings = check_region(volume, inputs.mask, settings)
    finest_angstrom = 2 * volume.voxel_size_angstrom
    if settings.initial_lowpass < finest_angstrom:
        warnings.append(
            f"initial_lowpass is {settings.initial_lowpass:g} Å, finer than the images resolve "
            f"({finest_angstrom:g} Å): the starting map is not filtered at all."
        )
    n_particles = len(inputs.particles)
    if settings.subset is not None and settings.subset > n_particles:
        warnings.append(
            f"subset is {settings.subset}, but there are {n_particles} particles: all are refined."
        )
    return warnings


def check_region(volume: Map, mask: Map, settings: RefinementSettings) -> list[str]:
    """Check what may be changed while a run goes on: mask, fulcrum and extents.

    Returns warnings, each a sentence. Raises `InputError` for what cannot be refined.
    """
    warnings = [*mask.remarks, *grid_remarks(volume, mask, "the mask"), *check_mask(mask, volume)]
    check_region_on_axes(settings.symmetry, mask)
    from locref_widgets.refinement.region_place import place_warnings

    warnings += place_warnings(mask)
    voxel_size_angstrom = volume.voxel_size_angstrom
    centre = centre_of_mass_angstrom(mask.data, voxel_size_angstrom)
    radius = radius_angstrom(mask.data, voxel_size_angstrom, centre)
    fulcrum = settings.resolve_fulcrum_angstrom(volume.box_px, voxel_size_angstrom, centre)
    warnings += symmetry_warnings(settings.symmetry, mask, fulcrum)
    warnings += settings.fulcrum_warnings(volume.box_px, voxel_size_angstrom, centre, radius)
    if settings.shift_extent > volume.box_px:
        raise InputError(
            f"shift_extent is {settings.shift_extent:g} px, wider than the box of "
            f"{volume.box_px} px. It is the diameter of the disc of shifts searched, in pixels."
        )
    return warnings


def _check_has_signal(volume: Map) -> None:
    lowest, highest = float(volume.data.min()), float(volume.data.max())
    if lowest == highest:
        raise InputError(
            f"{volume.path or 'the map given'}: every voxel of the map is {lowest:g}, so there is "
            "nothing to align to. Give the map of the consensus refinement."
        )


def _check_room(volume: Map, settings: RefinementSettings) -> None:
    """Refuse a box, or a filter of the starting map, that leaves nothing to search with."""
    if volume.box_px < _SMALLEST_BOX_PX:
        raise InputError(
            f"{volume.path or 'the map given'}: the box is {volume.box_px} px, expected at least "
            f"{_SMALLEST_BOX_PX}. Extract the particles again in a larger box, or binned less."
        )
    coarsest_angstrom = volume.box_px * volume.voxel_size_angstrom / _FEWEST_SHELLS
    if settings.initial_lowpass > coarsest_angstrom:
        raise InputError(
            f"initial_lowpass is {settings.initial_lowpass:g} Å, coarser than a third of the box "
            f"({coarsest_angstrom:g} Å): nothing of the starting map would be left to search with. "
            "Give a smaller one; 12 Å is usual."
        )


def record_inputs(inputs: "RefinementInput", own_folder: Path) -> dict[str, Any]:
    """Name every input by absolute path and checksum.

    What was changed in memory since it was read, or never was a file, is written into
    ``own_folder`` first, so that a process that knows only the record gets the same.
    """
    half_maps = inputs.half_maps or ()
    particles = _as_file(inputs.particles, own_folder)
    cs = inputs.particles.cs
    # A copy that was written holds all fields; only the file given needs those joined to it.
    joined = cs.companions if cs is not None and particles == inputs.particles.path else ()
    companions = [describe_file(path) for path in joined]
    return {
        "particles": describe_file(particles) | {"companions": companions},
        "map": describe_map(inputs.volume, own_folder / "map.mrc"),
        "mask": describe_mask(inputs.mask, inputs.volume, own_folder / "mask.mrc"),
        "half_maps": [
            describe_map(half_map, own_folder / f"half{number}.mrc")
            for number, half_map in enumerate(half_maps, start=1)
        ],
        "stacks": describe_stacks([s.path for s in inputs.particles.image_source.stacks]),
    }


def load_inputs(record: dict[str, Any]) -> "RefinementInput":
    """Read the inputs that `record_inputs` named.

    Raises `InputError` when one is missing or its content is not what the run began with.
    """
    from locref_widgets.refinement.problem import RefinementInput

    particles = load_particles(record)
    stacks = describe_stacks([stack.path for stack in particles.image_source.stacks])
    for entry in (record["map"], *record["half_maps"]):
        _check_unchanged(entry)
    if changed := _stack_differences(record["stacks"], stacks):
        raise InputError(f"{changed[0]}. Put the old stack back, or begin a new run.")
    half_maps = [read_map(entry["path"]) for entry in record["half_maps"]]
    return RefinementInput(
        particles=particles,
        volume=read_map(record["map"]["path"]),
        mask=load_mask(record["mask"]),
        half_maps=(half_maps[0], half_maps[1]) if half_maps else None,
    )


def load_particles(record: dict[str, Any]) -> Particles:
    """Read the particle table that `record_inputs` named; its stacks are not looked at.

    Raises `InputError` when a file is missing or its content is not what the run began with.
    """
    entry, companions = record["particles"], record["particles"].get("companions", [])
    particles = reread_particles(entry["path"], [companion["path"] for companion in companions])
    for file in (entry, *companions):
        _check_unchanged(file)
    return particles


def load_mask(entry: dict[str, Any]) -> Map:
    """Read a mask that `describe_mask` named.

    Raises `InputError` when it is missing or its content is another one by now.
    """
    _check_unchanged(entry)
    return replace(read_map(entry["path"]), remarks=tuple(entry.get("remarks", ())))


def _check_unchanged(entry: dict[str, Any]) -> None:
    if describe_file(entry["path"])["sha256"] != entry["sha256"]:
        raise InputError(
            f"{entry['path']}: was changed since the run began. Put the old file back, or begin a "
            "new run in another folder."
        )


def find_differences(
    record: dict[str, Any], inputs: "RefinementInput", settings: RefinementSettings
) -> list[str]:
    """List in words how inputs and settings differ from those that a run was begun with."""
    with tempfile.TemporaryDirectory() as aside:
        new = record_inputs(inputs, Path(aside))
    old = record["inputs"]
    found = [
        f"{name}: {old[name]['path']} then, {new[name]['path']} of another content now"
        for name in ("particles", "map", "mask")
        if old[name]["sha256"] != new[name]["sha256"]
    ]
    companions = [
        [companion["sha256"] for companion in record["particles"].get("companions", [])]
        for record in (old, new)
    ]
    if companions[0] != companions[1]:
        found.append("files joined to the particles: others than then")
    if [h["sha256"] for h in old["half_maps"]] != [h["sha256"] for h in new["half_maps"]]:
        found.append("half-maps: others than then")
    found += _stack_differences(old["stacks"], new["stacks"])
    settings_now = settings.model_dump(mode="json")
    # With the settings that it has come to, a run goes on as well as with those it was begun with.
    told = [
        [
            f"{name}: {then[name]} then, {now} now"
            for name, now in settings_now.items()
            if then.get(name, now) != now
        ]
        for then in (record["settings"], settings_after_changes(record))
    ]
    return found + (told[0] if all(told) else [])


def settings_after_changes(record: dict[str, Any]) -> dict[str, Any]:
    """Settings, as JSON has them, after all changes that a run has taken up."""
    values = dict(record["settings"])
    for change in record.get("changes", ()):
        values |= {name: told["after"] for name, told in change["settings"].items()}
    return values


def _stack_differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    key = "sha256_first_and_last_mib"
    found = [
        f"image stack: the content of {now['path']} is not what it was"
        for then, now in zip(old["first"], new["first"], strict=False)
        if then[key] != now[key]
    ]
    if not found and old["sha256_of_names_and_sizes"] != new["sha256_of_names_and_sizes"]:
        found.append("image stacks: others than then, or of another size")
    return found


def describe_map(volume: Map, own_path: Path) -> dict[str, Any]:
    """Name a map by absolute path and checksum; what is no file is written to ``own_path``."""
    path = volume.path
    if path is None or not _holds(path, volume):
        own_path.parent.mkdir(parents=True, exist_ok=True)
        write_map(own_path, volume.data, volume.voxel_size_angstrom, volume.position)
        path = own_path
    facts = {"voxel_size_angstrom": volume.voxel_size_angstrom}
    # What was done to bring the values here is said again by the process that goes on from them.
    return describe_file(path) | facts | ({"remarks": volume.remarks} if volume.remarks else {})


def describe_mask(mask: Map, volume: Map, own_path: Path) -> dict[str, Any]:
    """Describe the mask as any map, with what its checks say and the recipe that lies beside it."""
    # Every tool for masks hangs on it; a viewer of runs needs none.
    from locref_widgets.masks.recipe_files import find_recipe

    described = describe_map(mask, own_path)
    checks = [
        {"name": check.name, "state": check.state, "text": check.text}
        for check in examine_mask(mask, volume)
    ]
    recipe = find_recipe(described["path"])
    made = {} if recipe is None else {"recipe": recipe.model_dump(mode="json", exclude_none=True)}
    return described | {"checks": checks} | made


def _holds(path: str | os.PathLike, volume: Map) -> bool:
    try:
        stored = read_map(path)
    except InputError:
        return False
    same_grid = (stored.voxel_size_angstrom, stored.position) == (
        volume.voxel_size_angstrom,
        volume.position,
    )
    return same_grid and np.array_equal(stored.data, volume.data)


def _as_file(particles: Particles, own_folder: Path) -> Path:
    try:
        joined = () if particles.cs is None else particles.cs.companions
        stored = reread_particles(particles.path, joined)
    except InputError:
        stored = None
    if stored is not None and stored.same_table(particles):
        return particles.path
    own_folder.mkdir(parents=True, exist_ok=True)
    if particles.cs is not None:
        particles.write_cs(own_folder / "particles.cs")
        return own_folder / "particles.cs"
    particles.write_star(own_folder / "particles.star")
    return own_folder / "particles.star"
