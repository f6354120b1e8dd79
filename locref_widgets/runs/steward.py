"""Between two iterations: what was asked is taken up, or refused in words.

Only the process that writes the run does this. A change is first kept in ``run.json``, with the
iteration that it begins with, and only then removed from ``control``: at whatever instant the
process is killed, the next one finds it in one of the two, and takes it up at the same iteration.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.refinement.observing import Change
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult, StopRequested
from locref_widgets.refinement.steering import changed_settings
from locref_widgets.runs.changes import (
    ChangeRequest,
    from_json,
    in_effect,
    pending_paths,
    read_request,
)
from locref_widgets.runs.control import take_stop_after
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.inputs import check_region
from locref_widgets.runs.provenance import describe_file

if TYPE_CHECKING:
    from locref_widgets.refinement.problem import RefinementInput

Say = Callable[..., Any]


class Steward:
    """What is in effect in a run, and what will be.

    Attributes
    ----------
    settings
        In effect now.
    inputs
        Likewise, with the mask in effect.
    """

    def __init__(
        self, folder: RunFolder, inputs: "RefinementInput", settings: RefinementSettings
    ) -> None:
        """``inputs`` and ``settings`` are those that the run was begun with."""
        self.folder, self.inputs, self.settings = folder, inputs, settings
        self._result: IterationResult | None = None

    def go_on_from(self, result: IterationResult | None) -> None:
        """Put in effect what the last iteration that is on the disc was made with.

        Raises `InputError` when a mask that was changed meanwhile is not there any more.
        """
        self._result = result
        if result is None:
            return
        self.settings, mask = in_effect(self.folder.read_record(), result.iteration)
        if mask is not None:
            self.inputs = replace(self.inputs, mask=read_kept_mask(self.folder, mask))

    def settings_at(self, iteration: int) -> RefinementSettings:
        """Settings by which an iteration was made."""
        return in_effect(self.folder.read_record(), iteration)[0]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to iterate, as far as was asked by now."""
        return self._has_made_all() and not (self._kept() or pending_paths(self.folder))

    def iteration_finished(self, result: IterationResult) -> None:
        """Take note of how far it is."""
        self._result = result

    def before_iteration(self, iteration: int, say: Say) -> Change | None:
        """Take up what was asked; None when all stays as it was.

        ``say`` logs an event. Raises `StopRequested` when it was asked to stop between iterations.
        """
        if take_stop_after(self.folder.path) and not self._has_made_all():
            raise StopRequested
        before, mask = self.settings, None
        for entry in self._kept():
            self.settings, _ = in_effect(self.folder.read_record(), iteration)
            mask = entry["mask"] or mask
        if mask is not None:
            self.inputs = replace(self.inputs, mask=read_kept_mask(self.folder, mask))
        for path in pending_paths(self.folder):
            try:
                mask = self._take_up(path, iteration, say) or mask
            except InputError as error:
                say("change_refused", iteration=iteration, message=str(error))
                _remove(path)
        if self.settings == before and mask is None:
            return None
        return Change(self.settings, None if mask is None else self.inputs.mask)

    def _take_up(self, path: Path, iteration: int, say: Say) -> dict[str, Any] | None:
        """Put a request into effect; return the entry of the new mask."""
        request = read_request(path)
        record = self.folder.read_record()
        changes = record.get("changes", [])
        if any(change["id"] == request.identity for change in changes):
            _remove(path)  # killed between keeping it and removing the request
            return None
        settings, differences = changed_settings(self.settings, from_json(request.settings))
        settings, differences = self._with_room(settings, differences, iteration)
        source, mask = self._read_mask(request)
        for message in check_region(self.inputs.volume, mask, settings):
            say("warning", message=message)
        entry = None
        if source is not None:
            mask, entry = self._keep_mask(mask, source, request)
        before = self.settings.model_dump(mode="json")
        told = {n: {"before": before[n], "after": value} for n, value in differences.items()}
        if told or entry:
            change = {
                "iteration": iteration,
                "id": request.identity,
                "asked": request.asked,
                "settings": told,
                "mask": entry,
            }
            self.folder.set_values(changes=[*changes, change])
            self.settings, self.inputs = settings, replace(self.inputs, mask=mask)
        _remove(path)
        return entry

    def _with_room(
        self, settings: RefinementSettings, differences: dict[str, Any], iteration: int
    ) -> tuple[RefinementSettings, dict[str, Any]]:
        """See to it that an iteration follows: the last one makes the final maps."""
        if settings.iterations >= iteration:
            return settings, differences
        if self._has_made_all():
            raise InputError(
                f"{self.folder.path}: the last iteration, {iteration - 1}, was over before the "
                "change could be taken up. Go on from it with more iterations in a branch: "
                f"locref branch {self.folder.path} --from-iteration {iteration - 1} --out NEW"
            )
        settings = settings.model_copy(update={"iterations": iteration})
        differences = {name: v for name, v in differences.items() if name != "iterations"}
        if iteration != self.settings.iterations:
            differences["iterations"] = iteration
        return settings, differences

    def _read_mask(self, request: ChangeRequest) -> tuple[Path | None, Map]:
        """The mask that a request brings and where it lies; None and the present one if none."""
        if request.mask_sha256 is None:
            return None, self.inputs.mask
        kept = self._place_for(request)
        # After a kill it may be there already.
        source = request.mask_path if request.mask_path.exists() else kept
        most_bytes = 2 * self.inputs.volume.data.nbytes + 2**20
        try:
            fits = not source.is_symlink() and source.stat().st_size <= most_bytes
        except OSError:
            fits = False
        if not fits or describe_file(source)["sha256"] != request.mask_sha256:
            raise InputError(f"{source}: is not the mask that the change was asked with.")
        return source, read_map(source)

    def _keep_mask(
        self, mask: Map, source: Path, request: ChangeRequest
    ) -> tuple[Map, dict[str, Any]]:
        """Move a request's mask to the run's own inputs."""
        kept = self._place_for(request)
        if source != kept:
            kept.parent.mkdir(exist_ok=True)
            source.replace(kept)
        entry = describe_file(kept) | {"path": f"inputs/{kept.name}", "from": request.mask_from}
        return replace(mask, path=kept), entry

    def _place_for(self, request: ChangeRequest) -> Path:
        return self.folder.path / "inputs" / f"mask_{request.identity}.mrc"

    def _has_made_all(self) -> bool:
        result = self._result
        return result is not None and (
            result.converged or result.iteration >= self.settings.iterations
        )

    def _kept(self) -> list[dict[str, Any]]:
        """Changes taken up already for the iteration that comes next, before a kill."""
        following = 0 if self._result is None else self._result.iteration + 1
        changes = self.folder.read_record().get("changes", [])
        return [change for change in changes if change["iteration"] == following]


def read_kept_mask(folder: RunFolder, entry: dict[str, Any]) -> Map:
    """Read a mask that a change brought. Raises `InputError` when it is another one by now."""
    path = folder.path / entry["path"]
    if describe_file(path)["sha256"] != entry["sha256"]:
        raise InputError(
            f"{path}: was changed since the run took it up. Put the old file back, or branch off "
            "before that iteration."
        )
    return read_map(path)


def _remove(request: Path) -> None:
    for path in (request, request.with_suffix(".mrc")):
        # What cannot be removed is known by its id, or refused again.
        with suppress(OSError):
            path.unlink(missing_ok=True)
