"""Changes of a run's settings: asked by whoever looks on, kept in ``run.json`` once taken up.

A request is ``control/change-*.json`` with the new values, and beside it the new mask, if any. The
run takes it up before its next iteration (`locref_widgets.runs.steward`) and writes what it did
into the list ``changes`` of ``run.json``: from these, what was in effect in which iteration can be
told at any later time. A request that was not taken up yet outlives the process.
"""

import json
import os
import time
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.io.placing import place_on_grid
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.steering import changed_settings
from locref_widgets.runs.control import read_small_file
from locref_widgets.runs.durable import disc_errors, write_json
from locref_widgets.runs.events import now_iso
from locref_widgets.runs.folder import RunFolder, settings_from_json
from locref_widgets.runs.inputs import check_region, settings_after_changes
from locref_widgets.runs.provenance import describe_file

SCHEMA = 1
_MOST_PENDING = 100
_REQUEST = "change-*.json"


@dataclass(frozen=True)
class ChangeRequest:
    """A request as it stands in ``control``.

    ``settings`` are new values by name, as JSON has them; ``mask_sha256`` is that of the mask
    beside it, ``mask_from`` where that was given.
    """

    path: Path
    identity: str
    asked: str
    settings: dict[str, Any] = field(default_factory=dict)
    mask_sha256: str | None = None
    mask_from: str | None = None

    @property
    def mask_path(self) -> Path:
        """Where the mask lies until it is taken up."""
        return self.path.with_suffix(".mrc")


def ask_change(
    folder: RunFolder, settings: dict[str, Any], mask: Map | str | os.PathLike | None = None
) -> list[str]:
    """Ask a run to go on with other settings, or another mask, from its next iteration on.

    Returns warnings, each a sentence.

    Raises
    ------
    InputError
        If the settings are wrong, may not be changed, or are those that it has; if the mask does
        not fit. Nothing is asked by then.
    OutputError
        If the request cannot be written.
    """
    before = settings_to_come(folder)
    after, differences = changed_settings(before, settings)
    if not differences and mask is None:
        given = ", ".join(f"{name} {getattr(after, name)}" for name in settings) or "nothing"
        raise InputError(f"{folder.path}: nothing would change ({given} is what it has).")
    volume = given_map(folder)
    new_mask = None if mask is None else placed_mask(mask, volume)
    warnings = check_region(volume, new_mask or mask_to_come(folder), after)
    _write_request(folder, settings_as_json(settings, after), new_mask)
    return warnings


def settings_as_json(names: dict[str, Any], settings: RefinementSettings) -> dict[str, Any]:
    """The values of these settings as JSON has them."""
    values = settings.model_dump(mode="json")
    return {name: values[name] for name in names}


def pending_changes(folder: RunFolder) -> list[ChangeRequest]:
    """List the requests that were not taken up yet, the oldest first; spoilt ones are left out."""
    found = []
    for path in pending_paths(folder):
        try:
            found.append(read_request(path))
        except InputError:
            continue
    return found


def pending_paths(folder: RunFolder) -> list[Path]:
    """Name the files of requests, the oldest first."""
    found = sorted((folder.path / "control").glob(_REQUEST))
    return [path for path in found if path.is_symlink() or not path.is_dir()][:_MOST_PENDING]


