"""What a conversion leaves out, and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from locref_widgets.errors import InputError

Result = TypeVar("Result")


@dataclass(frozen=True)
class NotCarried:
    """A column or field that the other format has no place for."""

    name: str
    reason: str


def read_or_leave(
    left: list[NotCarried], names: Sequence[str], read: Callable[[], Result]
) -> Result | None:
    """Read columns that a refinement does not need; leave them out if they cannot be read.

    Programs write NaN or words there, and a file must not fail for them that is good to refine.
    """
    try:
        return read()
    except InputError as error:
        left.extend(NotCarried(name, str(error)) for name in names)
        return None


def describe_not_carried(left: Sequence[NotCarried]) -> str:
    """Name what was left out, with each reason once: ``a, b (reason); c (another)``."""
    names: dict[str, list[str]] = {}
    for entry in left:
        names.setdefault(entry.reason, []).append(entry.name)
    return "; ".join(f"{', '.join(some)} ({reason.rstrip('.')})" for reason, some in names.items())
