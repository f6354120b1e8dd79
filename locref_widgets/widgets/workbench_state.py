"""What a workbench knows: its files, settings and where one is; kept in a file, without widgets.

Everything is in ``workbench.json`` in the workbench's folder, written whole after each change, so
that another kernel goes on from there. Masks made in it lie beside that file, runs below ``runs/``.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.refinement.settings import RefinementSettings, overridden

STEPS = ("data", "mask", "fulcrum", "settings", "run", "results")
Step = Literal["data", "mask", "fulcrum", "settings", "run", "results"]

FILE_NAME = "workbench.json"
_LOOKED_AT = ("step", "run", "compared")


class WorkbenchState(BaseModel):
    """One piece of work, from the files to the results.

    Attributes
    ----------
    version
        Of the form in which it is written.
    step
        The step that is open.
    particles, volume, half1, half2, mask
        Absolute paths of files; None until they are chosen. `half1` and `half2` may stay None.
    settings
        Of the next run, its fulcrum among them.
    run
        Name of the run that is looked at, below ``runs``.
    compared
        Names of the runs that are compared with one another.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    step: Step = "data"
    particles: Path | None = None
    volume: Path | None = None
    half1: Path | None = None
    half2: Path | None = None
    mask: Path | None = None
    settings: RefinementSettings = RefinementSettings()
    run: str | None = None
    compared: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "WorkbenchState":
        """Read a workbench's state; a new one where the folder has none.

        Raises
        ------
        InputError
            The file cannot be read as such a state. It is left as it is.
        """
        path = Path(folder) / FILE_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the file"
            raise InputError(
                f"{path}: {where}: {first['msg']}. Mend it, or move the file away to begin anew; "
                "the runs beside it stay as they are."
            ) from error

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write it whole. Raises `OutputError` where the folder or the disc does not allow it."""
        with atomic_writer(Path(folder) / FILE_NAME) as handle:
            handle.write(self.model_dump_json(indent=2).encode() + b"\n")

    def with_(self, **changes: object) -> "WorkbenchState":
        """Return it with some values changed."""
        return self.model_copy(update=changes)

    def merged(self, known: "WorkbenchState", theirs: "WorkbenchState") -> "WorkbenchState":
        """Put what differs here from the state `known` before into the one written since.

        What is looked at stays one's own. Raises `InputError` where both sets of settings do not go
        together.
        """
        changes = {
            name: mine for name, mine in self if name in _LOOKED_AT or mine != getattr(known, name)
        }
        if "settings" in changes and theirs.settings != known.settings:
            own = {n: one for n, one in self.settings if one != getattr(known.settings, n)}
            changes["settings"] = RefinementSettings(**overridden(dict(theirs.settings), own))
        return theirs.with_(**changes)

    @property
    def half_maps(self) -> tuple[Path, Path] | None:
        """Both half-maps, or None."""
        return None if self.half1 is None or self.half2 is None else (self.half1, self.half2)

    def is_done(self, step: Step, runs: int = 0) -> bool:
        """Tell whether a step has given what it is for; `runs` counts the runs there are."""
        settings = self.settings
        return {
            "data": self.particles is not None and self.volume is not None,
            "mask": self.mask is not None,
            "fulcrum": settings.fulcrum is not None or settings.fulcrum_angstrom is not None,
            "settings": runs > 0,
            "run": runs > 0,
            "results": False,
        }[step]

    def why_not(self, step: Step, runs: int = 0) -> str | None:
        """Say what a step waits for; None where it can be opened."""
        if step != "data" and step != "results" and not self.is_done("data"):
            return "Choose particles and a map first (step Data)"
        if step in ("fulcrum", "settings", "run") and not self.is_done("mask"):
            return "Choose or make a mask first (step Mask)"
        if step == "results" and not runs:
            return "Start a run first (step Run)"
        return None