def read_request(path: Path) -> ChangeRequest:
    """Read a request. Raises `InputError` unless it has the form of one."""
    stored = read_small_file(path)
    try:
        content = json.loads(stored)
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            raise ValueError(f"schema {SCHEMA} expected")
        mask = content.get("mask") or {}
        request = ChangeRequest(
            path=path,
            identity=str(content["id"]),
            asked=str(content["asked"]),
            settings=dict(content["settings"]),
            mask_sha256=mask.get("sha256"),
            mask_from=mask.get("from"),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: is no request for a change ({error}).") from None
    if not request.identity.isalnum():
        raise InputError(f"{path}: is no request for a change (its id is no word).")
    return request


def in_effect(
    record: dict[str, Any], iteration: int
) -> tuple[RefinementSettings, dict[str, Any] | None]:
    """Settings by which an iteration was, or will be, made, and the mask's entry if it was changed.

    ``record`` is the content of ``run.json``.
    """
    values, mask = dict(record["settings"]), None
    for change in record.get("changes", ()):
        if change["iteration"] <= iteration:
            values |= {name: told["after"] for name, told in change["settings"].items()}
            mask = change["mask"] or mask
    return settings_from_json(values), mask


def latest_settings(record: dict[str, Any]) -> RefinementSettings:
    """Settings after all changes that were taken up."""
    return settings_from_json(settings_after_changes(record))


def describe_changes(record: dict[str, Any]) -> list[str]:
    """Tell in a line each what was changed while a run went on."""
    lines = []
    for change in record.get("changes", ()):
        told = [
            f"{name} {_shown(value['before'])} → {_shown(value['after'])}"
            for name, value in change["settings"].items()
        ]
        if change["mask"]:
            told.append(f"mask {change['mask'].get('from') or change['mask']['path']}")
        lines.append(f"from iteration {change['iteration']} on: {', '.join(told)}")
    return lines


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ",".join(f"{number:g}" for number in value)
    return "unset" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def settings_to_come(folder: RunFolder) -> RefinementSettings:
    """Settings once all that is asked has been taken up."""
    settings = latest_settings(folder.read_record())
    for request in pending_changes(folder):
        try:
            settings, _ = changed_settings(settings, from_json(request.settings))
        except InputError:
            continue  # the run will refuse it
    return settings


def mask_to_come(folder: RunFolder) -> Map:
    """The mask once all that is asked has been taken up."""
    for request in reversed(pending_changes(folder)):
        if request.mask_sha256 and request.mask_path.is_file():
            return read_map(request.mask_path)
    changes = folder.read_record().get("changes", ())
    return mask_at(folder, max((change["iteration"] for change in changes), default=0))


def mask_at(folder: RunFolder, iteration: int) -> Map:
    """The mask by which an iteration was, or will be, made."""
    record = folder.read_record()
    entry = in_effect(record, iteration)[1] or record["inputs"]["mask"]
    return read_map(folder.path / entry["path"])


def given_map(folder: RunFolder) -> Map:
    """The map that the run was given."""
    return read_map(folder.read_record()["inputs"]["map"]["path"])


def from_json(values: dict[str, Any]) -> dict[str, Any]:
    """Settings as the model takes them: points are tuples."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }


def placed_mask(mask: Map | str | os.PathLike, volume: Map) -> Map:
    """Read a mask and put it into the map's box. Raises `InputError` where it does not fit."""
    given = mask if isinstance(mask, Map) else read_map(mask, cubic=False)
    placed = place_on_grid(volume, given, "the mask")
    # It says where it came from, also when it had to be put into the map's box.
    return replace(placed, path=given.path)


def _write_request(folder: RunFolder, settings: dict[str, Any], mask: Map | None) -> None:
    identity = uuid.uuid4().hex
    control = folder.path / "control"
    path = control / f"change-{time.time_ns():020d}-{identity}.json"
    content = {"schema": SCHEMA, "id": identity, "asked": now_iso(), "settings": settings}
    with disc_errors(path):
        control.mkdir(exist_ok=True)
        if len(list(control.glob(_REQUEST))) >= _MOST_PENDING:
            raise OutputError(
                f"{control}: holds {_MOST_PENDING} requests already that were not taken up."
            )
        if mask is not None:
            stored = path.with_suffix(".mrc")
            write_map(stored, mask.data, mask.voxel_size_angstrom, mask.position)
            told = {"sha256": describe_file(stored)["sha256"]}
            content["mask"] = told | {"from": str(mask.path) if mask.path else None}
        write_json(path, content)
